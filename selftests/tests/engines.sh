#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Choice of engines, binding, priorities, CPUs, limits, debugfs and tracepoints.
#
# systems: bookworm bpo
# also: trixie debug
# timeout: 240
# group: ports
exec python3 "$LIB/../tools/engines.py"
