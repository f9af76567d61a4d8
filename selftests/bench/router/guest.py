#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""guest.py MODULES INDEX SAMPLES CASE...: a router is measured, from inside.

Each CASE is VARIANT/WAY/ALG/SIZE. This configures the router for it, tells the
player (selftests/qemu/hw/espring/player.c) what to send from both sides, and
sleeps until it says that all have arrived. Each sample is appended to SAMPLES
as a line of JSON, in the order of the runs of the instruction counter.

The variants, for the same packets from host to host:
  none      no IPsec
  software  plain ESP, the kernel's ciphers in C
  intree    plain ESP over the kernel's own driver of the engine
  ring      esp_ring_eip93 by esp_ring_mediatek, SAs offloaded to wan
The first is without a limit on the wires: on those of 1 Gbit/s the CPU has time left,
takes packets one by one, and needs more for each.
  +wire       with it, for the throughput
  +flowtable  what nftables has in its flowtable goes past routing and policies
  +hthresh    policies of networks are looked up by a hash, too
  +gro        rx-udp-gro-forwarding on both ports: packets of a flow that came together
              are forwarded together, as those of TCP are without being asked for, and
              parted again before they are encrypted or sent
  +tuned      this, and what comes from lan1 need not have come by a tunnel
  +paced      as slow wires as carry 25000 plain frames a second, fewer of ESP: CPU
              and engine have time left
  +on01       of two CPUs, the first finishes what was encrypted and the second what was
              decrypted, by esp_ring's completion_cpus; +on00, +on11, +on10 likewise.
              Interrupts are all the first one's
"""
import ctypes
import json
import mmap
import os
import socket
import sys
import time

import common as c
import mark
from lab import ALGS, flush, ip, load, policy, rmmod, run, sa, write

MODULES, INDEX, SAMPLES = sys.argv[1:4]
OURS = ("esp_ring_mediatek", "esp_ring_eip93", "esp_ring")
INTREE = "crypto_hw_eip93"
# what the algorithms need, loaded before anything is counted
CRYPTO = ("authenc", "echainiv", "seqiv", "cbc", "ctr", "hmac", "sha1", "sha256", "esp4",
          "esp4_offload")
EIP93, FE, PLAYER = 0x1e310000, 0x1e311000, 0x1e313000
STATS, WIRE_OF_PLAYER, WIRE_OF_FE = 0x100, 0x14, 0x10
EIP93_STATS = ("reg_reads", "reg_writes", "doorbells", "acks", "irqs", "desc_out", "desc_in",
               "bytes_out", "bytes_in", "errors", "auth_errors")
FE_STATS = ("fe_reads", "fe_writes", "fe_doorbells", "fe_acks", "fe_irqs")
PLAYED = ("ns", "insns", "busy_ns", "from_wan", "from_lan", "wan_sent", "wan_arrived",
          "wan_lost", "lan_sent", "lan_arrived", "lan_lost")
DONE_TIMEOUT = 600
COMPLETION_CPUS = "/sys/module/esp_ring/parameters/completion_cpus"


class Registers:
    """Loads and stores of exactly 32 bits, which neither Python nor ctypes promises."""

    def __init__(self):
        # lw $v0, 0($a0); jr $ra; nop; nop;  sw $a1, 0($a0); jr $ra; nop
        words = (0x8c820000, 0x03e00008, 0, 0, 0xac850000, 0x03e00008, 0)
        self.code = mmap.mmap(-1, mmap.PAGESIZE,
                              prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        self.code.write(b"".join(w.to_bytes(4, "little") for w in words))
        at = ctypes.addressof(ctypes.c_char.from_buffer(self.code))
        self.load = ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.c_uint32)(at)
        self.store = ctypes.CFUNCTYPE(None, ctypes.c_uint32, ctypes.c_uint32)(at + 16)
        self.pages = {}
        fd = os.open("/dev/mem", os.O_RDWR | os.O_SYNC)
        for base in (EIP93, FE, PLAYER):
            page = mmap.mmap(fd, mmap.PAGESIZE, offset=base)
            self.pages[base] = (ctypes.addressof(ctypes.c_char.from_buffer(page)), page)

    def get(self, base, offset):
        return self.load(self.pages[base][0] + offset)

    def put(self, base, offset, value):
        self.store(self.pages[base][0] + offset, value)

    def stats(self, base, names):
        """64 bits each; the low word is read first."""
        return {name: self.get(base, STATS + 8 * i) | self.get(base, STATS + 8 * i + 4) << 32
                for i, name in enumerate(names)}


def network():
    write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1")
    for dev, address, far, mac in (("wan", c.OUR_WAN, c.PEER_WAN, c.WAN_MAC),
                                   ("lan1", c.OUR_LAN, c.LAN_HOST, c.LAN_MAC)):
        ip("link", "set", dev, "up")
        ip("addr", "add", address + "/24", "dev", dev)
        ip("neigh", "replace", far, "lladdr", mac, "dev", dev, "nud", "permanent")
        write("/proc/sys/net/ipv4/conf/%s/rp_filter" % dev, "0")
    write("/proc/sys/net/ipv4/conf/all/rp_filter", "0")
    write("/proc/sys/net/ipv4/ip_forward", "1")
    ip("route", "add", c.FAR_NET, "via", c.PEER_WAN)
    for dev in ("wan", "lan1"):
        for _ in range(100):
            with open("/sys/class/net/%s/operstate" % dev, encoding="ascii") as f:
                if f.read() == "up\n":
                    break
            time.sleep(0.1)
        else:
            sys.exit("guest.py: %s has no link" % dev)


def modules_of(variant):
    """Load what a variant has and no other has."""
    if variant == "ring":
        rmmod(INTREE)
        load(MODULES, *reversed(OURS))
    else:
        for name in OURS:
            rmmod(name)
    if variant == "intree":
        run("modprobe", INTREE)
    elif variant != "ring":
        rmmod(INTREE)


def driver_of(name):
    """The implementation of an algorithm that is in use."""
    with open("/proc/crypto", encoding="ascii") as f:
        for entry in f.read().split("\n\n"):
            d = dict((k.strip(), v.strip()) for k, _, v in
                     (line.partition(":") for line in entry.splitlines()))
            if d.get("name") == name and int(d["refcnt"]) > 1:
                return d["driver"]
    return None


FLOWTABLE = """table ip f {
    flowtable ft { hook ingress priority 0; devices = { lan1, wan }; }
    chain forward { type filter hook forward priority 0; ip protocol udp flow add @ft; }
}"""


def prepare(variant, more, alg, size):
    """States and policies of both directions; numbers begin at 1."""
    flush((None,))
    run("nft", "flush", "ruleset")
    limit = 0 if variant == "none" and more != "wire" else c.WIRE_KBIT_S
    pace = round(c.PACE / c.GHZ * (c.mean(c.number(size)) + 38) * 8 / 1000)
    REGS.put(PLAYER, WIRE_OF_PLAYER, pace if more == "paced" else limit)
    REGS.put(FE, WIRE_OF_FE, limit)
    if more == "flowtable":
        run("nft", FLOWTABLE)
    for dev in ("wan", "lan1"):
        run("ethtool", "-K", dev, "rx-udp-gro-forwarding", "on" if more == "gro" else "off")
    if more.startswith("on"):
        write(COMPLETION_CPUS, "eip93.encrypt=%s,eip93.decrypt=%s" % tuple(more[2:]))
    write("/proc/sys/net/ipv4/conf/lan1/disable_policy", "1" if more == "tuned" else "0")
    bits = "24" if more in ("hthresh", "tuned") else "32"
    ip("xfrm", "policy", "set", "hthresh4", bits, bits)
    if variant == "none":
        return
    out, back = [("offload", "dev", "wan", "dir", d) if variant == "ring" else ()
                 for d in ("out", "in")]
    sa(c.OUR_WAN, c.PEER_WAN, c.SPI_OUT, alg, "replay-window", "32", *out)
    sa(c.PEER_WAN, c.OUR_WAN, c.SPI_IN, alg, "replay-window", "32", *back)
    policy("out", (c.LAN_NET, c.FAR_NET), c.OUR_WAN, c.PEER_WAN, c.SPI_OUT)
    policy("fwd", (c.FAR_NET, c.LAN_NET), c.PEER_WAN, c.OUR_WAN, c.SPI_IN)


REGS = Registers()


def sample(done, index, case):
    """A counted run; and that it was done by what is measured."""
    regs = REGS
    name, way, alg, size = case.split("/")
    variant, _, more = name.partition("+")
    prepare(variant, more, alg, size)
    play = {"wan": way != "enc" and "%s/wan/%s" % ("plain" if variant == "none" else alg, size),
            "lan": way != "dec" and "plain/lan/" + size}
    for port, name in enumerate(("wan", "lan")):
        first, n = index[play[name]] if play[name] else (0, 0)
        for i, value in enumerate((first, n, c.WINDOW // (2 if way == "both" else 1))):
            regs.put(PLAYER, 0x20 + 0x10 * port + 4 * i, value)
    # from the first packet to the last: the CPU does them in batches, so that between
    # any two other moments there is work of packets that are not
    regs.put(PLAYER, 0xc, 0)
    before = {**regs.stats(EIP93, EIP93_STATS), **regs.stats(FE, FE_STATS)}
    mark.run("start")
    regs.put(PLAYER, 8, c.PACKETS[variant])
    done.recv(2000)
    mark.run("stop")
    record = {"case": case, **regs.stats(PLAYER, PLAYED)}
    for base, names in ((EIP93, EIP93_STATS), (FE, FE_STATS)):
        record.update((k, v - before[k]) for k, v in regs.stats(base, names).items())
    check(record, variant, way)
    if variant in ("software", "intree"):
        record["driver"] = driver_of(ALGS[alg][1])
    with open(SAMPLES, "a", encoding="ascii") as f:
        f.write(json.dumps(record) + "\n")
    print(record, flush=True)


def check(r, variant, way):
    """Nothing lost, and all by the engine or nothing."""
    if r["wan_lost"] or r["lan_lost"] or not r["ns"]:
        sys.exit("guest.py: packets were lost: %r; %s" % (r, run("cat", "/proc/net/xfrm_stat")))
    engine = variant in ("intree", "ring")
    for name, sent, there in (("desc_out", "lan_sent", way != "dec"),
                              ("desc_in", "wan_sent", way != "enc")):
        if r[name] < r[sent] if engine and there else r[name]:
            sys.exit("guest.py: %s: %r" % ("the engine was not used" if engine else
                                           "the engine was used", r))
    if r["errors"] or r["auth_errors"]:
        sys.exit("guest.py: the engine saw errors: %r" % r)


def base(case):
    """Whose modules it needs."""
    return case.split("/")[0].split("+")[0]


def main():
    with open(INDEX, encoding="ascii") as f:
        index = json.load(f)
    network()
    run("modprobe", "-a", *CRYPTO)
    done = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    done.bind((c.OUR_LAN, c.DONE_PORT))
    done.settimeout(DONE_TIMEOUT)
    for name in ("start", "stop"):
        mark.READY[name] = mark.prepare(name)
    cases = sorted(sys.argv[4:], key=lambda x: c.VARIANTS.index(base(x)))
    for i, case in enumerate(cases):
        variant = base(case)
        modules_of(variant)
        sample(done, index, case)
        if i + 1 == len(cases) or base(cases[i + 1]) != variant:
            # the addresses of the modules, while they are there
            with open("/proc/kallsyms", encoding="ascii") as f:
                write("/out/kallsyms-" + variant, f.read())
            flush((None,))
    with open(SAMPLES, "a", encoding="ascii") as f:
        f.write(json.dumps({"kernel": os.uname().release}) + "\n")


main()
