#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# systems: usual boards
# timeout: 120
#
# The test bed itself, without any module of ours: two hosts, plain software
# ESP, traffic both ways.  If this fails, look no further.
# shellcheck source=selftests/lib/lib.sh
. "$LIB/lib.sh"

run "two NICs at each host" hosts_up v e
run "modules were built" test -f "$MODULES/esp_ring.ko"
xfrm_stat_save
for mode in transport4 transport6 tunnel4 tunnel6; do
	run "$mode: states and policies" protect $mode
	case $mode in
	transport4) to=192.0.2.2 from=192.0.2.1 ;;
	transport6) to=fd00:2::2 from=fd00:2::1 ;;
	tunnel4) to=10.2.0.1 from=10.1.0.1 ;;
	tunnel6) to=fd00:b::1 from=fd00:a::1 ;;
	esac
	run "$mode: pings" ping_b "$to" 5
	run "$mode: fragmented pings" ping_b "$to" 3 4000
	run "$mode: a file to B" tcp_file a "$to" 1000000
	run "$mode: a file to A" tcp_file b "$from" 1000000
	flush_xfrm
done
is "$(xfrm_stat_delta)" "" "no error was counted"

run "e: transport over e1000e" protect transport4 "" 198.51.100.1 198.51.100.2
run "e: pings" ping_b 198.51.100.2 5
run "e: a file to B" tcp_file a 198.51.100.2 1000000
clear_up
run "clear network: pings" ping_b 203.0.113.2 2
done_testing
