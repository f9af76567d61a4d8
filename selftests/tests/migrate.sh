#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# SA migration with live SAs.
#
# timeout: 120
# group: ports
# the capture knows an SA by its addresses, which change
export ESP_SA=/dev/null
exec python3 "$LIB/../tools/migrate.py"
