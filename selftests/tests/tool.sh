#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The tools for people: tools/esp-ring and tools/esp-ring-plot.
#
# systems: bookworm bpo
# also: trixie debug
# timeout: 120
# group: ports
exec python3 "$LIB/../tools/tool.py"
