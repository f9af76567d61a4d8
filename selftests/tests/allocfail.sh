#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Every allocation of the modules fails at least once.
#
# Written for debug; not run there to its end yet, so:
# systems: debug trixie bookworm bpo
# timeout: 240
# group: stress
export ESP_SA=/dev/null
exec python3 "$LIB/../tools/allocfail.py"
