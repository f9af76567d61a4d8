#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Every algorithm of the EIP-93 in modes and families, as data.sh.
#
# systems: mt7621 en7581 mt7621-6.12
# timeout: 400
# group: eip93data
exec python3 "$LIB/../tools/eip93suite.py" data thin
