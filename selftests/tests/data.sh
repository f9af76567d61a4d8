#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Every algorithm with and without ESN, and every mode and family with both,
# against the kernel's own ESP.
#
# timeout: 240
# group: data
exec python3 "$LIB/../tools/data.py" thin
