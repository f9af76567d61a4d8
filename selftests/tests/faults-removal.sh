#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Engine and modules removed, SAs deleted and flushed, all under load.
#
# timeout: 240
# group: faults
exec python3 "$LIB/../tools/faults.py" removal
