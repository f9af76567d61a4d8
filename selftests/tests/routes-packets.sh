#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Routes by what the packets are: options and extension headers, fragments, jumbo
# frames, path MTU and "too big" both ways.
#
# On debug less of it, and in one shape instead of two, for time.
#
# timeout: 240
# group: routes
exec python3 "$LIB/../tools/routes_packets.py"
