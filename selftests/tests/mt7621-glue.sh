#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Which engine the MT7621's ports get: mtk_eth_soc, and the switch's by DSA.
#
# systems: mt7621 mt7621-6.12
# also: mt7621-native
# timeout: 60
# group: switch
# ports: 5
exec python3 "$LIB/../tools/glue_mt7621.py"
