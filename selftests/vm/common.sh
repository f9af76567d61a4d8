# shellcheck shell=sh disable=SC2034
# SPDX-License-Identifier: GPL-2.0-only
#
# Sourced by the host-side scripts: where things are cached, how a root
# directory is entered, what each system is made of.  Debian or not, root or
# not: the difference is here and nowhere else.

# a script elsewhere sets VM_DIR itself
VM_DIR=${VM_DIR:-$(cd "$(dirname "$0")" && pwd)}
KERNELS=$VM_DIR/../qemu/kernels
CACHE=${ESP_RING_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/esp-ring}
# 'variable' for another mirror; apt verifies its signatures in any case
MIRROR=${ESP_RING_MIRROR:-http://deb.debian.org}
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
SYSTEMS="bookworm trixie bpo debug sid mt7621 mt7621-6.12 mt7621-native en7581 en7581-debug"
export LC_ALL=C

say() {
	printf '# %s\n' "$*" >&2
}

die() {
	printf 'error: %s\n' "$*" >&2
	exit 1
}

# A hash of files and words: the name of what is made from them.
key_of() {
	for _k in "$@"; do
		if [ -f "$_k" ]; then cat "$_k"; else printf '%s\n' "$_k"; fi
	done | sha256sum | cut -c1-12
}

# Run a command as root of a user namespace, or as the root one is.  The user
# is root there, unlike in mmdebstrap's own helper, so that what belongs to the
# user can be written.
as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		unshare --user --map-root-user --map-auto "$@"
	fi
}

# in_root ROOT DIR COMMAND...: run in ROOT with /proc and /dev, DIR seen as
# /work.  A mount namespace of its own, so nothing is left mounted after it.
in_root() {
	# not the host's own, where a caller did not look at what it got
	if [ -z "$1" ] || [ ! -d "$2" ]; then die "in_root: no root or no directory"; fi
	_r=$1 _d=$2
	shift 2
	# shellcheck disable=SC2016
	as_root unshare --mount --pid --fork --kill-child sh -ec '
		r=$1 d=$2; shift 2
		mount --make-rprivate / 2>/dev/null || :
		mkdir -p "$r/work"
		mount --bind "$d" "$r/work"
		mount -t proc proc "$r/proc"
		# not sticky: fs.protected_regular would refuse >/dev/null
		mount -t tmpfs -o mode=755 tmpfs "$r/dev"
		for n in null zero random urandom full tty; do
			: >"$r/dev/$n"
			mount --bind "/dev/$n" "$r/dev/$n"
		done
		ln -s /proc/self/fd "$r/dev/fd"
		mount -t tmpfs tmpfs "$r/tmp"
		cat /etc/resolv.conf >"$r/etc/resolv.conf" 2>/dev/null || :
		exec chroot "$r" env -i HOME=/root LC_ALL=C TERM=dumb \
			PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
	' sh "$_r" "$_d" "$@"
}

# Where a fetch may fail for a moment, try a few times.
retry() {
	_n=1
	until "$@"; do
		[ $_n -lt 4 ] || return 1
		say "try $_n failed: $1; again in $((_n * 10)) s"
		sleep $((_n * 10))
		_n=$((_n + 1))
	done
}

# One builder for each artefact; the others wait for it.
lock() {
	mkdir -p "$CACHE/lock"
	exec 9>"$CACHE/lock/$1"
	flock -n 9 || {
		say "waiting for another process that makes $1"
		flock 9
	}
}

# prune PREFIX KEEP: of the directories PREFIX-HASH keep those last used.  Other
# checkouts may share the cache, so not only one.
prune() {
	# names without anything strange in them, and none that is being made
	# shellcheck disable=SC2012
	ls -dt "$1"-????????????/ 2>/dev/null | tail -n +$(($2 + 1)) |
		while read -r _old; do
			as_root rm -rf "$_old"
		done
}

# Apt's lines for a suite with its updates.
sources_of() {
	for _s in "$1" "$1-updates"; do
		echo "deb [signed-by=$KEYRING] $MIRROR/debian $_s main"
	done
	echo "deb [signed-by=$KEYRING] $MIRROR/debian-security $1-security main"
}

# A hook of mmdebstrap.  The kernel's packages from backports, everything else
# from the suite itself.
# shellcheck disable=SC2016
PREFER_BACKPORTS_KERNEL='printf "Package: linux-*\nPin: release n=*-backports\nPin-Priority: 990\n" >"$1/etc/apt/preferences.d/kernel"'

# unpack_root DIR: DIR/root.tar, as mmdebstrap wrote it, to DIR/root
unpack_root() {
	mkdir "$1/root"
	chmod 755 "$1" "$1/root"
	as_root tar -C "$1/root" -xf "$1/root.tar" --numeric-owner --exclude='./dev/*' || return 1
	rm "$1/root.tar"
}

# programs_beside ROOT DIR SUITE PACKAGE,... FILE...: of foreign packages, and of what
# they depend on, take programs to DIR/bin and to DIR/lib the libraries that ROOT, a
# foreign root too, has not.  Each FILE is a path in the packages.
programs_beside() {
	_root=$1 _dir=$2 _suite=$3 _packages=$4
	shift 4
	sources_of "$_suite" | mmdebstrap --mode="$([ "$(id -u)" = 0 ] && echo root || echo unshare)" \
		--variant=extract --architectures="$(cat "$_root/var/lib/dpkg/arch")" --format=tar \
		--aptopt='Acquire::Retries "5"' --aptopt='APT::Install-Recommends "false"' \
		--include="$_packages" "$_suite" "$_dir/root.tar" - || return 1
	unpack_root "$_dir" || return 1
	mkdir "$_dir/bin" "$_dir/lib"
	for _f in "$@"; do
		cp "$_dir/root/$_f" "$_dir/bin/" || return 1
	done
	for _f in "$_dir"/root/lib/*-linux-gnu*/*.so.* "$_dir"/root/usr/lib/*-linux-gnu*/*.so.*; do
		_lib=${_f#"$_dir/root/"}
		[ ! -f "$_f" ] || [ -e "$_root/usr/${_lib#usr/}" ] || cp -P "$_f" "$_dir/lib/" || return 1
	done
	as_root rm -rf "$_dir/root"
}

# root_with NAME ROOT KEY PACKAGE...: print a copy of ROOT that has more packages,
# made of hard links and kept under KEY.  Files that are written in place there
# are taken out first, so that ROOT stays as it is.
# shellcheck disable=SC2016
root_with() {
	_copy=$CACHE/root/$1-$(key_of "$3" "$@")
	if [ ! -d "$_copy" ]; then
		(
			lock "root-$1"
			[ ! -d "$_copy" ] || exit 0
			retry _copy_root "$@" >"$_copy.log" 2>&1 || {
				tail -n 20 "$_copy.log" >&2
				die "the root $1 could not be made: $_copy.log"
			}
			as_root mv "$_copy.tmp" "$_copy"
			prune "$CACHE/root/$1" 2
		) || return 1
	fi
	touch "$_copy"
	echo "$_copy"
}

# shellcheck disable=SC2016
_copy_root() {
	as_root rm -rf "$_copy.tmp"
	as_root cp -al "$2" "$_copy.tmp"
	as_root sh -ec 'cd "$1"; rm -rf var/log/* var/cache/apt/* var/cache/debconf/*
		mkdir -p var/log/apt var/cache/apt/archives/partial' sh "$_copy.tmp"
	shift 3
	in_root "$_copy.tmp" "$CACHE/lock" sh -ec '
		export DEBIAN_FRONTEND=noninteractive
		apt="apt-get -qq -o APT::Sandbox::User=root -o Acquire::Retries=5"
		$apt update
		$apt -y --no-install-recommends install "$@"
		apt-get clean
	' sh "$@"
}

# The user land a system runs on; debug is trixie with a kernel of its own.
user_land() {
	case $1 in
	mt7621*) echo mipsel ;;
	en7581*) echo arm64 ;;
	debug) echo trixie ;;
	*) echo "$1" ;;
	esac
}

root_key() {
	case $(user_land "$1") in
	mipsel | arm64)
		foreign_key "$(user_land "$1")"
		return
		;;
	esac
	key_of "$VM_DIR/packages" "$VM_DIR/root" "$MIRROR" "$(user_land "$1")"
}

foreign_key() {
	key_of "$VM_DIR/packages" "$VM_DIR/foreign-root" "$MIRROR" "$1"
}

cross_key() {
	key_of "$VM_DIR/cross-root" "$MIRROR"
}

# Not on the root's own key: one more tool in there is no reason to build the
# kernel again.
debug_kernel_key() {
	key_of "$VM_DIR/kernel" "$VM_DIR/debug.config"
}

# The kernel of an emulated machine; nothing where it is the root's own.
kernel_of() {
	case $1 in
	en7581) echo arm64-stock ;;
	mt7621) echo mipsel-7.2 ;;
	mt7621-6.12) echo mipsel-6.12 ;;
	mt7621-native) echo mipsel-7.2-native ;;
	en7581-debug) echo arm64-7.2-debug ;;
	esac
}

# kernel_dir SYSTEM, root_dir SYSTEM: made if they are not there
kernel_dir() {
	case $(kernel_of "$1") in
	arm64-stock) "$KERNELS/stock" ;;
	*-native) "$KERNELS/native" "$(kernel_of "$1")" ;;
	*) "$KERNELS/build" "$(kernel_of "$1")" ;;
	esac
}

root_dir() {
	case $(user_land "$1") in
	mipsel | arm64) "$VM_DIR/foreign-root" "$(user_land "$1")" ;;
	*) "$VM_DIR/root" "$(user_land "$1")" ;;
	esac
}

kernel_release() {
	expr "$1" : '[^-]*-\([0-9.]*\)'
}

kernel_fragments() {
	case $1 in
	mipsel-6.12) echo common.config mips.config router.config ;;
	mipsel-7.2) echo common.config mips.config router.config intree.config ;;
	mipsel-7.2-native) echo common.config mips.config router.config native.config ;;
	arm64-7.2-debug) echo common.config arm64.config intree.config kasan.config ;;
	*) die "no such kernel: $1" ;;
	esac
}

# what "make integrate" puts into a kernel's tree, and how
integrated_files() {
	(cd "$VM_DIR/../.." && find packaging/integrate/integrate net include drivers -type f \
		'(' -name '*.[ch]' -o -name Makefile -o -name Kconfig -o -name '*.cocci' -o -name integrate ')' \
		! -name '*.mod.c' | sort)
}

kernel_key() {
	case $1 in
	*-native)
		# lists of files
		# shellcheck disable=SC2046
		key_of "$(cd "$KERNELS" && key_of native $(kernel_fragments "$1") "$(cross_key)" "$1")" \
			"$(cd "$VM_DIR/../.." && key_of $(integrated_files))"
		return
		;;
	esac
	(
		cd "$KERNELS" || exit
		[ "$1" != arm64-stock ] || {
			key_of stock "$(cross_key)"
			exit
		}
		# a list of files
		# shellcheck disable=SC2046
		key_of build $(kernel_fragments "$1") "$(cross_key)" "$1"
	)
}

system_key() {
	case $1 in
	debug) _x=$(debug_kernel_key) ;;
	*) _x=$(kernel_of "$1") && _x=${_x:+$(kernel_key "$_x")} ;;
	esac
	key_of "$VM_DIR/image" "$VM_DIR/initramfs.py" "$VM_DIR/init" \
		"$(root_key "$1")" "$_x" "$1"
}
