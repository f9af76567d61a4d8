#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# run.sh: the benchmark (make bench). Boots the trixie system, measures inside it
# (guest.py says what), prints a table and leaves results.jsonl and plots in
# build/bench. Status: 0 if everything was measured, also where a goal is missed,
# which the table says.
#
# Environment: BENCH_SYSTEM another system; BENCH_SCALE=0.2 fewer repetitions;
# BENCH_TESTS a part of "encrypt decrypt tcp"; BENCH_NICE=-15 ask the host's
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

mods=$("$TOP/selftests/vm/modules" "$SYSTEM") || die "no modules to measure"
share=$(mktemp -d "${TMPDIR:-/tmp}/esp-ring-bench.XXXXXX")
trap 'rm -rf "$share"' EXIT
rm -rf "$OUT/vm" "$OUT/results.jsonl" "$OUT"/*.svg
mkdir -p "$share/selftests/vm" "$share/modules" "$OUT/vm/out"
cp "$TOP/selftests/vm/guest-init" "$share/selftests/vm/"
cp "$mods"/*.ko "$share/modules/"
cp "$BENCH/gen.c" "$BENCH/guest.py" "$BENCH/lab.py" "$share/"

# A virtual CPU that halts is woken when the host's scheduler likes, milliseconds
# later where others are at work; a real one within a microsecond. So none halts.
echo "# measuring on $SYSTEM; about seven minutes at BENCH_SCALE=1" >&2
python3 "$BENCH/watch.py" "$OUT/vm" \
	python3 "$TOP/selftests/vm/boot.py" "$SYSTEM" "
		gcc -O2 -o /tmp/gen /share/gen.c &&
		BENCH_SCALE=${BENCH_SCALE:-1} \
		BENCH_TESTS='${BENCH_TESTS:-encrypt decrypt tcp}' \
		python3 /share/guest.py /share/modules /tmp/gen /out/samples
	" --share "$share" --dir "$OUT/vm" --append idle=poll \
		--timeout 3600 >"$OUT/boot.log" || {
	tail -n 20 "$OUT/boot.log" >&2
	die "it could not be measured, see $OUT/boot.log"
}
python3 "$BENCH/report.py" "$OUT/vm" "$OUT"
