#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Random and parallel configuration, right and wrong, while packets flow.
# SEED=N replays, STEPS=N and LONG=1 go on for longer.
#
# systems: bpo
# also: debug trixie bookworm
# timeout: 600
# mem: 1536
# group: stress
# what is sent is not meant to be decrypted
export ESP_SA=/dev/null
exec python3 "$LIB/../tools/stress.py"
