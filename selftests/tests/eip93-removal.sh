#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The EIP-93's driver removed under load, as faults-removal.sh.
#
# systems: mt7621 en7581
# also: en7581-debug mt7621-6.12
# timeout: 300
# group: eip93faults
exec python3 "$LIB/../tools/eip93suite.py" faults removal
