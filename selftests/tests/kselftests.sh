#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The kernel's own selftests, without and with every SA offloaded: the same results.
# LONG=1: all of them, half an hour.
#
# systems: bpo
# also: trixie bookworm debug
# timeout: 600
# group: kselftests
# needs: kselftests
# their packets stay within name spaces of their own
exec python3 "$LIB/../tools/kselftests.py"
