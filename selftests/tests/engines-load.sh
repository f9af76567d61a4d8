#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Engines under load, in numbers: balance within 10 %, a death costs what the
# engine held and less than a second, an urgent round trip at most doubles.
#
# In the guest's own time, an instruction of any CPU being 2 ns: how busy the
# host is makes no difference to what is measured. That time runs ahead while the guest
# waits for its disk, hence the long timeout.
#
# systems: bookworm bpo
# also: trixie
# timeout: 900
# group: load
# qemu: -icount shift=1,sleep=off
# nothing here is damaged, and there is much of it: not for tshark
export ESP_SA=/dev/null
exec python3 "$LIB/../tools/engines_load.py"
