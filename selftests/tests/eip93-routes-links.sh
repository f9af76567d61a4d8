#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Routes by device, through the EIP-93: what routes-links.sh does where the board has the
# kernel's parts for it.
#
# systems: mt7621 en7581
# also: mt7621-6.12
# timeout: 240
# group: eip93routes
exec python3 "$LIB/../tools/eip93suite.py" routes_links -- \
	"port itself, virtio" VLAN "bridge with" "SAs on a port" PPPoE VRF "xfrm interface" moves unload
