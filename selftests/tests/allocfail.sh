#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Every allocation of the modules fails at least once: on debug all but those of per-CPU
# memory, on the others those.
#
# systems: debug bpo
# also: trixie bookworm
# timeout: 240
# group: stress
export ESP_SA=/dev/null
exec python3 "$LIB/../tools/allocfail.py"
