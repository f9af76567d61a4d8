#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""guest.py MODULES GEN SAMPLES: measure, inside the machine under test.

MODULES is where the modules are, GEN the generator; each sample is appended to
SAMPLES as a line of JSON. What is compared takes turns (A B C A B C ...), so
that the noise of a shared host hits all alike.

The machine has two CPUs. The generator and all of the stack's work before the
crypto are on CPU 0, in every variant; who does the crypto is what is compared:
  none    nobody: no IPsec, what generator and stack cost without it
  plain   plain software ESP, on CPU 0 like all the rest
  pcrypt  the same, with the kernel's pcrypt() on both CPUs
  soft1   esp_ring_soft, confined to CPU 0
  soft2   esp_ring_soft, on both CPUs
The packets end in a dummy device, on the CPU that finished them.
"""
import hashlib
import json
import os
import socket
import subprocess
import sys
import time

from lab import ALGS, COUNTER, flush, ip, load, network, policy, rmmod, run, sa, write

MODULES, GEN, SAMPLES = sys.argv[1:4]
SCALE = float(os.environ.get("BENCH_SCALE", "1"))
SECONDS = float(os.environ.get("BENCH_SECONDS", "0.7"))
SIZES = (64, 256, 512, 1024, 1400)
FULL = 1400
TESTS = os.environ.get("BENCH_TESTS", "encrypt decrypt tcp").split()
VARIANTS = ("none", "plain", "pcrypt", "soft1", "soft2")
FRAMES = "/tmp/frames"
TCP_BYTES = 48000000
GCM = "aes128-gcm"
# see report.py
QUIET = 0.08
ENOUGH = 3


def setup():
    """Modules and devices. Without udev the CPU's modules are ours to load."""
    network()
    with open("/sys/devices/system/cpu/modalias") as f:
        run("modprobe", "-a", f.read().strip(), check=False)
    load(MODULES, "esp_ring", "esp_ring_soft")


def driver_of(name):
    """The driver behind an algorithm of /proc/crypto that would be used."""
    best, found = -1, None
    with open("/proc/crypto") as f:
        for entry in f.read().split("\n\n"):
            d = dict((k.strip(), v.strip()) for k, _, v in
                     (line.partition(":") for line in entry.splitlines()))
            if d.get("name") == name and int(d["priority"]) > best:
                best, found = int(d["priority"]), d["driver"]
    return found


def prepare(variant, alg):
    """Everything of a variant but its SAs; the arguments they need."""
    flush()
    if os.path.exists("/sys/module/pcrypt"):
        rmmod("pcrypt")
    if variant in ("plain", "pcrypt"):
        # what a machine without offloaded SAs has not loaded either
        for mod in ("esp4_offload", "esp6_offload"):
            rmmod(mod)
    if variant == "pcrypt":
        # pcrypt(X) is found only if X is a driver's name; make X exist first
        sa("10.9.0.1", "10.9.0.2", 0xffff, alg)
        ip("xfrm", "state", "flush")
        run("modprobe", "pcrypt")
        want = "pcrypt(%s)" % driver_of(ALGS[alg][1])
        run(GEN, "instance", want)
        if driver_of(ALGS[alg][1]) != want:
            sys.exit("guest.py: no instance " + want)
    if variant == "soft1":
        write("/sys/module/esp_ring_soft/parameters/cpus", "0")
    if variant == "soft2":
        write("/sys/module/esp_ring_soft/parameters/cpus", "0-1")
    return variant.startswith("soft")


def cpu_times():
    """(busy, all) jiffies of each CPU."""
    out = []
    with open("/proc/stat") as f:
        for line in f:
            if line.startswith("cpu") and line[3].isdigit():
                t = [int(x) for x in line.split()[1:9]]
                out.append((sum(t) - t[3] - t[4], sum(t)))
    return out


def tcp_counters():
    """Segments sent again, and reordering seen by the sender, so far."""
    n = {}
    for path in ("/proc/net/snmp", "/proc/net/netstat"):
        with open(path) as f:
            lines = [line.split() for line in f]
        for names, values in zip(lines[::2], lines[1::2]):
            n.update((names[0] + k, v) for k, v in zip(names[1:], values[1:]))
    return (int(n["Tcp:RetransSegs"]),
            int(n["TcpExt:TCPSACKReorder"]) + int(n["TcpExt:TCPTSReorder"]))


def sample(record, before, **more):
    after = cpu_times()
    record["busy"] = [round((a[0] - b[0]) / max(a[1] - b[1], 1), 2)
                      for a, b in zip(after, before)]
    record.update(more)
    with open(SAMPLES, "a") as f:
        f.write(json.dumps(record) + "\n")
    print(record, flush=True)


def generate(record, *args, ns=()):
    before = cpu_times()
    out = run(*ns, "taskset", "-c", "0", GEN, *args)
    got, sent, ns_ = (int(x) for x in out.split())
    sample(record, before, pps=got * 1e9 / ns_, lost=max(sent - got, 0))


def encrypt(variant, alg, size, rep):
    offload = prepare(variant, alg)
    if variant != "none":
        sa("10.9.0.1", "10.9.0.2", 0x1000, alg,
           *(("offload", "dev", "sink", "dir", "out") if offload else ()))
        policy("out", ("10.9.0.1/32", "10.9.0.2/32"), "10.9.0.1", "10.9.0.2",
               0x1000)
    generate({"test": "encrypt", "variant": variant, "alg": alg, "size": size,
              "rep": rep},
             "udp", str(SECONDS), str(size), "10.9.0.2", "9", COUNTER % "sink")


def record_frames():
    """ESP packets from the far end, to be sent again and again."""
    prepare("plain", GCM)
    sa("10.7.0.1", "10.7.0.2", 0x2000, GCM, ns="far")
    policy("out", ("10.6.0.1/32", "10.9.0.2/32"), "10.7.0.1", "10.7.0.2",
           0x2000, ns="far")
    p = subprocess.Popen(["ip", "netns", "exec", "far", GEN, "capture", "256",
                          FRAMES, "near"], stdout=subprocess.PIPE)
    p.stdout.readline()
    run("ip", "netns", "exec", "far", GEN, "udp", "0.2", str(FULL), "10.9.0.2",
        "9", COUNTER % "wan")
    if p.wait():
        sys.exit("guest.py: no packets to decrypt")


def decrypt(variant, rep):
    """The far end's generator is on CPU 0, and so is the stack's receive."""
    offload = prepare(variant, GCM)
    sa("10.7.0.1", "10.7.0.2", 0x2000, GCM,
       *(("offload", "dev", "wan", "dir", "in") if offload else ()))
    policy("fwd", ("10.6.0.1/32", "10.9.0.2/32"), "10.7.0.1", "10.7.0.2", 0x2000)
    generate({"test": "decrypt", "variant": variant, "alg": GCM, "size": FULL,
              "rep": rep},
             "raw", str(SECONDS), FRAMES, "near", COUNTER % "sink",
             ns=("ip", "netns", "exec", "far"))


RECEIVE = """
import hashlib, socket, sys, time
s = socket.create_server(("10.7.0.1", 5001))
print("ready", flush=True)
c, _ = s.accept()
buf = bytearray(1 << 20)
data = []
t = time.monotonic_ns()
while True:
    n = c.recv_into(buf)
    if not n:
        break
    data.append(bytes(buf[:n]))
t = time.monotonic_ns() - t
print(t, hashlib.sha256(b"".join(data)).hexdigest(), flush=True)
"""


def tcp(variant, path, digest, rep):
    """A file: sender on CPU 0, receiver on CPU 1, both ends the same."""
    offload = prepare(variant, GCM)
    me, far = "10.7.0.2", "10.7.0.1"
    for ns, dev in ((None, "wan"), ("far", "near")):
        for src, dst, spi in ((me, far, 0x3001), (far, me, 0x3002)):
            out = (src == me) == (ns is None)
            sa(src, dst, spi, GCM,
               *(("offload", "dev", dev, "dir", "out" if out else "in")
                 if offload else ()), ns=ns)
            policy("out" if out else "in", (src + "/32", dst + "/32"), src, dst,
                   spi, ns=ns)
    rx = subprocess.Popen(["ip", "netns", "exec", "far", "taskset", "-c", "1",
                           sys.executable, "-c", RECEIVE],
                          stdout=subprocess.PIPE, text=True)
    rx.stdout.readline()
    os.sched_setaffinity(0, {0})
    before, counters = cpu_times(), tcp_counters()
    with socket.create_connection((far, 5001)) as s, open(path, "rb") as f:
        s.sendfile(f)
    ns_, got = rx.stdout.readline().split()
    rx.wait()
    os.sched_setaffinity(0, {0, 1})
    if got != digest:
        sys.exit("guest.py: TCP with %s: the file is damaged" % variant)
    retrans, reorder = (b - a for a, b in zip(counters, tcp_counters()))
    sample({"test": "tcp", "variant": variant, "alg": GCM, "rep": rep}, before,
           mbps=TCP_BYTES * 8e3 / int(ns_), retrans=retrans, reorder=reorder)


def times(n):
    return range(max(1, round(n * SCALE)))


def host_was_there(n):
    """Whether all of the last n samples had the host's CPUs (watch.py)."""
    with open(SAMPLES) as f:
        want = f.read().count("\n")
    for _ in range(20):
        try:
            with open(os.path.join(os.path.dirname(SAMPLES), "host")) as f:
                lines = f.read().splitlines()
        except OSError:
            return True
        if len(lines) >= want:
            return all(json.loads(x)["wait"] <= QUIET for x in lines[-n:])
        time.sleep(0.05)
    return True


def all_encrypt():
    # the figures with a goal, more often than the others, and again where the
    # host had other things to do
    planned, quiet, rep = len(times(9)), 0, 0
    while rep < planned or (quiet < ENOUGH and rep < 3 * planned):
        for variant in VARIANTS:
            encrypt(variant, GCM, FULL, rep)
        quiet += host_was_there(len(VARIANTS))
        rep += 1
    for rep in times(3):
        for size in SIZES[:-1]:
            for variant in VARIANTS:
                encrypt(variant, GCM, size, rep)
    for rep in times(3):
        for alg in ALGS:
            if alg != GCM:
                for variant in VARIANTS[1:]:
                    encrypt(variant, alg, FULL, rep)


def all_decrypt():
    record_frames()
    for rep in times(5):
        for variant in VARIANTS[1:]:
            decrypt(variant, rep)


def all_tcp():
    path = "/tmp/file"
    data = os.urandom(TCP_BYTES)
    with open(path, "wb") as f:
        f.write(data)
    digest = hashlib.sha256(data).hexdigest()
    for rep in times(5):
        for variant in VARIANTS[1:]:
            tcp(variant, path, digest, rep)


def info():
    """What was measured, once."""
    with open("/proc/cpuinfo") as f:
        model = [line.split(":")[1].strip() for line in f
                 if line.startswith("model name")][0]
    with open("/sys/devices/system/clocksource/clocksource0/"
              "current_clocksource") as f:
        clock = f.read().strip()
    sample({"test": "info", "kernel": os.uname().release, "cpu": model,
            "clocksource": clock,
            "aead": {alg: driver_of(ALGS[alg][1]) for alg in ALGS}}, cpu_times())


def main():
    setup()
    for name, test in (("encrypt", all_encrypt), ("decrypt", all_decrypt),
                       ("tcp", all_tcp)):
        if name in TESTS:
            test()
    prepare("plain", GCM)
    info()
    flush()


main()
