#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Routes through GRE, VXLAN and ESP, of forwarded traffic, by policy, mark,
# flowtable and queueing discipline.
#
# On debug less of it, and in one shape instead of two, for time.
#
# timeout: 240
# group: routes
exec python3 "$LIB/../tools/routes_nets.py"
