#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Packets out of the ordinary, through the EIP-93: what routes-packets.sh does where the board has the
# kernel's parts for it.
#
# systems: mt7621 en7581
# also: mt7621-6.12
# timeout: 240
# group: eip93routes
exec python3 "$LIB/../tools/eip93suite.py" routes_packets -- \
	options "extension headers" fragments "jumbo frames, virtio" "IPv4\$" "too big" unload
