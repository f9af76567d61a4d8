#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# L2TP over IPsec by IKEv1, direct and behind a NAT.
#
# systems: trixie bookworm bpo sid debug
# timeout: 120
# group: swan-nat
exec python3 "$LIB/../tools/swan_l2tp.py"
