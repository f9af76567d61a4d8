# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-only
#
# SAs by `ip xfrm`, and their keys for the host's decrypt check.

# new_spi: sets SPI.  No SPI is used twice in one machine: the capture is one.
# In a file, since a test may call this in a subshell.
new_spi() {
	_spi=$(($(cat /run/spi 2>/dev/null || echo 268435456) + 1))
	echo $_spi >/run/spi
	SPI=$(printf '0x%08x' $_spi)
}

random_key() {
	echo "0x$(od -An -N"$1" -v -tx1 /dev/urandom | tr -d ' \n')"
}

# An SA whose packets a test forges or damages must not be listed: such a test
# says ESP_SA=/dev/null first.  tshark 4.0 knows neither ESN nor AES-CCM nor
# ChaCha20-Poly1305.
#
# esp_sa SRC DST SPI ENC KEY AUTH AUTHKEY: names as in Wireshark's esp_sa table
esp_sa() {
	case $1 in
	*:*) _f=IPv6 ;;
	*) _f=IPv4 ;;
	esac
	printf '"%s","%s","%s","%s","%s","%s","%s","%s"\n' \
		"$_f" "$@" >>"$ESP_SA"
}

# hw_offload DEV in|out: the words for `ip xfrm state add`
hw_offload() {
	echo "offload dev $1 dir $2"
}

# gcm_sa ON SRC DST SPI KEY MODE [MORE...]: one SA at one host
gcm_sa() {
	_on=$1 _src=$2 _dst=$3 _s=$4 _key=$5 _mode=$6
	shift 6
	# shellcheck disable=SC2086
	$_on ip xfrm state add src "$_src" dst "$_dst" proto esp spi "$_s" \
		reqid 1 mode "$_mode" aead 'rfc4106(gcm(aes))' "$_key" 128 "$@"
}

# gcm_pair MODE A B [OFFLOAD-DEVICE]: the four states between two outer
# addresses; those at A are offloaded if a device is given.  Sets SPI_OUT and
# SPI_IN (seen from A).
gcm_pair() {
	_m=$1 _a=$2 _b=$3 _o=${4:-}
	new_spi
	SPI_OUT=$SPI
	new_spi
	SPI_IN=$SPI
	_ko=$(random_key 20)
	_ki=$(random_key 20)
	_gcm='AES-GCM with 16 octet ICV [RFC4106]'
	esp_sa "$_a" "$_b" "$SPI_OUT" "$_gcm" "$_ko" NULL ''
	esp_sa "$_b" "$_a" "$SPI_IN" "$_gcm" "$_ki" NULL ''
	# A word list.  An output SA of 7.x takes no replay window.
	# shellcheck disable=SC2046,SC2086
	gcm_sa "" "$_a" "$_b" "$SPI_OUT" "$_ko" "$_m" ${_o:+$(hw_offload "$_o" out)} &&
		gcm_sa "" "$_b" "$_a" "$SPI_IN" "$_ki" "$_m" replay-window 1024 \
			${_o:+$(hw_offload "$_o" in)} &&
		gcm_sa on_b "$_a" "$_b" "$SPI_OUT" "$_ko" "$_m" replay-window 1024 &&
		gcm_sa on_b "$_b" "$_a" "$SPI_IN" "$_ki" "$_m"
}

# policies MODE A B NETA NETB: what is between the networks goes through ESP
# between A and B, at both hosts
policies() {
	_m=$1 _a=$2 _b=$3 _na=$4 _nb=$5
	_policy "" out "$_na" "$_nb" "$_a" "$_b" &&
		_policy "" in "$_nb" "$_na" "$_b" "$_a" &&
		_policy on_b out "$_nb" "$_na" "$_b" "$_a" &&
		_policy on_b in "$_na" "$_nb" "$_a" "$_b"
}

_policy() {
	set -- "$1" "$2" "$3" "$4" "$5" "$6"
	if [ "$_m" = transport ]; then
		$1 ip xfrm policy add src "$3" dst "$4" dir "$2" \
			tmpl proto esp reqid 1 mode transport
	else
		$1 ip xfrm policy add src "$3" dst "$4" dir "$2" \
			tmpl src "$5" dst "$6" proto esp reqid 1 mode "$_m"
	fi
}

# protect transport4|transport6|tunnel4|tunnel6 [OFFLOAD-DEVICE [A B]]: the usual
# cases in one call.  tunnel: the inner networks of both families.
protect() {
	case $1 in
	*4) _oa=${3:-192.0.2.1} _ob=${4:-192.0.2.2} _len=32 ;;
	*6) _oa=${3:-fd00:2::1} _ob=${4:-fd00:2::2} _len=128 ;;
	esac
	gcm_pair "${1%[46]}" "$_oa" "$_ob" "${2:-}" || return 1
	case $1 in
	transport*)
		policies transport "$_oa" "$_ob" "$_oa/$_len" "$_ob/$_len"
		;;
	tunnel*)
		policies tunnel "$_oa" "$_ob" 10.1.0.0/24 10.2.0.0/24 &&
			policies tunnel "$_oa" "$_ob" fd00:a::/64 fd00:b::/64
		;;
	esac
}
