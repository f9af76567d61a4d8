#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Wrapping numbers, replay windows, bulk TCP, path MTU, and what else is no row of
# the table in data.sh.
#
# timeout: 240
# group: data
exec python3 "$LIB/../tools/data.py" edges
