#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Order and rekeying on the EIP-93, as order.sh.  Not that by TCP: four numbers
# were missing once in four runs on a busy host, and who lost them is not known.
#
# systems: en7581
# timeout: 300
# group: eip93order
exec python3 "$LIB/../tools/eip93suite.py" order -- \
	"wire increase$" delivery "two flows" rekeys unloads
