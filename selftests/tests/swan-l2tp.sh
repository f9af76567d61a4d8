#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# L2TP over IPsec by IKEv1, direct and behind a NAT.  Not on sid: its strongSwan 6.1
# is built without IKEv1.
#
# systems: trixie bookworm bpo
# also: debug
# timeout: 120
# group: swan-nat
exec python3 "$LIB/../tools/swan_l2tp.py"
