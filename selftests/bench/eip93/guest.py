#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""guest.py MODULES GEN CONTROL SAMPLES: count what ESP costs on the emulated MT7621.

MODULES is where the modules are, GEN the generator, CONTROL the address of the
control block of the emulated engine; each sample is appended to SAMPLES as a
line of JSON, in the order of the runs of the instruction counter.

There is one CPU. What is compared, for the same packets:
  none      no IPsec
  software  plain ESP, the kernel's ciphers in C
  ring      esp_ring_eip93
  intree    plain ESP over the kernel's own driver of the engine
Outbound the packets come from a socket and end in a dummy device. Inbound they
are ESP, were recorded before, come from another name space by a veth pair, and are
forwarded to the dummy device. The veth's NAPI has a thread, and the sender goes
before it until too many packets are on their way, so that they come in bursts as
from a NIC.
"""
import json
import os
import re
import subprocess
import sys

from lab import ALGS, COUNTER, flush, ip, load, network, policy, rmmod, run, sa, write

MODULES, GEN, CONTROL, SAMPLES = sys.argv[1:5]
VARIANTS = ("none", "software", "ring", "intree")
SIZES = (1400, 64)
NAMES = ("aes128-cbc-sha1", "aes128-cbc-sha256")
# software is a hundred times slower, and does the same each time
PACKETS = {"none": 1024, "software": 128, "ring": 1024, "intree": 1024}
# of each the median counts: without IPsec a burst is so little work that when it comes
# makes 2 percent of it, which are taken off all the others
SAMPLES_OF = {"none": 5, "software": 1, "ring": 3, "intree": 3}
PACKETS_TRACED = 256
TRIES = 5
# of gen.c
WARM_UP = 256
STATS = ("reg_reads", "reg_writes", "doorbells", "acks", "irqs", "desc_out", "desc_in",
         "bytes_out", "bytes_in", "errors", "auth_errors", "faults", "busy_ns")
OURS = ("esp_ring_eip93", "esp_ring")
INTREE = "crypto_hw_eip93"
TRACE = "/sys/kernel/tracing/"
FRAMES = "/tmp/frames-%s-%d"
# what the algorithms need, loaded before anything is counted
CRYPTO = ("authenc", "echainiv", "cbc", "hmac", "sha1", "sha256", "esp4", "esp4_offload")


def modules_of(variant):
    """Load what a variant has and no other has."""
    if variant == "ring":
        load(MODULES, *reversed(OURS))
    else:
        for name in OURS:
            rmmod(name)
    if variant == "intree":
        run("modprobe", INTREE)
    else:
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


def prepare(variant, direction, alg):
    """States and policies."""
    flush()
    if variant == "none":
        return
    offload = variant == "ring"
    if direction == "enc":
        sa("10.9.0.1", "10.9.0.2", 0x1000, alg,
           *(("offload", "dev", "sink", "dir", "out") if offload else ()))
        policy("out", ("10.9.0.1/32", "10.9.0.2/32"), "10.9.0.1", "10.9.0.2", 0x1000)
    else:
        sa("10.7.0.1", "10.7.0.2", 0x2000, alg,
           *(("offload", "dev", "wan", "dir", "in") if offload else ()))
        policy("fwd", ("10.6.0.1/32", "10.9.0.2/32"), "10.7.0.1", "10.7.0.2", 0x2000)


def once(variant, direction, alg, size, packets):
    if direction == "enc":
        out = run(GEN, "count-udp", str(packets), str(size), "10.9.0.2", "9",
                  COUNTER % "sink", CONTROL)
    else:
        frames = FRAMES % ("none" if variant == "none" else alg, size)
        out = run("chrt", "-f", "1", "ip", "netns", "exec", "far", GEN, "count-raw",
                  str(packets), frames, "near", COUNTER % "sink", CONTROL)
    return [int(x) for x in out.split()]


def generate(variant, direction, alg, size, packets, before=lambda: None):
    """One burst; arrived, sent, nanoseconds, and the engine's counters.  On a busy host
    some packets of a burst may be missing, also without IPsec: another one, then."""
    for _ in range(TRIES):
        before()
        n = once(variant, direction, alg, size, packets)
        if n[0] == packets:
            return n
        put({"test": "lost", "variant": variant, "dir": direction, "alg": alg, "size": size,
             "packets": n[1], "arrived": n[0]})
    sys.exit("guest.py: %s %s %s %d: %d of %d packets arrived, %d times" % (
        variant, direction, alg, size, n[0], packets, TRIES))


def put(record):
    with open(SAMPLES, "a", encoding="ascii") as f:
        f.write(json.dumps(record) + "\n")
    print(record, flush=True)


def sample(variant, direction, alg, size):
    """A counted burst.  With ESP, that it was done by what is measured."""
    prepare(variant, direction, alg)
    n = generate(variant, direction, alg, size, PACKETS[variant])
    record = {"test": "count", "variant": variant, "dir": direction, "alg": alg,
              "size": size, "packets": n[1], "ns": n[2]}
    record.update(zip(STATS, n[3:]))
    if record["desc_" + ("out" if direction == "enc" else "in")] < (
            n[1] if variant in ("ring", "intree") else 0):
        sys.exit("guest.py: the engine was not used: %r" % record)
    if variant in ("none", "software") and record["doorbells"]:
        sys.exit("guest.py: the engine was used: %r" % record)
    if variant in ("software", "intree"):
        record["driver"] = driver_of(ALGS[alg][1])
    put(record)


def our_addresses():
    """A filter of trace events: called from our modules."""
    ranges = []
    with open("/proc/modules", encoding="ascii") as f:
        for line in f:
            name, size, *_, address = line.split()[:6]
            if name in OURS:
                start = int(address, 16)
                ranges.append("(call_site >= 0x%x && call_site < 0x%x)" % (
                    start, start + int(size)))
    return " || ".join(ranges)


def traced():
    """Events in the trace buffer, those that did not fit included."""
    with open(TRACE + "per_cpu/cpu0/stats", encoding="ascii") as f:
        n = {k: int(v) for k, v in re.findall(r"^(entries|overrun): (\d+)", f.read(), re.M)}
    return n["entries"] + n["overrun"]


def allocations(variant, direction, alg, size, ours):
    """Allocations of a burst: all of them, or those of our modules."""
    prepare(variant, direction, alg)
    write(TRACE + "tracing_on", "0")
    for event in ("kmalloc", "kmem_cache_alloc"):
        write(TRACE + "events/kmem/%s/filter" % event, our_addresses() if ours else "0")
        write(TRACE + "events/kmem/%s/enable" % event, "1")
    write(TRACE + "tracing_on", "1")
    n = generate(variant, direction, alg, size, PACKETS_TRACED,
                 lambda: write(TRACE + "trace", ""))
    write(TRACE + "tracing_on", "0")
    put({"test": "alloc", "variant": variant, "dir": direction, "alg": alg, "size": size,
         # those of the warm-up are traced, too
         "packets": n[1] + WARM_UP, "ours": ours, "allocations": traced()})
    for event in ("kmalloc", "kmem_cache_alloc"):
        write(TRACE + "events/kmem/%s/enable" % event, "0")


def record_frames(alg, size):
    """Packets from the far end, to be sent again and again."""
    flush()
    if alg != "none":
        sa("10.7.0.1", "10.7.0.2", 0x2000, alg, ns="far")
        policy("out", ("10.6.0.1/32", "10.9.0.2/32"), "10.7.0.1", "10.7.0.2", 0x2000,
               ns="far")
    with subprocess.Popen(["ip", "netns", "exec", "far", GEN, "capture", "64",
                           FRAMES % (alg, size), "near"], stdout=subprocess.PIPE) as p:
        p.stdout.readline()
        run("ip", "netns", "exec", "far", GEN, "udp", "0.05", str(size), "10.9.0.2", "9",
            COUNTER % "wan")
        if p.wait():
            sys.exit("guest.py: no packets to decrypt")


def main():
    network()
    # nobody else's packets, and none of IPv6
    write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1")
    ip("link", "set", "lo", "up")
    # A sender's checksum is no work of ESP's, and a router has none to make: let
    # it be made without IPsec as well.
    run("ethtool", "-K", "sink", "tx", "off")
    run("ethtool", "-K", "wan", "gro", "on")
    # veth goes past NAPI and GRO, where a NIC's packets come in, if it sees nothing
    # to be gained; and it sees nothing if the sender could do TSO
    run("ip", "netns", "exec", "far", "ethtool", "-K", "near", "tso", "off")
    write("/tmp/sys/class/net/wan/threaded", "1")
    run("modprobe", "-a", *CRYPTO)
    if not os.path.isdir(TRACE + "events"):
        run("mount", "-t", "tracefs", "tracefs", TRACE)
    for size in SIZES:
        for alg in ("none",) + NAMES:
            record_frames(alg, size)
    for variant in VARIANTS:
        modules_of(variant)
        for direction in ("enc", "dec"):
            for size in SIZES:
                for alg in NAMES if variant != "none" else NAMES[:1]:
                    for _ in range(SAMPLES_OF[variant]):
                        sample(variant, direction, alg, size)
            allocations(variant, direction, NAMES[0], 1400, False)
            if variant == "ring":
                allocations(variant, direction, NAMES[0], 1400, True)
        if variant in ("ring", "intree"):
            # the addresses of the modules, while they are there
            with open("/proc/kallsyms", encoding="ascii") as f:
                write("/out/kallsyms-" + variant, f.read())
        flush()
    put({"test": "info", "kernel": os.uname().release})


main()
