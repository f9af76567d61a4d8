#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The MT7621's Ethernet as the kernel has it: mtk_eth_soc, mt7530 and DSA on
# their models, without any module of ours.
#
# systems: mt7621
# also: mt7621-6.12
# timeout: 120
# group: switch
# ports: 5
exec python3 "$LIB/../tools/switch.py"
