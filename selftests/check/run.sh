#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# make check: everything that can be said of the sources without running them.
#
#   build     no warning at W=1 (which runs kernel-doc too) and sparse (C=2)
#             against each kernel, each with its own compiler
#   style     checkpatch --strict, shellcheck, kernel-doc of the public header
#   openwrt   the feed's packages against the modules (packaging/openwrt/check.py)
#   dts       the bindings and fragments of the device tree (dts/check)
#   model     the EIP-93 of selftests/qemu, without a guest
#   tree      SPDX lines, MAINTAINERS, size of files, version checks
#
# Ends with "N passed, N failed, N skipped".

set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
vm=$top/selftests/vm
out=$top/build/check
passed=0
failed=0

mkdir -p "$out"
cd "$top" || exit 1

# result NAME STATUS LOG: a line for each check, and what is wrong below it
result() {
	if [ "$2" = 0 ]; then
		passed=$((passed + 1))
		echo "ok - $1"
	else
		failed=$((failed + 1))
		echo "not ok - $1"
		sed 's/^/#   /' "$3" | head -n 40
	fi
}

# The files of the tree: those of git, or of a tarball without it.
files() {
	if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
		git ls-files --cached --others --exclude-standard
	else
		find . -type f -not -path './build/*' | sed 's|^\./||'
	fi
}

# in_vm FUNCTION ARGS...: the functions of selftests/vm/common.sh
in_vm() {
	# shellcheck disable=SC2016
	sh -euc '. "$(dirname "$0")/common.sh"; "$@"' "$vm/common.sh" "$@"
}

# The C files are copied: the kernel's build leaves its own beside them.
copy_sources() {
	rm -rf "$1"
	mkdir -p "$1"
	files | grep -E '\.[ch]$|(^|/)(Makefile|Kbuild|Kconfig)$' |
		grep -v -e '^Makefile$' -e '^selftests/vm/' -e '^selftests/bench/' \
			-e '^selftests/qemu/' |
		tar -cf - -T - | tar -xf - -C "$1"
}

check_build() {
	_log=$out/build-$1.log
	_root=$("$vm/root" "$1") || return 1
	copy_sources "$out/$1"
	# shellcheck disable=SC2016
	in_vm in_root "$_root" "$out/$1" sh -ec '
		kdir=$(echo /lib/modules/*/build)
		for dir in . $(ls -d selftests/modules/* 2>/dev/null); do
			make -s -C "$kdir" M="/work/$dir" W=1 C=2 CF=-D__CHECK_ENDIAN__ \
				KBUILD_MODPOST_WARN=$([ "$dir" = . ] || echo 1) modules
		done' >"$_log" 2>&1
	_status=$?
	# sparse of bookworm does not know all of the headers: what it says of
	# those is theirs
	grep -E 'warning|error|Warning' "$_log" | grep -v -e '^/usr/' \
		-e '^/lib/modules/' -e 'BTF' -e 'modpost: .*undefined!$' \
		-e 'Symbol info of vmlinux is missing' \
		-e 'the compiler differs from' >"$_log.warnings"
	[ $_status = 0 ] || cp "$_log" "$_log.warnings"
	[ ! -s "$_log.warnings" ]
	result "build: $1, no warning at W=1 C=2" $? "$_log.warnings"
}

# What checkpatch says of every header of their kind in the kernel too: compat.h
# compares versions and makes definitions of definitions, trace.h is made of
# macros that look like no C.  port.c has a copy of operations, to change it.
allowed='/compat\.h:[0-9]+: (WARNING: (Comparisons should place|Macros with flow|LINUX_VERSION_CODE)|CHECK: Macro argument reuse)
/trace\.h:[0-9]+: CHECK: (Alignment should match|Lines should not end with)
/port\.c:[0-9]+: WARNING: struct net_device_ops should normally be const
No structs that should be const'

check_checkpatch() {
	_scripts=$(ls -d "$("$vm/kernel")"/headers/usr/src/*/scripts) || return 1
	files | grep -E '\.[ch]$|Kconfig$' | grep -v -e '^selftests/bench/' -e '^selftests/qemu/' \
		>"$out/c-files"
	xargs "$_scripts/checkpatch.pl" --no-tree --strict --quiet --terse \
		--no-summary --file --ignore FILE_PATH_CHANGES \
		--typedefsfile /dev/null <"$out/c-files" >"$out/checkpatch.raw" 2>&1
	printf '%s\n' "$allowed" >"$out/checkpatch.allowed"
	grep -vE -f "$out/checkpatch.allowed" "$out/checkpatch.raw" \
		>"$out/checkpatch.log"
	[ ! -s "$out/checkpatch.log" ]
	result "style: checkpatch --strict" $? "$out/checkpatch.log"

	"$_scripts/kernel-doc" -none -Wall include/net/*.h net/esp_ring/*.[ch] \
		>"$out/kernel-doc.log" 2>&1
	[ ! -s "$out/kernel-doc.log" ]
	result "style: kernel-doc -Wall" $? "$out/kernel-doc.log"
}

check_exports() {
	for f in $(files | grep '\.c$'); do
		sed -n 's/^EXPORT_SYMBOL[A-Z_]*(\([a-z0-9_]*\).*/\1/p' "$f" |
			while read -r s; do
				grep -q "^ \* $s - " "$f" || echo "$f: $s has no kernel-doc"
			done
	done >"$out/exports.log"
	[ ! -s "$out/exports.log" ]
	result "style: exported functions have kernel-doc" $? "$out/exports.log"
}

check_shell() {
	files | while read -r f; do
		[ ! -f "$f" ] || head -n 1 "$f" | grep -qE '^#!.*\b(ba)?sh( /etc/rc\.common)?$|^# shellcheck shell' &&
			echo "$f"
	done >"$out/sh-files"
	xargs shellcheck -x <"$out/sh-files" >"$out/shellcheck.log" 2>&1
	result "style: shellcheck" $? "$out/shellcheck.log"
}

check_python() {
	# the facade esplab.py imports for others
	files | while read -r f; do
		[ ! -f "$f" ] || head -n 1 "$f" | grep -q '^#!.*python3' && echo "$f"
		case $f in *.py) echo "$f" ;; esac
	done | sort -u | xargs -r pyflakes3 2>&1 | grep -v 'tools/esplab\.py' >"$out/python.log"
	[ ! -s "$out/python.log" ]
	result "style: pyflakes" $? "$out/python.log"
}

check_tree() {
	files | while read -r f; do
		case $f in
		LICENSES/* | MAINTAINERS | README.md | *.gitignore) continue ;;
		*.svg | *.pcap | *.jsonl) continue ;;
		esac
		head -n 3 "$f" | grep -q 'SPDX-License-Identifier: ' ||
			echo "$f: no SPDX line"
	done >"$out/spdx.log"
	[ ! -s "$out/spdx.log" ]
	result "tree: SPDX lines" $? "$out/spdx.log"

	sed -n 's/^F:[[:space:]]*//p' MAINTAINERS >"$out/patterns"
	{
		while read -r p; do
			[ -e "$p" ] || echo "MAINTAINERS: $p is not there"
		done <"$out/patterns"
		files | while read -r f; do
			while read -r p; do
				case $p in
				*/) case $f in "$p"*) continue 2 ;; esac ;;
				"$f") continue 2 ;;
				esac
			done <"$out/patterns"
			echo "MAINTAINERS: nobody looks after $f"
		done
	} >"$out/maintainers.log"
	[ ! -s "$out/maintainers.log" ]
	result "tree: MAINTAINERS covers every file" $? "$out/maintainers.log"

	files | grep -E '\.([chS]|sh|py)$' | xargs wc -l |
		awk '$2 != "total" && $1 > 650 { print $2 ": " $1 " lines" }' \
			>"$out/long.log"
	[ ! -s "$out/long.log" ]
	result "tree: no file above about 600 lines" $? "$out/long.log"

	files | grep -E '\.[ch]$' | grep -v compat |
		xargs grep -nE 'LINUX_VERSION_CODE|KERNEL_VERSION\(' >"$out/version.log"
	[ ! -s "$out/version.log" ]
	result "tree: kernel versions only in the compat header" $? "$out/version.log"
}

for tool in shellcheck python3 perl; do
	command -v $tool >/dev/null || {
		echo "check: $tool is missing: apt-get install $tool" >&2
		exit 1
	}
done

# A script that prints lines as result does; its counts become ours.
check_with() {
	"$@" >"$out/with.log"
	_status=$?
	grep -v ' passed, ' "$out/with.log"
	passed=$((passed + $(grep -c '^ok ' "$out/with.log")))
	failed=$((failed + $(grep -c '^not ok ' "$out/with.log")))
	grep -q '^ok ' "$out/with.log" || result "$*: printed nothing" 1 "$out/with.log"
	[ $_status = 0 ] || grep -q '^not ok ' "$out/with.log" ||
		result "$*: did not come to its end" 1 "$out/with.log"
}

# TAP of many lines is one result for each machine.
model() {
	_name=$1
	shift
	qemu=$(selftests/qemu/build) &&
		python3 "selftests/qemu/test/$_name.py" "$qemu" "$@" >"$out/model.log" 2>&1
	_status=$?
	grep '^not ok' "$out/model.log" >"$out/model.bad" || tail -n 3 "$out/model.log" >"$out/model.bad"
	result "model: $_name on ${1:-mt7621}, $(grep -c '^ok' "$out/model.log") cases" \
		$_status "$out/model.bad"
}

check_model() {
	model eip93 mt7621
	model eip93 airoha-virt
	model mt7530
	model fe
	model player
}

check_tree
check_shell
check_python
check_exports
check_checkpatch
for system in bookworm trixie bpo; do
	check_build $system
done
check_with dts/check "$out/dts"
check_with python3 packaging/openwrt/check.py "$out/trixie"
check_model

echo "$passed passed, $failed failed, 0 skipped"
[ $failed = 0 ]
