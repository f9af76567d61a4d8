# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The two hosts of a machine.  A is where a test runs; B is the name space
# "peer".  va-vb are virtio-net on hub 0, ea-eb are e1000e on hub 1.
#
#               va/vb           ea/eb             inner networks (on lo)
#   A   192.0.2.1 fd00:2::1   198.51.100.1 fd00:51::1   10.1.0.1 fd00:a::1
#   B   192.0.2.2 fd00:2::2   198.51.100.2 fd00:51::2   10.2.0.1 fd00:b::1
#
# 203.0.113.0/24 and fd00:cc::/64 may be seen in clear on the wire (clear_up);
# everything else may not: the host looks at every packet of the capture.

on_b() {
	ip netns exec peer "$@"
}

# addr NETNS-ARGS DEV ADDRESS...
_addr() {
	_on=$1 _dev=$2
	shift 2
	for _x in "$@"; do
		case $_x in
		*:*) $_on ip -6 addr replace "$_x" dev "$_dev" nodad ;;
		*) $_on ip addr replace "$_x" dev "$_dev" ;;
		esac || return 1
	done
}

# hosts_up [v] [e]: addresses and routes to the other's inner networks, through
# the NICs that are named first.  Nothing of that is protected yet.
hosts_up() {
	[ $# -gt 0 ] || set -- v
	_addr "" lo 10.1.0.1/32 fd00:a::1/128
	_addr on_b lo 10.2.0.1/32 fd00:b::1/128
	_first=1
	for _p in "$@"; do
		case $_p in
		v) _n=192.0.2 _s=fd00:2: ;;
		e) _n=198.51.100 _s=fd00:51: ;;
		esac
		ip link set "${_p}a" up && on_b ip link set "${_p}b" up || return 1
		_addr "" "${_p}a" "$_n.1/24" "$_s:1/64"
		_addr on_b "${_p}b" "$_n.2/24" "$_s:2/64"
		[ $_first = 1 ] || continue
		_first=0
		ip route replace 10.2.0.0/24 via "$_n.2" src 10.1.0.1
		on_b ip route replace 10.1.0.0/24 via "$_n.1" src 10.2.0.1
		ip -6 route replace fd00:b::/64 via "$_s:2" src fd00:a::1
		on_b ip -6 route replace fd00:a::/64 via "$_s:1" src fd00:b::1
	done
	wait_for 10 _links_ready "$@"
}

_links_ready() {
	for _p in "$@"; do
		[ "$(cat "/sys/class/net/${_p}a/carrier")" = 1 ] &&
			[ "$(on_b cat "/sys/class/net/${_p}b/carrier")" = 1 ] || return 1
	done
}

# clear_up: addresses for what a test wants to see outside of ESP
clear_up() {
	_addr "" va 203.0.113.1/24 fd00:cc::1/64
	_addr on_b vb 203.0.113.2/24 fd00:cc::2/64
}

# _batch HOST PROGRAM: commands of ip or tc from standard input, on a or b.  On a debug
# kernel a program takes longer to start than to work.  What is not there is said, and
# the next command comes.
_batch() {
	case $1 in
	a) $2 -force -batch - ;;
	b) $2 -n peer -force -batch - ;;
	esac
	return 0
}

# flush_xfrm: all states and policies of both hosts
flush_xfrm() {
	for _h in a b; do
		printf 'xfrm %s\n' "policy flush" "state flush" | _batch $_h ip
		# not every kernel has them
		echo "xfrm policy flush ptype sub" | _batch $_h ip 2>/dev/null
	done
}

# Devices that a test made; the machine's own stay.
_extra_links() {
	for _d in $($1 ls /sys/class/net); do
		case $_d in
		lo | va | vb | ea | eb) continue ;;
		# made by modules, cannot be deleted
		tunl0 | sit0 | gre0 | gretap0 | erspan0 | ip6tnl0 | ip6gre0 | ip_vti0 | ip6_vti0 | bonding_masters) continue ;;
		esac
		echo "$_d"
	done
}

# reset: the machine as it was booted.  guest-run.sh calls it after each test
# file, so a test need not.  The modules go last: they hold what is above.
reset() {
	# first of all nothing may be sent: soon there will be no policy
	printf 'link set %s down\n' va ea | _batch a ip
	printf 'link set %s down\n' vb eb | _batch b ip
	# every process but this one and the first, which are the machine's own
	kill -9 -1
	rm -rf /run/bg.pids "${SWAN:?}"
	for _ns in $(ip netns list | cut -d' ' -f1); do
		[ "$_ns" = peer ] || ip netns del "$_ns"
	done
	nft flush ruleset 2>/dev/null
	on_b nft flush ruleset 2>/dev/null
	flush_xfrm
	for _on in "" on_b; do
		for _d in $(_extra_links "$_on"); do
			# a bridge goes after its ports were freed by their deletion
			$_on ip link del "$_d" 2>/dev/null
		done
	done
	# a NIC at a router's socket goes back to where the machine has it
	for _d in $(on_b ls /sys/class/net | grep '^p-'); do
		ip -n peer link set "$_d" netns 1
	done
	_home a va ea
	_home b vb eb
	# a router's sockets, so that the next test trains its PHYs anew
	[ ! -d /sys/class/net/wan ] || _home a wan lan1 lan2 lan3 lan4
	for _on in "" on_b; do
		$_on ip addr flush dev lo scope global 2>/dev/null
		$_on ip -6 route flush proto boot 2>/dev/null
	done
	ring_unload
}

# _home HOST DEV...: without masters, addresses, neighbours and queues, and down
_home() {
	_host=$1
	shift
	for _d in "$@"; do
		printf '%s\n' "link set $_d nomaster" "link set $_d down" "addr flush dev $_d" \
			"link set $_d mtu 1500" "neigh flush dev $_d nud all"
	done | _batch "$_host" ip
	# of most there is none
	for _d in "$@"; do
		printf '%s\n' "qdisc del dev $_d root" "qdisc del dev $_d ingress" \
			"qdisc del dev $_d clsact"
	done | _batch "$_host" tc 2>/dev/null
}
