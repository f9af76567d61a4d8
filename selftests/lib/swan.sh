# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-only
#
# strongSwan at both hosts: charon-systemd runs without systemd.  Each host has
# a /run and an /etc/swanctl of its own, in a mount name space.

SWAN=/tmp/swan

# swan_start a|b DIR: DIR has swanctl.conf and, if wanted, x509/, private/,
# x509ca/ and strongswan.conf
swan_start() {
	_h=$1 _on=""
	[ "$_h" = a ] || _on=on_b
	mkdir -p $SWAN/"$_h"/run $SWAN/"$_h"/etc /etc/swanctl
	cp -r "$2"/. $SWAN/"$_h"/etc/
	: >$SWAN/"$_h"/log
	# strongSwan complains about each that is not there
	for _x in x509 x509ca x509ocsp x509aa x509ac x509crl pubkey private rsa \
		ecdsa pkcs8 pkcs12; do
		mkdir -p $SWAN/"$_h"/etc/$_x
	done
	# shellcheck disable=SC2016
	bg $_on unshare --mount sh -c '
		mount --make-rprivate /
		mount --bind "$1/etc" /etc/swanctl
		mount --bind "$1/run" /run
		[ ! -f "$1/etc/strongswan.conf" ] || export STRONGSWAN_CONF="$1/etc/strongswan.conf"
		exec charon-systemd >"$1/log" 2>&1
	' sh $SWAN/"$_h"
	echo "$BG" >$SWAN/"$_h"/pid
	wait_for 20 swan "$_h" --stats && swan "$_h" --load-all --noprompt
}

# swan a|b ARGUMENTS...: that host's swanctl, with an end
swan() {
	_h=$1 _p=$(cat $SWAN/"$1"/pid)
	shift
	timeout $((30 * ${SLOW:-1})) nsenter -t "$_p" -m -n swanctl "$@"
}

swan_log() {
	tail -n "${2:-40}" $SWAN/"$1"/log
}

swan_stop() {
	for _h in a b; do
		[ -f $SWAN/$_h/pid ] || continue
		_p=$(cat $SWAN/$_h/pid)
		kill "$_p" 2>/dev/null
		wait_for 5 test ! -d "/proc/$_p" || kill -9 "$_p" 2>/dev/null
		rm -rf $SWAN/${_h:?}
	done
}
