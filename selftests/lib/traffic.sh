# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Traffic between the hosts, all of it with an end.

# ping_b ADDRESS [COUNT [SIZE]] [MORE OF PING...]: all are answered
ping_b() {
	_to=$1 _c=3 _s=56
	shift
	case ${1:-} in [0-9]*) _c=$1; shift ;; esac
	case ${1:-} in [0-9]*) _s=$1; shift ;; esac
	ping -q -n -i 0.05 -W $((2 * ${SLOW:-1})) -c "$_c" -s "$_s" "$@" "$_to" |
		grep -q " $_c received"
}

# bg COMMAND...: in the background, killed by reset at the latest
bg() {
	# the process itself, not a subshell that would run a function
	if [ "$1" = on_b ]; then
		shift
		set -- ip netns exec peer "$@"
	fi
	"$@" </dev/null &
	BG=$!
	echo $BG >>/run/bg.pids
}

bg_stop() {
	kill "$1" 2>/dev/null
	wait "$1" 2>/dev/null
	return 0
}

# listening ON PORT
_listening() {
	[ -n "$($1 ss -Hltn "sport = :$2")" ]
}

_ip_of() {
	case $1 in
	*:*) echo "[$1]" ;;
	*) echo "$1" ;;
	esac
}

_proto() {
	case $1 in
	*:*) echo "$2"6 ;;
	*) echo "$2"4 ;;
	esac
}

# tcp_file FROM TO SIZE [SECONDS]: a random file from a host (a or b) over TCP to
# the other's address; its digest must be the same there
tcp_file() {
	_from=$1 _to=$2 _size=$3 _secs=$((${4:-60} * ${SLOW:-1}))
	_src="" _dst=on_b
	[ "$_from" = a ] || { _src=on_b _dst=""; }
	head -c "$_size" /dev/urandom >/tmp/tcp.sent
	_port=$((20000 + $(od -An -N2 -tu2 /dev/urandom) / 4))
	bg $_dst timeout "$_secs" socat -u \
		"$(_proto "$_to" TCP)-LISTEN:$_port,bind=$(_ip_of "$_to")" \
		CREATE:/tmp/tcp.got
	_l=$BG
	wait_for 5 _listening "$_dst" $_port || return 1
	$_src timeout "$_secs" socat -u OPEN:/tmp/tcp.sent \
		"$(_proto "$_to" TCP):$(_ip_of "$_to"):$_port" || {
		bg_stop $_l
		return 1
	}
	wait $_l
	_r=$?
	cmp /tmp/tcp.sent /tmp/tcp.got || _r=1
	rm -f /tmp/tcp.sent /tmp/tcp.got
	return $_r
}

# iperf_server ON ADDRESS / iperf ADDRESS [MORE]: prints Mbit/s
iperf_server() {
	# shellcheck disable=SC2086
	bg $1 iperf3 -s -B "$2" -p 5201 --logfile /dev/null
	IPERF=$BG
	wait_for 5 _listening "$1" 5201
}

# shellcheck disable=SC2120
iperf() {
	_to=$1
	shift
	timeout $((120 * ${SLOW:-1})) iperf3 -J -c "$_to" -p 5201 "$@" |
		python3 -c '
import json, sys
r = json.load(sys.stdin)
if "error" in r:
    sys.exit(r["error"])
e = r["end"]
s = e.get("sum_received") or e["sum"]
print("%.1f" % (s["bits_per_second"] / 1e6))'
}

# load_start ADDRESS [SECONDS]: pings as fast as they are answered and a TCP
# stream, in the background; load_stop ends them
load_start() {
	_secs=${2:-60}
	iperf_server on_b "$1" || return 1
	bg timeout "$_secs" iperf3 -c "$1" -p 5201 -t "$_secs" --logfile /dev/null
	LOAD=$BG
	bg timeout "$_secs" ping -q -n -i 0.01 -w "$_secs" "$1" >/dev/null
	LOAD="$LOAD $BG $IPERF"
}

load_stop() {
	for _j in $LOAD; do
		bg_stop "$_j"
	done
}
