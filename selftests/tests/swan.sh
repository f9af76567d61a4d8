#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# strongSwan with hw_offload = auto, crypto and no; rekeying under load.
#
# systems: trixie bookworm bpo
# also: debug
# timeout: 300
# group: swan
exec python3 "$LIB/../tools/swan.py"
