#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The software engine and a CPU that is short: urgent packets have their turn between
# two others, however many of those wait.
#
# systems: bpo
# also: trixie bookworm debug
# cpus: 1
# timeout: 60
# group: urgent
export ESP_SA=/dev/null
exec python3 "$LIB/../tools/engines_urgent.py"
