#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Which engine a port gets by the device tree: the controllers of airoha-virt.
#
# systems: en7581
# timeout: 120
# group: eip93
exec python3 "$LIB/../tools/glue.py"
