#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Write the initramfs of one system, or the uncompressed kernel of one.

    initramfs.py cpio ROOT KVER INIT OUT BUS    busybox, the modules that mount a
                                                root, and INIT as /init
    initramfs.py payload VMLINUZ OUT            the compressed vmlinux in a bzImage

The archive is not compressed, and the kernel is booted uncompressed, because
both would be unpacked by an emulated CPU at each boot.
"""
import lzma
import os
import stat
import struct
import sys

# ext4 asks for crc32c by its crypto name, which no list of dependencies has;
# newer kernels have it as a library.
OPTIONAL = ("crc32c_generic",)
WANTED = OPTIONAL + ("virtio_blk", "ext4", "overlay", "9pnet_virtio", "9p")


def modules(base, bus):
    """Paths of the wanted modules and what they need, in order of loading."""
    deps, builtin = {}, set()
    with open(os.path.join(base, "modules.dep"), encoding="ascii") as f:
        for line in f:
            path, _, rest = line.partition(":")
            deps[path] = rest.split()
    with open(os.path.join(base, "modules.builtin"), encoding="ascii") as f:
        builtin = {name_of(line.strip()) for line in f}
    by_name = {name_of(p): p for p in deps}
    out = []
    for name in (bus,) + WANTED:
        if name in builtin or (name in OPTIONAL and name not in by_name):
            continue
        if name not in by_name:
            sys.exit(f"error: no module {name} in {base}")
        path = by_name[name]
        # modules.dep lists the nearest dependency first
        for p in list(reversed(deps[path])) + [path]:
            if p not in out:
                out.append(p)
    return out


def name_of(path):
    return os.path.basename(path).split(".ko")[0].replace("-", "_")


def read_module(path):
    with open(path, "rb") as f:
        data = f.read()
    return lzma.decompress(data) if path.endswith(".xz") else data


class Cpio:
    """The "newc" format of the kernel's Documentation/driver-api/early-userspace."""

    def __init__(self, f):
        self.f, self.ino, self.pos = f, 0, 0

    def write(self, data):
        self.f.write(data)
        self.pos += len(data)
        pad = -self.pos % 4
        self.f.write(b"\0" * pad)
        self.pos += pad

    def add(self, name, mode, data=b"", rdev=(0, 0)):
        self.ino += 1
        name = name.encode() + b"\0"
        fields = (self.ino, mode, 0, 0, 1, 0, len(data), 0, 0, *rdev, len(name), 0)
        self.write(b"070701" + b"".join(b"%08X" % x for x in fields) + name)
        if data:
            self.write(data)


def cpio(root, kver, init, out, bus):
    base = os.path.join(root, "lib/modules", kver)
    order = modules(base, bus)
    with open(out, "wb") as f:
        c = Cpio(f)
        for d in ("bin", "dev", "proc", "sys", "modules", "lower", "rw", "new"):
            c.add(d, stat.S_IFDIR | 0o755)
        c.add("dev/console", stat.S_IFCHR | 0o600, rdev=(5, 1))
        with open(os.path.join(root, "usr/bin/busybox"), "rb") as b:
            c.add("bin/busybox", stat.S_IFREG | 0o755, b.read())
        with open(init, "rb") as b:
            c.add("init", stat.S_IFREG | 0o755, b.read())
        for i, path in enumerate(order):
            c.add(f"modules/{i:02d}-{name_of(path)}.ko", stat.S_IFREG | 0o644,
                  read_module(os.path.join(base, path)))
        c.add("TRAILER!!!", 0)


def payload(vmlinuz, out):
    """Documentation/arch/x86/boot.rst: setup_sects, payload_offset and _length."""
    with open(vmlinuz, "rb") as f:
        image = f.read()
    if image[0x202:0x206] != b"HdrS":
        sys.exit(f"error: {vmlinuz} is no bzImage")
    sects = image[0x1f1] or 4
    off, length = struct.unpack_from("<II", image, 0x248)
    start = (sects + 1) * 512 + off
    magic = image[start:start + 4]
    kinds = {b"\xfd7zX": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
    kind = "gzip" if magic[:2] == b"\x1f\x8b" else kinds.get(magic, "unknown")
    # The kernel's build appends the unpacked size, which gzip has already.
    if kind != "gzip":
        length -= 4
    with open(out, "wb") as f:
        f.write(image[start:start + length])
    print(kind)


if __name__ == "__main__":
    {"cpio": cpio, "payload": payload}[sys.argv[1]](*sys.argv[2:])
