#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Engines under load, in numbers: balance within 10 %, a death costs what the
# engine held and less than a second, an urgent round trip at most doubles.
#
# In the guest's own time, an instruction of any CPU being 2 ns, so that a busy host makes
# no CPU slower than the engines. While no CPU has anything to do it goes with the host's:
# without that it was seen to run away by minutes as the guest waited for its disk.
#
# systems: bpo
# also: bookworm trixie
# timeout: 600
# group: load
# qemu: -icount shift=1
# nothing here is damaged, and there is much of it: not for tshark
export ESP_SA=/dev/null
exec python3 "$LIB/../tools/engines_load.py"
