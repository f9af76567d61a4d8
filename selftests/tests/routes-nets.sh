#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Routes through GRE, VXLAN and ESP, of forwarded traffic, by policy, mark,
# flowtable and queueing discipline.
#
# systems: usual
# timeout: 240
# group: routes
exec python3 "$LIB/../tools/routes_nets.py"
