#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# run.sh: the router's benchmark (make bench). An emulated MT7621 forwards from lan1
# to wan and back, with QEMU counting instructions and playing the frames of both
# hosts by the machine's clock, so that no figure depends on how busy the host is; from
# run to run they differ by about a percent, with what the kernel had to do before.
# Then again with two CPUs, the queues of the engine finished here and there: what each
# CPU has to do. Prints tables, adds records to build/bench/results.jsonl and writes by function
# where instructions go. Status: 0 if everything was measured, also where a goal is
# missed.
#
# Environment: FULL=1 three ciphers and six sizes instead of one and three (12
# minutes instead of 4); ROUTER_CASES="variant/way/alg/size ..." these only, with one
# CPU; ROUTER_SYSTEM=mt7621-native the integrated kernel.

set -eu

TOP=$(cd "$(dirname "$0")/../../.." && pwd)
BENCH=$TOP/selftests/bench
OUT=$TOP/build/bench
SYSTEM=${ROUTER_SYSTEM:-mt7621}
VM_DIR=$TOP/selftests/vm
# shellcheck source=selftests/vm/common.sh
. "$TOP/selftests/vm/common.sh"

ALGS="aes128-cbc-sha1"
SIZES="64 512 1400"
if [ "${FULL:-0}" = 1 ]; then
	ALGS="$ALGS aes256-cbc-sha256 aes128-ctr-sha256"
	SIZES="64 256 512 1024 1400 imix"
fi

# 500 Mbit/s and 5 us for each descriptor, by the clock of a CPU of 880 MHz, which is
# slower than the model's (common.py)
ENGINE="-global eip93.desc-ns=4400 -global eip93.bytes-per-second=71022727"

# cases: all of them, by variant, so that modules stay
cases() {
	for v in none software intree ring; do
		for alg in $ALGS; do
			# without IPsec there is no cipher
			[ $v != none ] || [ "$alg" = "${ALGS%% *}" ] || continue
			for size in $SIZES; do
				for way in enc dec both; do
					echo "$v/$way/$alg/$size"
					[ $v != none ] || echo "$v+wire/$way/$alg/$size"
				done
			done
		done
	done
	for v in none+paced ring+paced; do
		for size in 64 1400; do
			for way in enc dec both; do
				echo "$v/$way/${ALGS%% *}/$size"
			done
		done
	done
	for v in none+gro ring+gro; do
		for size in $SIZES; do
			for way in enc dec both; do
				echo "$v/$way/${ALGS%% *}/$size"
			done
		done
	done
	for v in none+flowtable ring+flowtable ring+hthresh ring+tuned; do
		for way in enc dec both; do
			echo "$v/$way/${ALGS%% *}/1400"
		done
	done
}

# cases_of_two: for two CPUs. Of a queue that has no packets the place does not matter.
cases_of_two() {
	for size in 64 512 1400; do
		for way in enc/on00 enc/on11 dec/on00 dec/on11 \
			both/on00 both/on11 both/on01 both/on10; do
			echo "ring+${way#*/}/${way%/*}/${ALGS%% *}/$size"
		done
	done
}

command -v openssl >/dev/null || die "openssl is missing: apt-get install openssl"
mods=$("$VM_DIR/modules" "$SYSTEM") || die "no modules to measure"
qemu=${ESP_RING_QEMU:-$("$TOP/selftests/qemu/build")} || die "no QEMU"
kernel=$(kernel_dir "$SYSTEM") || die "no kernel"
list=${ROUTER_CASES:-$(cases | xargs)}
share=$(mktemp -d "${TMPDIR:-/tmp}/esp-ring-bench.XXXXXX")
trap 'rm -rf "$share"' EXIT
mkdir -p "$share/selftests/vm" "$share/modules" "$OUT"
cp "$VM_DIR/guest-init" "$share/selftests/vm/"
cp "$mods"/*.ko "$share/modules/"
cp "$BENCH/router/guest.py" "$BENCH/router/common.py" "$BENCH/lab.py" \
	"$TOP/selftests/qemu/guest/mark.py" "$share/"
# a list of names
# shellcheck disable=SC2086
python3 "$BENCH/router/frames.py" "$share/frames.pcap" "$share/index" $ALGS ||
	die "the hosts' frames could not be made"

# port NUMBER NAME MAC HOST'S-MAC
port() {
	printf -- '-netdev hubport,id=%s,hubid=1%s -net nic,netdev=%s,model=mt7530,macaddr=%s ' \
		"$2" "$1" "$2" "$3"
	printf -- '-netdev hubport,id=host%s,hubid=1%s -global player.netdev%s=host%s -global player.mac%s=%s ' \
		"$1" "$1" "$1" "$1" "$1" "$4"
}

# measure DIR CPUS CASES
measure() {
	rm -rf "$1"
	mkdir -p "$1/out"
	say "measuring a router on $SYSTEM, $2 CPUs, $(echo "$3" | wc -w) cases"
	python3 "$VM_DIR/boot.py" "$SYSTEM" \
		"python3 /share/guest.py /share/modules /share/index /out/samples $3" \
		--share "$share" --dir "$1" --cpus "$2" --icount 0 \
		--append "dma_debug=off" \
		--qemu "$ENGINE -global player.frames=$share/frames.pcap \
			$(port 0 wan 52:54:00:e5:71:00 02:00:00:00:00:02) \
			$(port 1 lan1 52:54:00:e5:71:01 02:00:00:00:00:07) \
			-plugin $qemu/plugins/insnprof.so,out=$1/prof" \
		--timeout 3600 >"$1/boot.log" || {
		tail -n 20 "$1/boot.log" >&2
		die "it could not be measured, see $1/boot.log"
	}
}

measure "$OUT/router" 1 "$list"
python3 "$BENCH/router/report.py" "$OUT/router" "$OUT" "$kernel"
if [ -z "${ROUTER_CASES:-}" ]; then
	measure "$OUT/router-cpus" 2 "$(cases_of_two | xargs)"
	python3 "$BENCH/router/cpus.py" "$OUT/router-cpus" "$OUT" "$kernel"
fi
