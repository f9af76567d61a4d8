#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# make picture: a run in a virtual machine, as tools/esp-ring shows and records it:
# two tunnels in a slow engine, a burst, and the engine's death.  Ends with the name
# of the picture.

set -u
export PATH="$PATH:/usr/sbin:/sbin"
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
system=${SYSTEM:-trixie}
dir=$top/build/picture

failed() {
	echo "picture: FAILED: $*" >&2
	exit 1
}

share=$(python3 "$top/selftests/run.py" --share "$system") || failed "no machine"
[ -n "$share" ] || failed "the modules do not build for $system"
rm -rf "$dir"
mkdir -p "$dir/out"
# in the guest's own time: the picture is that of any host
python3 "$top/selftests/vm/boot.py" "$system" --share "$share" --dir "$dir" --icount 1 \
	--timeout 400 'export LIB=/share/selftests/lib SHARE=/share MODULES=/share/modules \
	OUT=/out ESP_SA=/dev/null SYSTEM=picture SLOW=1
	exec python3 /share/selftests/demo/picture.py' >"$dir/boot.log" 2>&1
status=$?
cat "$dir/out/log"
[ $status = 0 ] ||
	failed "status $status in the machine; see $dir/out/log and $dir/console.log"
python3 "$top/tools/esp-ring-plot" -t "Two tunnels; the engine falls silent at about 3 s" \
	-o "$dir/esp-ring.svg" "$dir/out/run.trace" || failed "no picture"
python3 "$top/tools/esp-ring-plot" --summary "$dir/out/run.trace"
echo "picture: $dir/esp-ring.svg"
