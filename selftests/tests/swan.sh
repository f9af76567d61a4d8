#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# strongSwan with hw_offload = auto, crypto and no; rekeying under load.
# Not on debug: a tunnel takes charon two minutes there, and rekeying under
# load on it is order.sh's.
#
# systems: trixie bookworm bpo
# timeout: 300
# group: swan
exec python3 "$LIB/../tools/swan.py"
