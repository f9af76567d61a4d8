#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The EIP-93 suspended, resumed and shut down while packets flow both ways.
#
# systems: mt7621 en7581
# also: en7581-debug mt7621-6.12
# timeout: 120
# group: eip93faults
exec python3 "$LIB/../tools/eip93life.py"
