#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# make demo: a tunnel whose ESP is done by the ring, in a virtual machine with
# Debian's own kernel and NIC driver; then the same without, and what was on the
# wire.  Ends with "demo: ok" or "demo: FAILED: what".

set -u
export PATH="$PATH:/usr/sbin:/sbin"
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
system=${SYSTEM:-trixie}
dir=$top/build/demo
wire=$dir/wire-v.pcap

failed() {
	echo "demo: FAILED: $*"
	exit 1
}

title() {
	printf '\n== %s\n' "$*"
}

# Everything the guest says goes to a file that is shown as it grows.
follow() {
	tail -n +1 -F --pid="$1" "$dir/out/log" 2>/dev/null | grep --line-buffered -v '^demo: '
}

title "a $system machine: image and modules (made once, then cached)"
share=$(python3 "$top/selftests/run.py" --share "$system") || failed "no machine"
[ -n "$share" ] || failed "the modules do not build for $system"

rm -rf "$dir"
mkdir -p "$dir/out"
: >"$dir/out/log"
title "booting it"
python3 "$top/selftests/vm/boot.py" "$system" --share "$share" --dir "$dir" \
	--timeout 300 'exec sh /share/selftests/demo/guest.sh' >/dev/null 2>"$dir/boot.log" &
vm=$!
trap 'kill $vm 2>/dev/null' EXIT
follow $vm
wait $vm
status=$?
trap - EXIT
why=$(sed -n 's/^demo: //p' "$dir/out/log" | tail -n 1)
case $why in
reached-end) ;;
'') failed "the machine ended early (status $status); see $dir/console.log" ;;
*) failed "$why" ;;
esac
[ $status = 0 ] || failed "status $status in the machine; see $dir/out/log"

title "the wire, as QEMU captured it outside of the machine"
echo "protocols (all frames):"
tshark -n -r "$wire" -q -z io,phs 2>/dev/null | grep -E '^ *[a-z]' |
	grep -v 'Filter\|Protocol' | head -n 20
echo "some packets in the middle of the first transfer:"
tshark -n -r "$wire" -Y esp -c 3000 2>/dev/null | tail -n 4
said=$(python3 "$top/selftests/wire.py" clear "$wire" "$dir/wire-e.pcap") || {
	echo "$said" | head -n 5
	failed "plaintext on the wire: $wire"
}
echo "checked one by one, nothing in clear: $said"
[ "$(tshark -n -r "$wire" -Y esp -c 2000 2>/dev/null | wc -l)" -ge 1000 ] ||
	failed "hardly any ESP in the capture"

grep -E 'BUG:|WARNING:|Oops|Call Trace' "$dir/console.log" && failed "the kernel complained"
echo
echo "demo: ok"
