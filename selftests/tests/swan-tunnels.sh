#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# strongSwan as people use it: sites, road warriors, MOBIKE, dead peers,
# reauthentication.
#
# systems: trixie bookworm bpo sid
# also: debug
# timeout: 240
# group: swan-nat
exec python3 "$LIB/../tools/swan_tunnels.py"
