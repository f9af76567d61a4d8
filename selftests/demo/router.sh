#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# make demo-router: two emulated MT7621 routers, wan to wan, a host behind lan1 of
# each, strongSwan between them, ESP by their engines.  Ends with "demo: ok" or
# "demo: FAILED: what".  REBOOT=1: router B is reset while packets flow both ways.

set -u
export PATH="$PATH:/usr/sbin:/sbin"
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
system=${SYSTEM:-mt7621}
dir=$top/build/demo-router
wire=$dir/a/wire-w.pcap
sock=$(mktemp -d)
vms=

# what is left of the machines ends with this script
finish() {
	for vm in $vms; do
		kill "$vm" 2>/dev/null
	done
	rm -rf "$sock"
}
trap finish EXIT
trap 'exit 1' HUP INT TERM

failed() {
	echo "demo: FAILED: $*"
	exit 1
}

title() {
	printf '\n== %s\n' "$*"
}

# boot DIRECTORY HOST HOW-THE-WIRE-IS-MADE [WORD]
boot() {
	mkdir -p "$dir/$1/out"
	: >"$dir/$1/out/log"
	python3 "$top/selftests/vm/boot.py" "$system" --share "$share" --dir "$dir/$1" --timeout 900 \
		--ports 2 --wan "stream,$3,addr.type=unix,addr.path=$sock/wan" \
		"exec sh /share/selftests/demo/router-guest.sh $2 ${4:-}" >/dev/null 2>"$dir/$1/boot.log" &
	vms="$vms $!"
}

# as long as router A runs: B is reset when A says so, and another machine takes its place
reset_b() {
	until grep -q '^demo: reset-b$' "$dir/a/out/log"; do
		kill -0 "$a" 2>/dev/null || return
		sleep 1
	done
	: >"$dir/b/out/reset"
	wait "$b"
	mv "$dir/b" "$dir/b-before"
	boot b b server=off,reconnect-ms=1000 again
	b=$!
}

title "two $system machines: image and modules (made once, then cached)"
share=$(python3 "$top/selftests/run.py" --share "$system") || failed "no machine"
[ -n "$share" ] || failed "the modules do not build for $system"

# two at once would write into one capture
mkdir -p "$top/build"
exec 9>"$top/build/demo-router.lock"
flock -n 9 || failed "it runs already, in this directory"
rm -rf "$dir"
title "booting them"
boot a a server=on "${REBOOT:+reset}"
a=$!
boot b b server=off,reconnect-ms=1000
b=$!
{ tail -n +1 -F --pid="$a" "$dir/a/out/log" 2>/dev/null | grep --line-buffered -v '^demo: '; } &
show=$!
until [ -e "$dir/b/out/ready" ] || ! kill -0 "$a" 2>/dev/null; do
	sleep 1
done
: >"$dir/a/out/go"
[ -z "${REBOOT:-}" ] || reset_b
wait "$show"
wait "$a"
status=$?
touch "$dir/b/out/stop"
why=$(sed -n 's/^demo: //p' "$dir/a/out/log" | tail -n 1)
case $why in
reached-end) ;;
'') failed "router A ended early (status $status); see $dir/a/console.log" ;;
*) failed "$why" ;;
esac
[ $status = 0 ] || failed "status $status in router A; see $dir/a/out/log"
wait "$b" || failed "router B: $(sed -n 's/^demo: //p' "$dir/b/out/log" | tail -n 1); see $dir/b/out/log"

title "router B, at the end"
grep -v '^demo: ' "$dir/b/out/log"

title "the wire between them, as QEMU captured it"
tshark -n -r "$wire" -q -z io,phs 2>/dev/null | grep -E '^ *[a-z]' |
	grep -v 'Filter\|Protocol' | head -n 20
tshark -n -r "$wire" -Y esp -c 3000 2>/dev/null | tail -n 4
said=$(python3 "$top/selftests/wire.py" clear "$wire") || {
	echo "$said" | head -n 5
	failed "plaintext on the wire: $wire"
}
echo "checked one by one, nothing in clear: $said"
said=$(python3 "$top/selftests/wire.py" decrypt "$dir/a/out/esp_sa" "$wire") ||
	failed "tshark with the keys: $said"
echo "decrypted with the keys, every ICV right: $said"

for h in a b; do
	grep -E 'BUG:|WARNING:|Oops|Call Trace' "$dir/$h/console.log" && failed "router $h: the kernel complained"
done
echo
echo "demo: ok"
