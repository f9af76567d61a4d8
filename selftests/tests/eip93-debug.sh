#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# What eip93-basics.sh does under KASAN, lockdep and DMA_API_DEBUG, less what takes
# minutes there, and less the interrupts under load: no load of that CPU's is one.
#
# systems: en7581-debug
# timeout: 200
# group: eip93
exec python3 "$LIB/../tools/eip93.py" basics \
	probes parameters "cannot do" records length idle "any byte" beyond CPUs "unbind" unloads
