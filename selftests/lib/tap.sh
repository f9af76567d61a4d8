# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-only
#
# TAP as kselftests print it.  The plan comes last, by done_testing: a file that
# ends before it has failed.

tap_n=0
tap_bad=0

note() {
	printf '%s\n' "$*" | sed 's/^/# /'
}

# ok STATUS DESCRIPTION [WHY]
ok() {
	tap_n=$((tap_n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $tap_n $2"
		return 0
	fi
	tap_bad=$((tap_bad + 1))
	echo "not ok $tap_n $2"
	[ -z "${3:-}" ] || note "$3"
	return 1
}

pass() {
	ok 0 "$1"
}

fail() {
	ok 1 "$1" "${2:-}"
}

skip() {
	tap_n=$((tap_n + 1))
	echo "ok $tap_n $1 # SKIP ${2:-}"
}

# run DESCRIPTION COMMAND...: ok if the command succeeds; what it printed if not
run() {
	_d=$1
	shift
	if _o=$("$@" 2>&1); then
		ok 0 "$_d"
	else
		ok 1 "$_d" "status $? of: $*
$_o"
	fi
}

# is GOT WANT DESCRIPTION
is() {
	if [ "$1" = "$2" ]; then
		ok 0 "$3"
	else
		ok 1 "$3" "got '$1', want '$2'"
	fi
}

# wait_for SECONDS COMMAND...: until it succeeds, at most so long
wait_for() {
	_end=$(($(now_ms) + $1 * 1000 * ${SLOW:-1}))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$(now_ms)" -lt $_end ] || return 1
		sleep 0.1
	done
}

now_ms() {
	_t=$(cut -d' ' -f1 </proc/uptime)
	# the uptime has two digits behind the point
	echo $((${_t%.*} * 1000 + (1${_t#*.} - 100) * 10))
}

done_testing() {
	echo "1..$tap_n"
	[ $tap_bad = 0 ] && [ $tap_n -gt 0 ]
	exit
}

# done_testing's companion: a test that cannot go on
bail() {
	fail "can go on" "$*"
	done_testing
}
