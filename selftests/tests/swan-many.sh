#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# strongSwan with 100 CHILD_SAs, SAs for each CPU, and a refused offload.
#
# systems: trixie bookworm bpo sid
# also: debug
# timeout: 150
# group: swan-nat
exec python3 "$LIB/../tools/swan_many.py"
