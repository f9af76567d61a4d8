#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The kernel's own selftests of DSA switches (tools/testing/selftests/drivers/net/dsa)
# on the emulated MT7530: lan1 and lan2, and the hosts behind them.
#
# systems: none
# also: mt7621-native
# timeout: 120
# group: forwarding
# ports: 3
# needs: forwarding
#
# shellcheck source=selftests/lib/lib.sh
. "$LIB/lib.sh"

THEIRS=$SHARE/forwarding
export PATH="/run/bin:$THEIRS/bin:$PATH" LD_LIBRARY_PATH="$THEIRS/lib"
FILES="bridge_vlan_unaware bridge_vlan_aware"
# a quarter of an hour
[ -z "${LONG:-}" ] || FILES="$FILES no_forwarding"

# "ip vrf exec" wants BPF for cgroups, which the kernel has not: a ping is bound to
# the VRF by its own option.
mkdir -p /run/bin
cat >/run/bin/ip <<'EOF'
#!/bin/sh
if [ "$1 $2" = "vrf exec" ]; then
	vrf=$3 command=$4
	shift 4
	case $command in
	ping*) exec "$command" -I "$vrf" "$@" ;;
	*) echo "ip vrf exec: $command" >&2 && exit 1 ;;
	esac
fi
exec /sbin/ip "$@"
EOF
chmod +x /run/bin/ip

# A cable is between the first two and between the last two; which of these is the
# host's is as the file has it.
cables() {
	case $1 in
	no_forwarding) echo "p-lan1 lan1 p-lan2 lan2" ;;
	*) echo "p-lan1 lan1 lan2 p-lan2" ;;
	esac
}

# each of their lines "TEST: what   [ OK ]", FAIL, SKIP, XFAIL is one of ours
results() {
	sed -n 's/^TEST: \(.*[^ ]\)  *\[ *\([A-Z]*\) *\].*/\2 \1/p' "$1"
}

for f in $FILES; do
	# a list of devices
	# shellcheck disable=SC2046
	(cd "$THEIRS/selftests/drivers/net/dsa" &&
		bash "./$f.sh" $(cables "$f")) >"$OUT/$f.log" 2>&1 </dev/null
	status=$?
	results "$OUT/$f.log" >"$OUT/$f"
	while read -r word what; do
		case $word in
		OK) pass "$f: $what" ;;
		SKIP | XFAIL) skip "$f: $what" "$word" ;;
		*) fail "$f: $what" "$(grep -A1 -F "TEST: $what" "$OUT/$f.log" | sed 1d)" ;;
		esac
	done <"$OUT/$f"
	case $status in
	4) skip "$f" "$(grep -m1 SKIP "$OUT/$f.log")" ;;
	*) is "$status" 0 "$f: its status" ;;
	esac
done
done_testing
