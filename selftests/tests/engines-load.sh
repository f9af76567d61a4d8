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
# Not in a plain "make test": a machine with a clock of its own was seen not to boot, its
# console empty, once in three on a busy host.
#
# systems: none
# also: bpo bookworm trixie
# timeout: 600
# group: load
# qemu: -icount shift=1,sleep=off
# nothing here is damaged, and there is much of it: not for tshark
export ESP_SA=/dev/null
exec python3 "$LIB/../tools/engines_load.py"
