#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# What nobody should send, to the EIP-93, as badinput.sh.
#
# systems: mt7621
# also: en7581 mt7621-6.12
# timeout: 360
# group: eip93order
# damaged on purpose: not for tshark
export ESP_SA=/dev/null
exec python3 "$LIB/../tools/eip93suite.py" badinput
