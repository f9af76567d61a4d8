#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Packets with rekeys: none lost, nothing leaks.  EIP93_SOAK=1000000 for long.
#
# systems: en7581
# timeout: 120
# group: eip93
exec python3 "$LIB/../tools/eip93.py" soak
