# SPDX-License-Identifier: GPL-2.0-only
"""What the benchmarks of all machines share, inside the machine: devices, SAs.

The machine sends to 10.9.0.2, which is behind a dummy device, or receives and
forwards to it from the name space "far", by a veth pair: wan here, near there.
"""
import os
import subprocess
import sys
import time

SA_KEY = "0x" + "".join("%02x" % (i + 1) for i in range(64))
COUNTER = "/tmp/sys/class/net/%s/statistics/tx_packets"


def key(n):
    return SA_KEY[:2 + 2 * n]


# our name: arguments of ip xfrm state, the AEAD that plain ESP asks for
ALGS = {
    "aes128-gcm": (
        ["aead", "rfc4106(gcm(aes))", key(20), "128"],
        "seqiv(rfc4106(gcm(aes)))"),
    "aes256-gcm": (
        ["aead", "rfc4106(gcm(aes))", key(36), "128"],
        "seqiv(rfc4106(gcm(aes)))"),
    "chacha20-poly1305": (
        ["aead", "rfc7539esp(chacha20,poly1305)", key(36), "128"],
        "seqiv(rfc7539esp(chacha20,poly1305))"),
    "aes128-cbc-sha1": (
        ["auth-trunc", "hmac(sha1)", key(20), "96", "enc", "cbc(aes)", key(16)],
        "echainiv(authenc(hmac(sha1),cbc(aes)))"),
    "aes128-cbc-sha256": (
        ["auth-trunc", "hmac(sha256)", key(32), "128", "enc", "cbc(aes)", key(16)],
        "echainiv(authenc(hmac(sha256),cbc(aes)))"),
    "aes256-cbc-sha256": (
        ["auth-trunc", "hmac(sha256)", key(32), "128", "enc", "cbc(aes)", key(32)],
        "echainiv(authenc(hmac(sha256),cbc(aes)))"),
    "aes128-ctr-sha256": (
        ["auth-trunc", "hmac(sha256)", key(32), "128",
         "enc", "rfc3686(ctr(aes))", key(20)],
        "seqiv(authenc(hmac(sha256),rfc3686(ctr(aes))))"),
}


def run(*cmd, check=True):
    r = subprocess.run(cmd, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       text=True)
    if check and r.returncode:
        sys.exit("bench: %s: %s" % (" ".join(cmd), r.stderr.strip()))
    return r.stdout


def ip(*args, ns=None):
    return run("ip", *(("-n", ns) if ns else ()), *args)


def write(path, text):
    with open(path, "w") as f:
        f.write(text)


def network():
    """The devices. sysfs is that of this name space."""
    os.makedirs("/tmp/sys", exist_ok=True)
    run("mount", "-t", "sysfs", "sysfs", "/tmp/sys")
    # the sink, of packets to 10.9.0.2 and of what is decrypted
    ip("link", "add", "sink", "type", "dummy")
    ip("addr", "add", "10.9.0.1/24", "dev", "sink")
    ip("link", "set", "sink", "up")
    ip("neigh", "add", "10.9.0.2", "lladdr", "02:00:00:00:00:02", "dev", "sink")
    # the far end, for TCP and for packets to decrypt
    ip("netns", "add", "far")
    ip("link", "add", "wan", "type", "veth", "peer", "name", "near",
       "netns", "far")
    ip("addr", "add", "10.7.0.2/24", "dev", "wan")
    ip("link", "set", "wan", "up")
    ip("addr", "add", "10.7.0.1/24", "dev", "near", ns="far")
    ip("addr", "add", "10.6.0.1/32", "dev", "near", ns="far")
    ip("link", "set", "near", "up", ns="far")
    ip("link", "set", "lo", "up", ns="far")
    ip("route", "add", "10.9.0.0/24", "via", "10.7.0.2", "src", "10.6.0.1",
       ns="far")
    ip("route", "add", "10.6.0.1/32", "via", "10.7.0.1", "dev", "wan")
    write("/proc/sys/net/ipv4/ip_forward", "1")
    for dev in ("all", "wan"):
        write("/proc/sys/net/ipv4/conf/%s/rp_filter" % dev, "0")
    run("ping", "-c1", "-W5", "10.7.0.1")


def load(directory, *names):
    """Modules of ours, and what each of them needs of the kernel's."""
    for name in names:
        if os.path.exists("/sys/module/" + name):
            continue
        ko = "%s/%s.ko" % (directory, name)
        for dep in run("modinfo", "-F", "depends", ko).strip().split(","):
            if dep and dep not in names:
                run("modprobe", dep)
        run("insmod", ko)


def rmmod(name):
    """Unload once the SAs that used it are gone, which takes a moment; what is part of
    the kernel stays."""
    for _ in range(100):
        if not os.path.exists("/sys/module/%s/initstate" % name):
            return
        if subprocess.run(["rmmod", name], stderr=subprocess.DEVNULL).returncode:
            time.sleep(0.1)
    sys.exit("bench: %s cannot be unloaded" % name)


def sa(src, dst, spi, alg, *more, ns=None):
    ip("xfrm", "state", "add", "src", src, "dst", dst, "proto", "esp",
       "spi", hex(spi), "reqid", str(spi), "mode", "tunnel", *ALGS[alg][0],
       *more, ns=ns)


def policy(direction, sel, src, dst, spi, ns=None):
    ip("xfrm", "policy", "add", "src", sel[0], "dst", sel[1], "dir", direction,
       "tmpl", "src", src, "dst", dst, "proto", "esp", "reqid", str(spi),
       "mode", "tunnel", ns=ns)


def flush(spaces=(None, "far")):
    for ns in spaces:
        ip("xfrm", "state", "flush", ns=ns)
        ip("xfrm", "policy", "flush", ns=ns)
