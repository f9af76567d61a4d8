#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Tunnels in tunnels, forwarding, nftables and queueing, through the EIP-93: what
# routes-nets.sh does where the board has the kernel's parts for it.
#
# systems: mt7621 en7581
# also: mt7621-6.12
# timeout: 240
# group: eip93routes
exec python3 "$LIB/../tools/eip93suite.py" routes_nets -- \
	"two templates" forwarded flowtable marks "changes the port" "fq_codel on the port" unload
