#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The MT7621 as a router: strongSwan on wan, a LAN host behind br-lan, another site.
#
# systems: mt7621 mt7621-6.12
# timeout: 360
# group: router
# ports: 2
exec python3 "$LIB/../tools/router.py"
