#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The MT7621's Ethernet with the kernel's own drivers, which proves the model of
# its frame engine: sizes, checksums, segments, MTU, links, counters, overload,
# and what the driver's monitor does when a DMA hangs.
#
# systems: mt7621 mt7621-6.12
# also: mt7621-native
# timeout: 240
# group: switch
# ports: 2
#
# run calls the functions, which shellcheck does not see
# shellcheck disable=SC2086,SC2317
# shellcheck source=selftests/lib/lib.sh
. "$LIB/lib.sh"

WAN=203.0.113.1 HOST=203.0.113.2 WAN6=fd00:cc::1 HOST6=fd00:cc::2
LAN=192.168.7.1 LANHOST=192.168.7.2
# the frame engine's control block
CTL=$((0x1e311000))

on_wan() {
	ip netns exec h-wan "$@"
}

on_lan() {
	ip netns exec h-lan1 "$@"
}

# fault N VALUE, stat N: see hw/espring/mtk_fe_ctl.c
fault() {
	busybox devmem $((CTL + 0x40 + 4 * $1)) 32 "$2"
}

get_fault() {
	echo $(($(busybox devmem $((CTL + 0x40 + 4 * $1)) 32)))
}

stat() {
	echo $(($(busybox devmem $((CTL + 0x100 + 8 * $1)) 32)))
}

STOP_TX=0 STOP_RX=1 LOSE_FCS=3
STAT_TSO=8 STAT_RX=11

ethtool_stat() {
	ethtool -S eth0 | sed -n "s/^ *$1: //p"
}

link() {
	[ "$(cat "/sys/class/net/$1/carrier" 2>/dev/null)" = 1 ]
}

up() {
	for p in wan lan1; do
		ip netns add h-$p
		ip link set p-$p netns h-$p
		ip netns exec h-$p ip link set lo up
		ip netns exec h-$p ip link set p-$p up
		ip link set $p up || return 1
	done
	ip addr add $WAN/24 dev wan
	ip -6 addr add $WAN6/64 dev wan nodad
	ip addr add $LAN/24 dev lan1
	on_wan ip addr add $HOST/24 dev p-wan
	on_wan ip -6 addr add $HOST6/64 dev p-wan nodad
	on_lan ip addr add $LANHOST/24 dev p-lan1
	on_lan ip route add default via $LAN
	on_wan ip route add 192.168.7.0/24 via $WAN
	wait_for 10 link wan && wait_for 10 link lan1
}

ping_wan() {
	ping_b $HOST "$@"
}

# the server stays; a client that gets less than a megabit is stuck
server() {
	for _p in 5201 5202; do
		bg ip netns exec h-wan iperf3 -s -p $_p >/dev/null 2>&1
	done
	wait_for 10 eval 'on_wan ss -Hltn "sport = :5202" | grep -q .'
}

speed() {
	_what=$1
	shift
	_m=$(iperf "$@" 2>&1)
	note "$_what: $_m Mbit/s"
	ok "$([ "${_m%.*}" -ge 1 ] 2>/dev/null; echo $?)" "$_what" "$_m"
}

# What wan sends, as the other end sees it: every checksum right, nothing longer
# than the MTU although the driver gave more
checksums() {
	_before=$(stat $STAT_TSO)
	# GRO would join the segments before tcpdump sees them
	on_wan ethtool -K p-wan gro off || return 1
	# the user whom it would become is not in a root that was only unpacked
	bg ip netns exec h-wan timeout 30 tcpdump -Z root -U -i p-wan -Q in -s 0 \
		-w "$OUT/tx.pcap" "src host $WAN or src host $WAN6" >/dev/null 2>&1
	_dump=$BG
	sleep 2
	for _to in $HOST $HOST6; do
		iperf "$_to" -n 150K >/dev/null
		iperf "$_to" -u -b 1M -l 1001 -t 1 >/dev/null
	done
	ping -q -c 1 -s 500 $HOST6 >/dev/null
	sleep 1
	bg_stop "$_dump"
	on_wan ethtool -K p-wan gro on
	tcpdump -Z root -n -vv -e -r "$OUT/tx.pcap" >"$OUT/tx.txt" 2>/dev/null
	_good=$(grep -c '(correct)\|udp sum ok' "$OUT/tx.txt")
	_bad=$(grep -c 'incorrect\|bad udp cksum\|bad cksum' "$OUT/tx.txt")
	_long=$(sed -n 's/.*ethertype [^,]*, length \([0-9]*\): .*/\1/p' "$OUT/tx.txt" | awk '$1 > 1514' | wc -l)
	note "$_good right, $_bad wrong, $_long too long, $(($(stat $STAT_TSO) - _before)) packets cut into segments"
	[ "$_good" -gt 100 ] && [ "$_bad" = 0 ] && [ "$_long" = 0 ] &&
		[ "$(stat $STAT_TSO)" -gt "$_before" ]
}

mtu() {
	ip link set wan mtu 1400 || return 1
	ping_wan 2 1372 -M 'do' || return 1
	ping_wan 1 1373 -M 'do' 2>/dev/null && return 1
	ip link set wan mtu 1600 && on_wan ip link set p-wan mtu 1600 || return 1
	ping_wan 2 1572 -M 'do' || return 1
	ip link set wan mtu 1500 && on_wan ip link set p-wan mtu 1500 || return 1
	ping_wan 2 1472 -M 'do'
}

# in both directions; the driver adds what it reads, and the read clears
counters() {
	_t=$(ethtool_stat tx_packets) _tb=$(ethtool_stat tx_bytes)
	_r=$(ethtool_stat rx_packets)
	ping_wan 50 1000 || return 1
	_t=$(($(ethtool_stat tx_packets) - _t)) _tb=$(($(ethtool_stat tx_bytes) - _tb))
	_r=$(($(ethtool_stat rx_packets) - _r))
	note "50 pings of 1046 bytes with the tag: tx $_t packets $_tb bytes, rx $_r"
	[ $_t -ge 50 ] && [ $_t -le 60 ] && [ $_r -ge 50 ] && [ $_r -le 60 ] &&
		[ $_tb -ge 52300 ] && [ $_tb -le 54000 ] || return 1
	for _e in tx_skip rx_short_errors rx_long_errors rx_fcs_errors rx_checksum_errors; do
		[ "$(ethtool_stat $_e)" = 0 ] || { echo "$_e"; return 1; }
	done
	fault $LOSE_FCS 3
	ping_wan 3 2>/dev/null
	[ "$(ethtool_stat rx_fcs_errors)" = 3 ]
}

# Of a PHY without a link: is it asleep, did its interrupt come?  The frame engine's
# MDIO register is the kernel's too: six tries, of which the right ones name the PHY.
phys() {
	for _phy in 0 1 2 3 4; do
		for _try in 1 2 3 4 5 6; do
			busybox devmem 0x1e110004 32 $((0x80090000 | _phy << 20))
			echo "PHY $_phy, register 0: $(busybox devmem 0x1e110004 32)"
		done
	done | sort -u
	grep -i 'mt7530\|1e100000' /proc/interrupts
	ip link show dev wan
}

flaps() {
	bg timeout 60 iperf3 -c $HOST -p 5202 -t 8 >/dev/null 2>&1
	_iperf=$BG
	for _i in 1 2 3 4; do
		sleep 1
		ip link set wan down || return 1
		ip link set wan up || return 1
	done
	# and with the conduit all of them
	ip link set eth0 down && ip link set wan up && ip link set lan1 up || return 1
	ip -6 addr replace $WAN6/64 dev wan nodad
	wait_for 10 link wan || { phys; return 1; }
	wait_for 10 ping_wan 1
	bg_stop "$_iperf"
	ping_wan 5 1472
}

# many small frames at once, more than the CPU can take
overload() {
	_rx=$(stat $STAT_RX)
	for _i in 1 2 3; do
		on_wan timeout 4 ping -q -f -l 500 -s 18 $WAN >/dev/null 2>&1 &
	done
	sleep 4
	wait_for 10 ping_wan 3 || return 1
	note "$(($(stat $STAT_RX) - _rx)) frames received, rx_overflow $(ethtool_stat rx_overflow)"
	[ $(($(stat $STAT_RX) - _rx)) -gt 1000 ]
}

# The driver looks once a second, and resets the engine at the third time. A
# reset takes the fault away.
hang() {
	fault "$1" 1
	bg timeout 20 ping -q -i 0.05 $HOST >/dev/null 2>&1
	_ping=$BG
	wait_for 30 eval "[ \$(get_fault $1) = 0 ]" || return 1
	wait_for 20 link wan
	wait_for 20 ping_wan 3 100 || return 1
	bg_stop "$_ping"
	ping_wan 5 1472
}

# The PPE binds no flow: packets of an offloaded flow still come to the CPU.
flowtable() {
	echo 1 >/proc/sys/net/ipv4/ip_forward
	nft -f - <<-'EOF' || return 1
		table inet f {
			flowtable ft { hook ingress priority 0; devices = { lan1, wan }; flags offload; }
			chain forward {
				type filter hook forward priority 0;
				ct state established flow add @ft counter
			}
		}
	EOF
	_m=$(on_lan timeout 60 iperf3 -J -c $HOST -p 5201 -t 3 | python3 -c '
import json, sys
print(int(json.load(sys.stdin)["end"]["sum_received"]["bits_per_second"] / 1e6))') || return 1
	note "forwarded through a flowtable with offload: $_m Mbit/s"
	_n=$(nft list chain inet f forward | sed -n 's/.*packets \([0-9]*\).*/\1/p')
	nft flush ruleset
	[ "$_m" -ge 1 ] && [ "$_n" -ge 1 ]
}

run "ports and hosts" up || bail "no ports"
is "$(ethtool -i eth0 | sed -n 's/^driver: //p')" mtk_soc_eth "the conduit is mtk_soc_eth's"
note "$(ethtool -k wan | grep ': on$' | xargs)"
run "a ping" wait_for 10 ping_wan 1
for size in 0 18 46 60 512 1400 1471 1472; do
	run "ping, $size bytes" ping_wan 3 $size -M 'do'
done
run "ping, in fragments" ping_wan 3 8000
run "ping, IPv6" ping_b $HOST6 3 1452
run "ping from lan1's host" on_lan ping -q -c 3 -i 0.1 $LAN
run "the servers" server
speed "TCP out" $HOST -t 3
speed "TCP in" $HOST -t 3 -R
speed "TCP in both directions" $HOST -t 3 --bidir
speed "TCP over IPv6" $HOST6 -t 2
speed "UDP out" $HOST -u -b 20M -l 1400 -t 2
speed "UDP in" $HOST -u -b 20M -l 1400 -t 2 -R
run "checksums and segments" checksums
run "MTU" mtu
run "counters" counters
run "flows that are offered to the PPE" flowtable
run "links go down and up under load" flaps
run "more than the CPU can take" overload
run "QDMA hangs, and is reset" hang $STOP_TX
run "PDMA hangs, and is reset" hang $STOP_RX
is "$(dmesg | grep -c 'transmit queue .* timed out')" 0 "no queue timed out"
done_testing
