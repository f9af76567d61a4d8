#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The feed's script that sets parameters, in the shell that OpenWrt has.
#
# systems: trixie
# needs: openwrt
# timeout: 40
# shellcheck source=selftests/lib/lib.sh
. "$LIB/lib.sh"
busybox=$(command -v busybox)

# the shell of busybox, and no other program than its own
# shellcheck disable=SC2317
apply() {
	"$busybox" env PATH=/nonexistent "$busybox" sh "$SHARE/openwrt/esp-ring/files/apply" "$@" \
		2>"$OUT/said"
}

# shellcheck disable=SC2317
refused() {
	! apply "$@"
}

run "without the module: refused" refused ports=va
is "$(cat "$OUT/said")" "esp_ring: the module is not loaded" "and said"
ring_load soft || bail "the modules do not load"
hosts_up v e

run "several parameters at once" apply "ports=*,!ea" "bind=va=soft" "high_prio=mark=0x10/0xf0" \
	"completion_cpus=soft.*=1" balance=round-robin burst_bytes=262144
for p in "ports *,!ea" "bind va=soft" "high_prio mark=0x10/0xf0" "completion_cpus soft.*=1" \
	"balance round-robin" "burst_bytes 262144"; do
	is "$(ring_param "${p%% *}")" "${p#* }" "${p%% *} is set"
done
is "$(ring_get ports feature port=ea)" unselected "the port is out"
is "$(ring_get ports why port=va)" bind "the rule is in force"

run "a wrong one among right ones: refused" refused bind=va "balance=least-loaded" "no_such=1" "x y"
is "$(cat "$OUT/said")" "esp_ring: bind: 'va' is not taken
esp_ring: no_such: no such parameter
esp_ring: x y: not NAME=VALUE" "each is named"
is "$(ring_param balance)" least-loaded "the others are set"
is "$(ring_param bind)" va=soft "the old value stays"

# what esp_ring.init says where the configuration says nothing
run "the defaults" apply "ports=*" bind= high_prio= completion_cpus= balance=least-loaded
is "$(ring_param bind)$(ring_param high_prio)$(ring_param completion_cpus)" "" "rules are empty again"
is "$(ring_get ports feature port=ea)" on "every port offers the offload"
run "enabled 0" apply ports=
is "$(ring_get ports feature port=va)" unselected "no port does"
run "the defaults again" apply "ports=*"
done_testing
