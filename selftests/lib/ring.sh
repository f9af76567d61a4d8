# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The modules under test, and what they count.

RING=/sys/kernel/debug/esp_ring

# ring_set PARAMETER VALUE, ring_param PARAMETER
ring_set() {
	echo "$2" >"/sys/module/esp_ring/parameters/$1"
}

ring_param() {
	cat "/sys/module/esp_ring/parameters/$1"
}

loaded() {
	[ -d "/sys/module/$1" ]
}

# and not part of the kernel
removable() {
	[ -e "/sys/module/$1/initstate" ]
}

# ring_insmod MODULE [PARAMETER...]: out of the build.  What modprobe would
# load for an installed module is loaded first.
ring_insmod() {
	! loaded "$1" || return 0
	_ko=$MODULES/$1.ko
	shift
	_need=$(modinfo -F depends "$_ko" | tr ',' '\n' | grep -v '^esp_ring' | xargs)
	# shellcheck disable=SC2086
	[ -z "$_need" ] || modprobe -a $_need || return 1
	insmod "$_ko" "$@"
}

# ring_load [soft|faulty|eip93|none] [PARAMETERS of esp_ring...]
ring_load() {
	_engine=${1:-soft}
	[ $# = 0 ] || shift
	modprobe -a esp4 esp6 esp4_offload esp6_offload || return 1
	ring_insmod esp_ring "$@" || return 1
	[ "$_engine" = none ] || ring_insmod "esp_ring_$_engine"
}

# ring_unload [SECONDS]: states may linger for a while after they were flushed;
# fails if a module is still there after that time
ring_unload() {
	_secs=${1:-30}
	for _m in esp_ring_mediatek esp_ring_airoha esp_ring_stmicro esp_ring_faulty \
		esp_ring_soft esp_ring_eip93 esp_ring; do
		! removable $_m || wait_for "$_secs" rmmod $_m || {
			note "$_m cannot be unloaded: $(rmmod $_m 2>&1)"
			return 1
		}
	done
}

# ring_get FILE KEY [KEY=VALUE...]: the sum of KEY's values over the lines of a
# debugfs file (engines, queues, ports, sas) that have all the others, e.g.
#   ring_get queues packets queue=encrypt
ring_get() {
	awk -v want="$2" -v having="$(shift 2; echo "$*")" '
		BEGIN { n = split(having, h, " ") }
		{
			delete f
			for (i = 1; i <= NF; i++) f[$i] = 1
			for (i = 1; i <= n; i++) if (!(h[i] in f)) next
			for (i = 1; i <= NF; i++)
				if (index($i, want "=") == 1) {
					found = 1
					v = substr($i, length(want) + 2)
					if (v ~ /^[0-9]+$/) sum += v
					else text = v
				}
		}
		END { if (found) print (text != "" ? text : sum + 0); exit !found }
	' "$RING/$1"
}

# offload DEV on|off: the feature that strongSwan reads
offload() {
	ethtool -K "$1" esp-hw-offload "$2"
}

is_offloading() {
	ethtool -k "$1" | grep -q '^esp-hw-offload: on'
}

# xfrm_stat [on_b]: the errors the kernel has counted, "Name value" a line
xfrm_stat() {
	# shellcheck disable=SC2086
	$1 cat /proc/net/xfrm_stat
}

# xfrm_stat_save / xfrm_stat_delta: what both hosts counted since; nothing if
# there were no errors
xfrm_stat_save() {
	xfrm_stat "" >/run/xfrm_stat.a
	xfrm_stat on_b >/run/xfrm_stat.b
}

xfrm_stat_delta() {
	xfrm_stat "" | _stat_diff A /run/xfrm_stat.a
	xfrm_stat on_b | _stat_diff B /run/xfrm_stat.b
}

_stat_diff() {
	awk -v host="$1" 'NR == FNR { old[$1] = $2; next }
		$2 != old[$1] { print host ":" $1 "=" $2 - old[$1] }' "$2" -
}
