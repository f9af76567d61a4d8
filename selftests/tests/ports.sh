#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Which devices are ports, what turns them on and off, and what users are told.
#
# timeout: 240
# group: ports
exec python3 "$LIB/../tools/ports.py"
