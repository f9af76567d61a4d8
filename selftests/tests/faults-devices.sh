#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Link down, device removed, name space destroyed, all under load.
#
# timeout: 240
# group: faults
exec python3 "$LIB/../tools/faults.py" devices
