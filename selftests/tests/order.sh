#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Order within an SA, and rekeying under load.
#
# timeout: 240
# group: order
exec python3 "$LIB/../tools/order.py"
