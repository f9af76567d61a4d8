#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# What eip93-basics.sh does, less what takes minutes on an emulated MIPS.
#
# systems: mt7621
# also: mt7621-6.12
# timeout: 200
# group: eip93
exec python3 "$LIB/../tools/eip93.py" basics \
	probes parameters "cannot do" records length idle "under load" "any byte" CPUs "unbind" unloads
