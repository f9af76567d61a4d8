#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# run.sh: the engine's benchmark (make bench). Boots the emulated MT7621 with QEMU
# counting instructions, which are the same in every run on every host, measures
# inside it (guest.py says what), prints a table, adds records to
# build/bench/results.jsonl and writes by function where instructions go.
# Status: 0 if everything was measured, also where a goal is missed.

set -eu

TOP=$(cd "$(dirname "$0")/../../.." && pwd)
BENCH=$TOP/selftests/bench
OUT=$TOP/build/bench
SYSTEM=mt7621
CONTROL=0x1e310000
VM_DIR=$TOP/selftests/vm
# shellcheck source=selftests/vm/common.sh
. "$TOP/selftests/vm/common.sh"

# Of the real ones' order (selftests/qemu/README.md): 60 Mbyte/s and 5 us for each
# descriptor; and 1 ns for an instruction of a CPU of 880 MHz.
ENGINE="-global eip93.desc-ns=5000 -global eip93.bytes-per-second=60000000"
SHIFT=0

# Static, since the machine has another C library; its cross version is unpacked
# beside it, for the root with the compiler is not rebuilt for our sake.
# shellcheck disable=SC2016
generator() {
	gen=$CACHE/bench/gen-$(key_of "$BENCH/gen.c" "$0" "$(cross_key)")
	[ ! -x "$gen/gen" ] || return 0
	lock bench-gen
	rm -rf "$gen.tmp"
	mkdir -p "$gen.tmp"
	cp "$BENCH/gen.c" "$gen.tmp/"
	retry in_root "$("$VM_DIR/cross-root")" "$gen.tmp" sh -ec '
		apt-get -qq -o Acquire::Retries=5 update
		cd /work
		chmod 777 .
		apt-get -qq -o APT::Sandbox::User=root download \
			libc6-dev-mipsel-cross linux-libc-dev-mipsel-cross
		for deb in *.deb; do dpkg-deb -x "$deb" x; done
		c=x/usr/mipsel-linux-gnu
		mipsel-linux-gnu-gcc -O2 -Wall -static -isystem $c/include -B$c/lib -L$c/lib \
			-o gen gen.c
		rm -rf x ./*.deb
	' >"$gen.log" 2>&1 || die "the generator does not build: $gen.log"
	mv "$gen.tmp" "$gen"
	prune "$CACHE/bench/gen" 2
}

mods=$("$VM_DIR/modules" $SYSTEM) || die "no modules to measure"
qemu=$("$TOP/selftests/qemu/build") || die "no QEMU"
kernel=$("$TOP/selftests/qemu/kernels/build" "$(kernel_of $SYSTEM)") || die "no kernel"
generator
share=$(mktemp -d "${TMPDIR:-/tmp}/esp-ring-bench.XXXXXX")
trap 'rm -rf "$share"' EXIT
rm -rf "$OUT/eip93"
mkdir -p "$share/selftests/vm" "$share/modules" "$OUT/eip93/out"
cp "$VM_DIR/guest-init" "$share/selftests/vm/"
cp "$mods"/*.ko "$share/modules/"
cp "$gen/gen" "$BENCH/eip93/guest.py" "$BENCH/lab.py" "$share/"

say "measuring on $SYSTEM; about five minutes"
python3 "$VM_DIR/boot.py" $SYSTEM \
	"python3 /share/guest.py /share/modules /share/gen $CONTROL /out/samples" \
	--share "$share" --dir "$OUT/eip93" --cpus 1 --icount $SHIFT \
	--append "dma_debug=off" \
	--qemu "$ENGINE -plugin $qemu/plugins/insnprof.so,out=$OUT/eip93/prof" \
	--timeout 3600 >"$OUT/eip93/boot.log" || {
	tail -n 20 "$OUT/eip93/boot.log" >&2
	die "it could not be measured, see $OUT/eip93/boot.log"
}
python3 "$BENCH/eip93/report.py" "$OUT/eip93" "$OUT" "$kernel"
