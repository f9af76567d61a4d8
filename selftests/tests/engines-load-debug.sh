#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# What of engines-load.sh a debug kernel can be asked for: there KASAN's share of
# each instruction would make a quarter of an hour of it. Not how long an urgent
# round trip takes, then, nor how the load of the last second is balanced, and
# five seconds instead of one after a death.
#
# systems: none
# also: debug
# timeout: 120
# group: ports
export ESP_SA=/dev/null
exec python3 "$LIB/../tools/engines_load.py" dies unloads
