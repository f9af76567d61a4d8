#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Routes by what the packets are: options and extension headers, fragments, jumbo
# frames, path MTU and "too big" both ways.
#
# systems: usual
# timeout: 240
# group: routes
exec python3 "$LIB/../tools/routes_packets.py"
