#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# router-guest.sh a|b [reset|again]: one of the routers of the demo, with the host behind
# its lan1, the name space "lan".  Its last line is "demo: reached-end" or "demo:
# what failed".  reset: A asks for a reset of B at the end; again: B after that.
#
#   host 10.1.0.10 --- lan1 A wan 192.0.2.1 === 192.0.2.2 wan B lan1 --- host 10.2.0.10

export SHARE=/share LIB=/share/selftests/lib MODULES=/share/modules
export OUT=/out ESP_SA=/out/esp_sa SYSTEM=demo SLOW=3
# shellcheck source=selftests/lib/lib.sh
. "$LIB/lib.sh"

me=$1 how=${2:-}
case $me in
a) my=1 their=2 ;;
b) my=2 their=1 ;;
esac
CONF=/tmp/conf
ENGINE_CTL=$((0x1e310000))

give_up() {
	[ ! -s $SWAN/a/log ] || swan_log a 20 | sed "s/^/    charon: /"
	dmesg | tail -n 5 | sed 's/^/    /'
	echo "demo: router $me: $*"
	exit 1
}

title() {
	printf '\n== %s\n' "$*"
}

on_lan() {
	ip netns exec lan "$@"
}

# The ports as a distribution names them: wan, and a bridge of lan1 to lan4
router_up() {
	ip link add br-lan type bridge || return 1
	for _p in lan1 lan2 lan3 lan4; do
		ip link set $_p master br-lan && ip link set $_p up || return 1
	done
	ip link set br-lan up
	ip link set wan up
	ip addr add "10.$my.0.1/24" dev br-lan
	ip addr add "192.0.2.$my/24" dev wan
	ip route add "10.$their.0.0/24" via "192.0.2.$their" src "10.$my.0.1"
	echo 1 >/proc/sys/net/ipv4/ip_forward
	ip netns add lan && ip link set p-lan1 netns lan || return 1
	ip -n lan link set lo up
	ip -n lan link set p-lan1 up
	ip -n lan addr add "10.$my.0.10/24" dev p-lan1
	ip -n lan route add default via "10.$my.0.1"
	wait_for 20 grep -qx 1 /sys/class/net/lan1/carrier
}

# What the engine can do, and offload at both ends
configure() {
	mkdir -p $CONF
	sed -e 's/hw_offload = no/hw_offload = auto/' -e 's/aes128gcm16-x25519,//' \
		"/share/strongswan-conf/site-to-site-psk/$me/swanctl.conf" >$CONF/swanctl.conf
}

show_states() {
	ip xfrm state | sed -E 's/0x[0-9a-f]{16,}/<key hidden>/'
}

# The keys, for tshark on the host; they are not shown
list_states() {
	ip xfrm state | awk '
		$1 == "src" { src = $2; dst = $4 }
		$1 == "proto" && $2 == "esp" { spi = $4 }
		$1 == "auth-trunc" && $2 == "hmac(sha256)" { auth = $3 }
		$1 == "enc" && $2 == "cbc(aes)" { print src, dst, spi, $3, auth }' |
		while read -r src dst spi key auth; do
			esp_sa "$src" "$dst" "$spi" "AES-CBC [RFC3602]" "$key" \
				"HMAC-SHA-256-128 [RFC4868]" "$auth"
		done
}

# the SPIs of SAs that have keys
spis() {
	ip xfrm state | awk '$2 == "esp" { spi = $4 } $1 == "enc" { print spi }' | sort
}

# replaced: none of the SAs in $old is there, and two others are offloaded
replaced() {
	for _s in $old; do
		! spis | grep -qx "$_s" || return 1
	done
	[ "$(ip xfrm state | grep -c 'crypto offload parameters: dev wan')" -ge 2 ]
}

engine_counter() {
	_low=$(busybox devmem $((ENGINE_CTL + 0x100 + 8 * $1)) 32)
	echo $((_low))
}

# stream MORE...: Mbit/s of TCP between the two hosts, by this machine's clock
stream() {
	on_lan timeout 120 iperf3 -J -c "10.$their.0.10" -t 8 "$@" | python3 -c '
import json, sys
r = json.load(sys.stdin)
if "error" in r:
    sys.exit(r["error"])
print("%.1f" % (r["end"]["sum_received"]["bits_per_second"] / 1e6))'
}

counters() {
	for f in engines queues ports sas; do
		echo "$RING/$f:"
		grep -v ' sas=0 .* packets=0\|feature=.* sas=0' "$RING/$f" | fold -s -w 110 | sed 's/^/    /'
	done
	echo "the engine itself: $(engine_counter 5) packets out, $(engine_counter 6) in," \
		"$(engine_counter 4) interrupts"
}

# proven PACKETS: both SAs in the engine, and so many packets through both queues
proven() {
	n=$(ip xfrm state | grep -c 'crypto offload parameters: dev wan')
	[ "$n" -ge 2 ] || give_up "$n of 2 SAs are offloaded to wan"
	for dir in encrypt decrypt; do
		[ "$(ring_get queues packets queue=$dir)" -ge "$1" ] ||
			give_up "$(ring_get queues packets queue=$dir) packets in the $dir queue"
	done
}

title "router $me: $(uname -sr), $(grep -m1 -E 'machine|system type' /proc/cpuinfo)"
router_up || give_up "the ports do not come up"
ip -br link show type dsa 2>/dev/null || ip -br link | grep -E '^(wan|lan)'
ring_load eip93 || give_up "the modules do not load"
wait_for 10 is_offloading wan || give_up "wan does not advertise ESP offload"
ethtool -k wan | grep esp-hw-offload
configure
swan_start a $CONF >/dev/null 2>&1 || give_up "strongSwan does not start"

if [ "$me" = b ]; then
	: >/out/ready
	bg on_lan iperf3 -s --logfile /dev/null
	if [ "$how" = again ]; then
		# its old self is forgotten when it calls, not before DPD otherwise
		wait_for 100 on_lan ping -c 1 -W 2 10.1.0.10 || give_up "no answer after the reset"
	fi
	until [ -e /out/stop ]; do
		[ ! -e /out/reset ] || busybox reboot -f
		sleep 1
	done
	counters
	case $how in
	again) proven 4 ;;
	*) proven 1000 ;;
	esac
	echo "demo: reached-end"
	exit 0
fi

# A charon without its configuration refuses for good, and the kernel asks again only
# when its acquire has expired, 165 s later: B is not called before it is ready.
wait_for 150 test -e /out/go || give_up "router B is not ready"
title "IKEv2 between the routers; the host behind A pings the one behind B"
wait_for 150 on_lan ping -c 1 -W 2 10.2.0.10 || give_up "no answer through the tunnel"
on_lan ping -c 4 -i 0.5 10.2.0.10 | grep -E 'time=|received' | sed 's/^/    /'
list_states
swan a --list-sas | sed 's/^/    /'
title "ip xfrm state at A"
show_states

title "TCP from host to host, 8 s each way"
to_b=$(stream) || give_up "TCP to B: $to_b"
to_a=$(stream -R) || give_up "TCP to A: $to_a"
echo "A to B $to_b Mbit/s, B to A $to_a Mbit/s by the routers' own clock, which is the emulator's;"
echo "the host behind each router runs on the router's CPU"

# B is gone without a word, under load: new SAs, offloaded as those before were
if [ "$how" = reset ]; then
	title "router B is reset while the hosts talk"
	old=$(spis)
	bg on_lan ping -q -i 0.05 10.2.0.10
	bg on_lan timeout 60 iperf3 -c 10.2.0.10 -t 20 --logfile /dev/null
	sleep 2
	echo "demo: reset-b"
	wait_for 100 replaced || give_up "the SAs of B's old self stay"
	wait_for 100 on_lan ping -c 1 -W 2 10.2.0.10 || give_up "no answer after the reset"
	list_states
	on_lan ping -c 4 -i 0.5 10.2.0.10 | grep -E 'time=|received' | sed 's/^/    /'
	show_states | grep -E '^src|spi|offload' | sed 's/^/    /'
	for spi in $(spis); do
		[ "$(ring_get sas packets "spi=$spi")" -ge 4 ] ||
			give_up "SA $spi: $(ring_get sas packets "spi=$spi") packets in the engine"
	done
fi

title "the counters of router A"
counters
proven 1000
echo "demo: reached-end"
