#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# run.sh: the benchmark (make bench). Boots the trixie system, measures inside it
# (guest.py says what), prints a table and leaves results.jsonl and plots in
# build/bench. Status: 0 if everything was measured, also where a goal is missed,
# which the table says.
#
# Environment: BENCH_SYSTEM another system; BENCH_SCALE=0.2 fewer repetitions;
# BENCH_TESTS a part of "encrypt decrypt tcp"; BENCH_NICE=-10 ask the host's
# scheduler for more (root only), where it cannot be kept quiet.

set -eu

TOP=$(cd "$(dirname "$0")/../.." && pwd)
BENCH=$TOP/selftests/bench
OUT=$TOP/build/bench
SYSTEM=${BENCH_SYSTEM:-trixie}

die() {
	echo "bench: $*" >&2
	exit 1
}

# What the machine's threads got of the host, and waited for, in nanoseconds:
# a benchmark of two CPUs is none if they were not there.
host_share() {
	cat "/proc/$1/task/"*/schedstat 2>/dev/null | awk '
		{ run += $1; wait += $2 }
		END { printf "%.0f %.0f\n", run, wait }'
}

# The child of the boot tool that is the machine.
machine_of() {
	read -r children <"/proc/$1/task/$1/children" || return 0
	for p in $children; do
		case $(tr '\0' ' ' <"/proc/$p/cmdline" 2>/dev/null) in
		*qemu-system*/out/* | *qemu-system*,mount_tag=out*) echo "$p" ;;
		esac
	done
}

mods=$("$TOP/selftests/vm/modules" "$SYSTEM") || die "no modules to measure"
share=$(mktemp -d "${TMPDIR:-/tmp}/esp-ring-bench.XXXXXX")
trap 'rm -rf "$share"' EXIT
mkdir -p "$share/selftests/vm" "$share/modules" "$OUT"
cp "$TOP/selftests/vm/guest-init" "$share/selftests/vm/"
cp "$mods"/*.ko "$share/modules/"
cp "$BENCH/gen.c" "$BENCH/guest.py" "$share/"
rm -rf "$OUT/vm" "$OUT/results.jsonl" "$OUT"/*.svg

echo "# measuring on $SYSTEM; about seven minutes at BENCH_SCALE=1" >&2
python3 "$TOP/selftests/vm/boot.py" "$SYSTEM" "
	gcc -O2 -o /tmp/gen /share/gen.c &&
	BENCH_SCALE=${BENCH_SCALE:-1} BENCH_TESTS='${BENCH_TESTS:-encrypt decrypt tcp}' \
		python3 /share/guest.py /share/modules /tmp/gen /out/samples
" --share "$share" --dir "$OUT/vm" --timeout 3600 >"$OUT/boot.log" 2>&1 &
boot=$!
qemu=
accel=unknown
host="0 0"
seen=0
while kill -0 $boot 2>/dev/null; do
	if [ -z "$qemu" ]; then
		qemu=$(machine_of $boot)
		if [ -n "$qemu" ]; then
			[ -z "${BENCH_NICE:-}" ] || {
				renice -n "$BENCH_NICE" -p "$qemu" >/dev/null
				echo "$BENCH_NICE" >"/proc/$qemu/autogroup"
			} 2>/dev/null || echo "# BENCH_NICE has no effect" >&2
			accel=$(tr '\0' '\n' <"/proc/$qemu/cmdline" |
				grep -A1 -x -e -accel | tail -n 1 | cut -d, -f1)
		fi
	else
		now=$(host_share "$qemu")
		[ "$now" = "0 0" ] || host=$now
	fi
	n=$(wc -l 2>/dev/null <"$OUT/vm/out/samples" || echo 0)
	if [ "$n" -ge $((seen + 25)) ]; then
		seen=$n
		echo "# $n samples" >&2
	fi
	sleep 1
done
wait $boot || {
	tail -n 20 "$OUT/boot.log" >&2
	die "it could not be measured, see $OUT/boot.log"
}
# shellcheck disable=SC2086
python3 "$BENCH/report.py" "$OUT/vm/out/samples" "$OUT" "$accel" $host
