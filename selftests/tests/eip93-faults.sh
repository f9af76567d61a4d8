#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Every fault of the EIP-93's model while packets flow both ways.
#
# systems: mt7621 en7581
# also: mt7621-6.12
# timeout: 300
# group: eip93faults
# digests are spoilt on purpose: not for tshark
export ESP_SA=/dev/null
exec python3 "$LIB/../tools/eip93.py" faults
