#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Every mode, family, algorithm and ESN: the whole product, half 2.
#
# systems: trixie
# timeout: 600
# group: full2
exec python3 "$LIB/../tools/data.py" full 15 31
