#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Order and rekeying on the EIP-93, as order.sh.
#
# systems: mt7621 en7581
# also: mt7621-6.12
# timeout: 300
# group: eip93order
exec python3 "$LIB/../tools/eip93suite.py" order
