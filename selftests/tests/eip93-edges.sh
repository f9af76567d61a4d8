#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Wrapping numbers, windows, bulk and MTU on the EIP-93, as data-edges.sh.
#
# systems: boards
# timeout: 300
# group: eip93data
exec python3 "$LIB/../tools/eip93suite.py" data edges
