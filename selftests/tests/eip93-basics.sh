#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The EIP-93's driver: what it offers, its counters against the model's, moderation.
#
# systems: en7581
# timeout: 400
# group: eip93
exec python3 "$LIB/../tools/eip93.py" basics
