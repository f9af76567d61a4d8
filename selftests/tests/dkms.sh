#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The modules as dkms has installed them in this system (vm/dkms): modprobe finds
# them and what they need, they encrypt, and "dkms remove" leaves nothing.
#
# systems: bookworm trixie bpo
# needs: dkms
# timeout: 60
# shellcheck source=selftests/lib/lib.sh
. "$LIB/lib.sh"

made=$SHARE/dkms
kernel=$(uname -r)

# shellcheck disable=SC2317
from_dkms() {
	modinfo -n "$1" | grep "^/lib/modules/$kernel/updates/dkms/$1\.ko"
}

[ -f "$made/installed.tar" ] || bail "vm/dkms has made nothing, see above"
# the root is an overlay: what other tests have there comes back at the end
cp -a "/lib/modules/$kernel/modules.dep.bin" /tmp/modules.dep.bin
run "unpack what dkms installed" tar -C / -xf "$made/installed.tar"
run "dkms says that it is installed" grep "$kernel, x86_64: installed" "$made/status"
run "modprobe esp_ring_soft" modprobe esp_ring_soft
for m in esp_ring esp_ring_soft; do
	run "$m is dkms's" from_dkms $m
	run "$m is loaded" loaded $m
done
for m in esp4_offload esp6_offload; do
	run "$m came with it" loaded $m
done
hosts_up v
run "states and policies" protect tunnel4 va
run "pings" ping_b 10.2.0.1 5
is "$(ring_get sas packets queue=encrypt)" 5 "packets went through the engine"
is "$(ring_get sas software)" 0 "and none past it"
flush_xfrm
run "modprobe -r" wait_for 30 modprobe -r esp_ring_soft
is "$(cat "$made/left")" "" "dkms remove leaves nothing"

rm -rf "/lib/modules/$kernel/updates"
cp -a /tmp/modules.dep.bin "/lib/modules/$kernel/modules.dep.bin"
done_testing
