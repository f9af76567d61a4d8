#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Last numbers, windows, bulk and MTU on the EIP-93, as data-edges.sh.  Not e1000e: the boards have none,
# and their second pair of virtio-net has no GSO that could be tested.
#
# systems: mt7621 en7581 mt7621-6.12
# timeout: 300
# group: eip93data
exec python3 "$LIB/../tools/eip93suite.py" data edges -- \
	wraps "last sequence" "replay windows" "on virtio-net" nonlinear "counters of" "path MTU" unloads
