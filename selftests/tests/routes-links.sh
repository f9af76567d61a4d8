#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Routes by device: the port, VLAN, QinQ, bridge, macvlan, bonds, PPPoE, VRF, xfrm
# interface, and a port that moves.
#
# systems: usual
# timeout: 240
# group: routes
exec python3 "$LIB/../tools/routes_links.py"
