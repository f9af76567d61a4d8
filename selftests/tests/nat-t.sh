#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# NAT traversal through a masquerading host whose mappings change.
#
# systems: trixie bookworm bpo
# also: debug
# timeout: 200
# group: swan-nat
exec python3 "$LIB/../tools/natt.py"
