#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Routes by device: the port, VLAN, QinQ, bridge, macvlan, bonds, PPPoE, VRF, xfrm
# interface, and a port that moves.
#
# On debug less of it, and in one shape instead of two, for time.
#
# timeout: 240
# group: routes
exec python3 "$LIB/../tools/routes_links.py"
