#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The part of the demo inside the machine.  A is this name space, B is "peer".
# Its last line is "demo: reached-end" or "demo: what failed".

export SHARE=/share LIB=/share/selftests/lib MODULES=/share/modules
export OUT=/out ESP_SA=/dev/null SYSTEM=demo SLOW=1
# shellcheck source=selftests/lib/lib.sh
. "$LIB/lib.sh"

CONF=/share/strongswan-conf/site-to-site-psk

give_up() {
	for h in a b; do
		[ ! -s $SWAN/$h/log ] || swan_log $h 12 | sed "s/^/    $h: /"
	done
	echo "demo: $*"
	exit 1
}

title() {
	printf '\n== %s\n' "$*"
}

# Keys are not for eyes, in a demo neither.
show_states() {
	ip xfrm state | sed -E 's/0x[0-9a-f]{16,}/<key hidden>/'
}

up() {
	swan_start a "$1" >/dev/null 2>&1 || give_up "strongSwan does not start at A"
	swan_start b $CONF/b >/dev/null 2>&1 || give_up "strongSwan does not start at B"
	# the first packets are lost while IKE is under way
	wait_for 40 ping_b 10.2.0.1 1 -I 10.1.0.1 || give_up "no answer through the tunnel"
}

# transfer WHAT: TCP both ways, at least 1 Mbit/s; sets TO_B and TO_A
transfer() {
	TO_B=$(iperf 10.2.0.1 -B 10.1.0.1 -t 6) || give_up "$1: TCP to B: $TO_B"
	TO_A=$(iperf 10.2.0.1 -B 10.1.0.1 -t 6 -R) || give_up "$1: TCP to A: $TO_A"
	for _t in "$TO_B" "$TO_A"; do
		[ "${_t%.*}" -ge 1 ] || give_up "$1: only $_t Mbit/s"
	done
}

title "the machine: $(uname -sr), $(nproc) CPUs"
ethtool -i va | sed -n 's/^driver: /host A: port va, stock driver /p'
echo "host B: its own network name space, plain software ESP"
hosts_up v || give_up "the hosts are not connected"
ethtool -k va | grep esp-hw-offload

title "loading the modules"
ring_load soft || give_up "the modules do not load"
lsmod | grep '^esp_ring'
ethtool -k va | grep esp-hw-offload
is_offloading va || give_up "va does not advertise ESP offload"

title "strongSwan $(swanctl --help | grep -o '[0-9][0-9.]*' | head -n 1): hw_offload = auto at A"
up $CONF/a
swan a --list-sas | sed 's/^/    /'
title "ip xfrm state at A"
show_states
n=$(ip xfrm state | grep -c 'crypto offload parameters: dev va')
[ "$n" -ge 2 ] || give_up "$n of 2 SAs are offloaded"

title "TCP both ways, 6 s each, through the engine"
iperf_server on_b 10.2.0.1 || give_up "no iperf3"
before=$(ring_get queues packets)
transfer "offloaded"
on_b=$TO_B on_a=$TO_A
after=$(ring_get queues packets)
echo "A to B $on_b Mbit/s, B to A $on_a Mbit/s; $((after - before)) packets through the engine"
[ $((after - before)) -ge 1000 ] || give_up "the engine saw only $((after - before)) packets"
tcp_file a 10.2.0.1 2000000 || give_up "a file was damaged on its way to B"
echo "a file of 2 MB arrived undamaged"

title "the layer's counters"
for f in engines queues ports sas; do
	echo "/sys/kernel/debug/esp_ring/$f:"
	grep -v ' sas=0 .* packets=0\|feature=.* sas=0' "$RING/$f" |
		fold -s -w 110 | sed 's/^/    /'
done
for dir in encrypt decrypt; do
	[ "$(ring_get queues packets queue=$dir)" -gt 0 ] || give_up "no packets in the $dir queue"
done

title "the same without offload: ethtool -K va esp-hw-offload off, hw_offload = no"
swan_stop
reset_states() {
	ip xfrm state flush
	ip xfrm policy flush
	on_b ip xfrm state flush
	on_b ip xfrm policy flush
}
offload va off
mkdir -p /tmp/plain
sed 's/hw_offload = auto/hw_offload = no/' $CONF/a/swanctl.conf >/tmp/plain/swanctl.conf
bg_stop "$IPERF"
reset_states
up /tmp/plain
[ "$(ip xfrm state | grep -c 'crypto offload')" = 0 ] || give_up "an SA is still offloaded"
iperf_server on_b 10.2.0.1 || give_up "no iperf3"
transfer "software"

title "throughput in this (emulated?) machine, Mbit/s"
printf '%-28s %10s %10s\n' "" "A to B" "B to A"
printf '%-28s %10s %10s\n' "esp_ring_soft, 2 CPUs" "$on_b" "$on_a"
printf '%-28s %10s %10s\n' "software ESP of the kernel" "$TO_B" "$TO_A"
echo "(make bench is the one that measures with care)"

title "unloading"
bg_stop "$IPERF"
swan_stop
reset_states
ring_unload 60 || give_up "the modules cannot be unloaded"
[ "$(lsmod | grep -c '^esp_ring')" = 0 ] || give_up "a module is still there"
echo "done, no module left"
echo "demo: reached-end"
