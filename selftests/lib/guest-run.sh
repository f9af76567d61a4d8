#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# guest-run.sh: run the test files listed in /out/tests ("name seconds" a line),
# each with an end, and put the machine back after each.  The host reads the
# log: "## begin NAME", the test's TAP, "## end NAME STATUS".

export SHARE=/share LIB=/share/selftests/lib MODULES=/share/modules
export ESP_SA=/out/esp_sa
SYSTEM=$(cat /share/system)
SLOW=$(cat /share/slow)
export SYSTEM SLOW
# what the user said: SEED, LONG and so on
# shellcheck source=/dev/null
. /share/env
# shellcheck source=selftests/lib/lib.sh
. "$LIB/lib.sh"

cd /share/selftests || exit 1
while read -r t secs; do
	name=${t%.*}
	export OUT="/out/$name"
	mkdir -p "$OUT"
	echo "## begin $name"
	echo "<4>selftest: begin $name" >/dev/kmsg
	case $t in
	*.py) set -- python3 ;;
	*) set -- sh ;;
	esac
	timeout -k 5 "$secs" "$@" "tests/$t" </dev/null 2>"$OUT/stderr"
	status=$?
	[ ! -s "$OUT/stderr" ] || {
		head -c 20000 "$OUT/stderr" | sed 's/^/# stderr: /' | head -n 60
	}
	echo "## end $name $status"
	reset >"$OUT/reset.log" 2>&1 || {
		echo "## reset failed $name"
		sed 's/^/# /' "$OUT/reset.log"
		exit 3
	}
	echo "<4>selftest: end $name" >/dev/kmsg
done </out/tests
