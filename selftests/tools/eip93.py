#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The EIP-93 and its driver:

    eip93.py basics|faults|soak [pattern]

basics: probing, counters against the model's, moderation, both directions.
faults: every fault of the model while packets flow both ways.
soak:   many packets with rekeys; EIP93_SOAK=PACKETS for a longer one.
"""
import os
import re
import sys
import time

import esplab as lab
import eip93lab as eip
from esplab import check

TRACING = "/sys/kernel/tracing/"
BOUNCED = TRACING + "events/swiotlb/swiotlb_bounced"

ctl = None


def agree(what=""):
    return eip.agree(ctl, what)


def on_engine(t):
    for spi in (t.out, t.inn):
        check(lab.layer_sa(spi)["engine"] == "eip93", "SA 0x%x: %r" % (spi, lab.layer_sa(spi)))


# ---- basics ----

def probed(a, b):
    text = lab.sh("dmesg | grep -i eip93")
    check("self test" not in text, text)
    e = eip.engine()
    check(e["state"] == "running", "%r" % e)
    lab.note(lab.sh("dmesg | grep transforms").strip())
    lab.note(lab.read(eip.COUNTERS))


def parameters(a, b):
    """Values that make no ring are refused with a line that says so."""
    lab.rmmod("esp_ring_eip93")
    for arg, word in (("ring=100", "power of two"), ("ring=2048", "power of two"),
                      ("max_sas=0", "max_sas"), ("max_sas=9999", "max_sas")):
        code, _ = lab.status("insmod %s/esp_ring_eip93.ko %s" % (lab.module_dir(), arg))
        check(code, "%s is taken" % arg)
        check(word in lab.sh("dmesg | tail -n 2"), "%s: the log does not say why" % arg)
    eip.load("legacy=1")


def refused(a, b):
    """What no EIP-93 does runs in software; the reason is told where it can be."""
    for alg, word in (("gcm128", "cipher"), ("cbc256-sha512", "integrity"), ("chacha", "cipher")):
        a.flush()
        b.flush()
        try:
            t = lab.Tunnel(a, b, alg)
        except lab.NlError:
            lab.note("%s: the kernel has it not" % alg)
            continue
        check(t.offloaded() == (False, False), "%s is offloaded" % alg)
        check(lab.KVER < (6, 3) or all(t.warnings), "no reason: %r" % t.warnings)
        check(not lab.ping(*t.inner, [100])[0], "%s: no traffic in software" % alg)


def sa_records(a, b):
    """SAs for which there is no record run in software, and come in when others go."""
    lab.rmmod("esp_ring_eip93")
    eip.load("max_sas=2")
    t = lab.Tunnel(a, b, "cbc128-sha1")
    u = lab.Tunnel(a, b, "cbc128-sha1", pair="e")
    v = lab.Tunnel(a, b, "cbc128-sha1", ("tunnel", 6, 6))
    check(t.offloaded() == u.offloaded() == (True, True), "not so many")
    check(v.offloaded() == (False, False), "more than there are records")
    check(eip.counters()["records_used"] == 4, "%r" % eip.counters())
    a.flush()
    b.flush()
    check(lab.wait_for(lambda: eip.counters()["records_used"] == 0, 20), "records stay in use")
    w = lab.Tunnel(a, b, "cbc128-sha1")
    check(w.offloaded() == (True, True), "not after the others went")
    a.flush()
    lab.rmmod("esp_ring_eip93")
    eip.load("legacy=1")


def both_ways(a, b):
    """TCP both ways at once, every algorithm, and all counters agree."""
    for alg in eip.ALGS + eip.LEGACY:
        for esn in (False, True):
            a.flush()
            b.flush()
            try:
                t = lab.Tunnel(a, b, alg, ("tunnel", 4, 4), esn=esn, window=1024)
            except lab.NlError:
                lab.note("%s: the kernel has it not" % alg)
                break
            on_engine(t)
            before, model = eip.counters(), ctl.stats()
            lab.tcp_both(*t.inner, 120000, timeout=60)
            d, m, packets, _ = agree(alg)
            packets -= before["encrypt.packets"] + before["decrypt.packets"]
            layer = sum(lab.layer_sa(s)["packets"] for s in (t.out, t.inn))
            descs = m["desc_out"] + m["desc_in"] - model["desc_out"] - model["desc_in"]
            each = 2 if esn and not alg.startswith("null") else 1
            check(packets == layer, "%s: %d packets, the layer %d" % (alg, packets, layer))
            check(descs == each * packets, "%s: %d descriptors for %d packets" % (
                alg, descs, packets))
            check(d["encrypt.engine_errors"] == 0 == d["decrypt.engine_errors"], "%r" % d)


def flood(t, count=1500, size=1300):
    """Datagrams both ways as fast as they go; returns how many arrived."""
    x, y = lab.udp_pair(*t.inner)
    arrived = 0
    for _ in range(count // 100):
        for s in (x, y):
            for _ in range(100):
                try:
                    s.send(b"x" * size)
                except OSError:
                    pass
        for s in (x, y):
            s.setblocking(False)
            try:
                while s.recv(2000):
                    arrived += 1
            except BlockingIOError:
                pass
            s.setblocking(True)
    time.sleep(0.5 * lab.SLOW)
    for s in (x, y):
        s.close()
    return arrived


def under_load(a, b):
    """An engine that is the bottleneck: few interrupts, few registers."""
    t = lab.Tunnel(a, b, "cbc128-sha1", ("tunnel", 4, 4), window=4096)
    # 1.4 ms for a packet: slower than these emulated CPUs, and what an interrupt waits
    # for takes less than the engine's timeout of 40 ms
    ctl.speed(200000, 1100)
    before, model = eip.counters(), ctl.stats()
    flood(t)
    d, m, packets, _ = agree("under load")
    ctl.speed()
    packets -= before["encrypt.packets"] + before["decrypt.packets"]
    irqs = d["interrupts"] - before["interrupts"]
    mmio = sum(d[k] - before[k] for k in ("reads", "writes"))
    lab.note("%d packets: %.4f interrupts, %.3f registers, %.3f doorbells, %.3f acks each" % (
        packets, irqs / packets, mmio / packets, (d["doorbells"] - before["doorbells"]) / packets,
        (d["acks"] - before["acks"]) / packets))
    check(packets > 1000, "only %d packets" % packets)
    check(m["irqs"] - model["irqs"] <= irqs + 2, "the model raised %d, we saw %d" % (
        m["irqs"] - model["irqs"], irqs))
    check(irqs * 16 <= packets, "%d interrupts for %d packets" % (irqs, packets))
    check(mmio <= 2 * packets, "%d registers for %d packets" % (mmio, packets))
    for way in ("encrypt", "decrypt"):
        check(d[way + ".packets"] - before[way + ".packets"] > packets // 4,
              "%s is starved: %r" % (way, d))


def idle_latency(a, b):
    """One packet at a time is answered by an interrupt at once."""
    t = lab.Tunnel(a, b, "cbc128-sha1", ("tunnel", 4, 4))
    eip.alive(t, "set-up")
    eip.settle(ctl)
    check(eip.counters()["thresh"] == 0, "%r" % eip.counters())
    before = eip.counters()
    for _ in range(20):
        bad, _ = lab.ping(*t.inner, [64])
        check(not bad, "lost")
    d = agree("pings")[0]
    irqs = d["interrupts"] - before["interrupts"]
    check(irqs >= 20, "%d interrupts for 40 packets" % irqs)
    check(d["thresh"] == 0, "%r" % d)


def unaligned(a, b):
    """Headers on any byte: moved, and counted."""
    t = lab.Tunnel(a, b, "ctr128-sha1", ("transport", 4, 4))
    bad, _ = lab.ping(*t.inner, list(range(0, 40)) + [1400])
    check(not bad, "lost: %r" % bad)
    d = eip.counters()
    lab.note("unaligned: encrypt %d, decrypt %d" % (d["encrypt.unaligned"], d["decrypt.unaligned"]))


def sizes(a, b):
    """Every length up to a block or two, and the largest."""
    for alg in ("cbc256-sha256", "ctr128-sha1", "null-sha1"):
        for esn in (False, True):
            a.flush()
            b.flush()
            t = lab.Tunnel(a, b, alg, ("transport", 4, 4), esn=esn, window=128)
            bad, _ = lab.ping(*t.inner, list(range(0, 70)) + [1472, 8000, 30000, 65000], timeout=10)
            check(not bad, "%s, ESN %d: %r" % (alg, esn, bad))


def has_beyond_4g():
    """The machine has memory that 32 bits do not reach."""
    return any(int(line.split("-")[0], 16) >> 32 or int(line.split("-")[1].split()[0], 16) >> 32
               for line in lab.read("/proc/iomem").splitlines() if line.endswith(": System RAM"))


def beyond_4g(a, b):
    """Packets in memory that the engine does not reach are bounced, and whole."""
    if not has_beyond_4g():
        return "no memory beyond 4 GiB"
    if not os.path.isdir(BOUNCED):
        return "the kernel does not tell what it bounces"
    dev = eip.device()
    lab.write(TRACING + "trace", "")
    lab.write(BOUNCED + "/enable", "1")
    packets = -sum(eip.queue(q)["packets"] for q in ("encrypt", "decrypt"))
    try:
        for alg, esn in (("cbc128-sha1", False), ("ctr256-sha256", True)):
            a.flush()
            b.flush()
            t = lab.Tunnel(a, b, alg, ("transport", 4, 4), esn=esn, window=1024)
            bad, _ = lab.ping(*t.inner, [0, 1, 2, 3, 100, 1472, 8000, 30000, 65000], timeout=10)
            check(not bad, "%s: lost %r" % (alg, bad))
            lab.tcp_both(*t.inner, 100000, timeout=60)
            for spi in (t.out, t.inn):
                check(not lab.drops(lab.layer_sa(spi)), "%r" % lab.layer_sa(spi))
    finally:
        lab.write(BOUNCED + "/enable", "0")
    packets += sum(eip.queue(q)["packets"] for q in ("encrypt", "decrypt"))
    seen = [int(x, 16) for x in re.findall(r"%s .*dev_addr=(?:0x)?([0-9a-f]+)" % re.escape(dev),
                                           lab.read(TRACING + "trace"))]
    beyond = sum(bool(x >> 32) for x in seen)
    lab.note("%d packets, %d bounced, %d of them beyond 4 GiB" % (packets, len(seen), beyond))
    # the trace's buffer may have lost some
    check(beyond > packets // 4, "hardly any packet was beyond 4 GiB")
    d = agree("beyond 4 GiB")[0]
    check(d["encrypt.engine_errors"] == 0 == d["decrypt.engine_errors"], "%r" % d)
    return None


def completion_cpus(a, b):
    """Each direction completes on the CPU of the admin's choice."""
    if os.cpu_count() < 2:
        return "one CPU"
    t = lab.Tunnel(a, b, "cbc128-sha1", ("tunnel", 4, 4), window=1024)
    for way, other in ((0, 1), (1, 0)):
        lab.write(lab.PARAMS + "completion_cpus", "eip93.encrypt=%d eip93.decrypt=%d" % (way, other))
        lab.tcp_both(*t.inner, 100000, timeout=60)
        check(eip.queue("encrypt")["cpu"] == way and eip.queue("decrypt")["cpu"] == other,
              "%r %r" % (eip.queue("encrypt"), eip.queue("decrypt")))
    lab.write(lab.PARAMS + "completion_cpus", "\n")
    agree("CPUs")
    return None


def rebound(a, b):
    """The device is taken from the driver under load, and given back."""
    t = lab.Tunnel(a, b, "cbc128-sha1", ("tunnel", 4, 4), window=256)

    def meanwhile():
        check(lab.layer_sa(t.out)["engine"] == "software", "%r" % lab.layer_sa(t.out))
        time.sleep(0.1)

    with lab.Load(t) as load:
        for _ in range(3):
            eip.rebind(meanwhile)
            check(lab.wait_for(lambda: lab.layer_sa(t.out)["engine"] == "eip93"),
                  "not taken back")
            time.sleep(0.2)
    drops = sum(lab.drops(lab.layer_sa(s)) for s in (t.out, t.inn))
    check(load.a["lost"] + load.b["lost"] <= drops, "%r %r, %d counted" % (load.a, load.b, drops))
    eip.alive(t, "rebinding")
    agree("rebinding")


# ---- faults ----

def fault(name, value=1, lasts=1.5, slow=False, failures=0, heal=False):
    """One fault under load both ways.  What is lost is counted, nothing is doubled,
    damaged or out of order, and afterwards it goes on in the engine, after so many
    restarts."""
    def test(a, b):
        ctl.heal()
        t = lab.Tunnel(a, b, "cbc128-sha256-96", ("tunnel", 4, 4), window=1024)
        on_engine(t)
        before, model, was = eip.counters(), ctl.stats(), eip.engine()
        if slow:
            ctl.speed(500000)
        with lab.Load(t) as load:
            ctl.fault(name, value)
            time.sleep(lasts * lab.SLOW)
            if heal:
                ctl.heal()
            check(lab.wait_for(lambda: eip.engine()["failures"] - was["failures"] >= failures, 30),
                  "%d failures" % (eip.engine()["failures"] - was["failures"]))
        ctl.heal()
        struck = ctl.stat("faults") - model["faults"]
        # the driver never reads the count that lies; slowness is not counted
        check(struck or name in ("slow", "count_add"), "the fault never struck")
        drops = sum(lab.drops(lab.layer_sa(s)) for s in (t.out, t.inn))
        lost = load.a["lost"] + load.b["lost"]
        # the peer drops what we encrypted wrong: that is not ours to count
        peer = b.sas()[t.out]["failed"] if name == "wrong_icv" else 0
        lab.note("%s: struck %d, %d lost, %d counted, %d at the peer, failures %d" % (
            name, struck, lost, drops, peer, eip.engine()["failures"] - was["failures"]))
        check(lost <= drops + peer, "%d lost, %d counted: %r %r" % (lost, drops, load.a, load.b))
        check(load.a["got"] > 20 and load.b["got"] > 20, "%r %r" % (load.a, load.b))
        restarts = eip.engine()["failures"] - was["failures"]
        check(restarts == failures, "%r" % eip.engine())
        eip.alive(t, name)
        on_engine(t)
        d = agree(name)[0]
        check(d["resets"] - before["resets"] == restarts, "%d resets" % (
            d["resets"] - before["resets"]))
    return test


def gone(a, b):
    """The device does not answer any more: traffic goes on in software."""
    ctl.heal()
    t = lab.Tunnel(a, b, "cbc128-sha1", ("tunnel", 4, 4), window=1024)
    with lab.Load(t) as load:
        ctl.fault("gone")
        check(lab.wait_for(lambda: lab.layer_sa(t.out)["engine"] == "software", 20),
              "%r" % eip.engine())
        time.sleep(0.5)
    drops = sum(lab.drops(lab.layer_sa(s)) for s in (t.out, t.inn))
    check(load.a["lost"] + load.b["lost"] <= drops, "%r %r %d" % (load.a, load.b, drops))
    eip.alive(t, "the device went")
    check(eip.engine()["state"] == "failed", "%r" % eip.engine())
    ctl.heal()
    eip.rebind()
    check(lab.wait_for(lambda: lab.layer_sa(t.out)["engine"] == "eip93"), "not taken back")
    eip.alive(t, "it came back")
    agree("after that")


def hang_for_good(a, b):
    """A reset does not help: given up, and traffic goes on in software."""
    ctl.heal()
    t = lab.Tunnel(a, b, "ctr128-sha1", ("tunnel", 4, 4), esn=True, window=1024)
    with lab.Load(t) as load:
        ctl.fault("hang_sticky")
        ctl.fault("hang_after", 10)
        check(lab.wait_for(lambda: lab.layer_sa(t.out)["engine"] == "software", 30),
              "%r" % eip.engine())
        time.sleep(0.5)
    check(load.a["got"] > 20 and load.b["got"] > 20, "%r %r" % (load.a, load.b))
    eip.alive(t, "the engine was given up")
    ctl.heal()
    eip.rebind()
    check(lab.wait_for(lambda: lab.layer_sa(t.out)["engine"] == "eip93"), "not taken back")
    eip.alive(t, "it came back")


def wrong_icv_in(a, b):
    """The engine that finds an ICV wrong is believed, and counted."""
    ctl.heal()
    for esn in (False, True):
        a.flush()
        b.flush()
        t = lab.Tunnel(a, b, "null-sha1", ("transport", 4, 4), esn=esn, window=64)
        x, y = lab.udp_pair(*t.inner)
        was = a.sas()[t.inn]["failed"], eip.counters()["decrypt.auth_errors"]
        ctl.fault("wrong_icv", 3)
        for _ in range(10):
            y.send(b"y" * 100)
        time.sleep(0.5 * lab.SLOW)
        got = 0
        x.setblocking(False)
        try:
            while x.recv(200):
                got += 1
        except BlockingIOError:
            pass
        check(got == 7, "%d of 10 arrived" % got)
        check(lab.layer_sa(t.inn)["drop_icv"] == 3, "%r" % lab.layer_sa(t.inn))
        check(a.sas()[t.inn]["failed"] - was[0] == 3, "the kernel counts %r" % a.sas()[t.inn])
        check(eip.counters()["decrypt.auth_errors"] - was[1] == 3, "%r" % eip.counters())
        for s in (x, y):
            s.close()


# ---- soak ----

def bursts(x, y, done, data):
    """50 datagrams each way, numbered and of all lengths, each of which comes whole,
    once and in order.  Returns what did not."""
    wrong = []
    sent = []
    for i in range(50):
        n = done + i
        body = b"%08x" % n + data[n & 255:(n & 255) + (n * 37) % 1380]
        x.send(body)
        y.send(body)
        sent.append(body)
    for name, s in (("A to B", y), ("B to A", x)):
        for want in sent:
            try:
                got = s.recv(2048)
            except TimeoutError:
                wrong.append("%s: %r is missing" % (name, want[:8]))
                break
            if got != want:
                wrong.append("%s: %r came for %r" % (name, got[:8], want[:8]))
                break
    return wrong


def soak(a, b):
    """Packets both ways with a rekey every so often; none is lost, nothing leaks."""
    wanted = int(os.environ.get("EIP93_SOAK", 4000))
    t = lab.Tunnel(a, b, "cbc128-sha256-96", ("tunnel", 4, 4), window=1024, esn=True)
    x, y = lab.udp_pair(*t.inner)
    for s in (x, y):
        s.settimeout(10 * lab.SLOW)
    data = lab.pattern(2048, 9)
    done = rekeys = 0
    slab = None
    start = time.monotonic()
    first = sum(eip.queue(q)["packets"] for q in ("encrypt", "decrypt"))
    while done < wanted:
        old = (t.out, t.inn)
        wrong = bursts(x, y, done, data)
        check(not wrong, "after %d packets and %d rekeys: %s; %r %r" % (
            done, rekeys, "; ".join(wrong), lab.layer_sa(t.out), eip.engine()))
        done += 100
        if not done % 500:
            t.new_sas()
            t.del_sas(*old)
            rekeys += 1
            if rekeys == 2:
                slab = slab_use()
        if not done % 100000:
            lab.note("%d packets, %d rekeys, %d s" % (done, rekeys, time.monotonic() - start))
    lab.note("%d packets, %d rekeys, %.0f packets/s" % (
        done, rekeys, done / (time.monotonic() - start)))
    for s in (x, y):
        s.close()
    # virtio-net keeps the last frame until it sends another: that frame has the socket,
    # the socket its last route, the route the SA before the last rekey
    used = eip.counters()["records_used"]
    lab.sh("ip neigh change %s dev va nud probe" % t.outer[1])
    check(lab.wait_for(lambda: eip.counters()["records_used"] == 4, 20),
          "records: %r, before an ARP request %d" % (eip.counters(), used))
    lab.note("unreclaimable slab: %d KiB then, %d KiB now" % (slab, slab_use()))
    check(slab_use() - slab < 2048, "the kernel's memory has grown")
    went = sum(eip.queue(q)["packets"] for q in ("encrypt", "decrypt")) - first
    check(went == done, "%d packets through the engine, not %d" % (went, done))
    agree("soak")


def slab_use():
    for line in lab.read("/proc/meminfo").splitlines():
        if line.startswith("SUnreclaim"):
            return int(line.split()[1])
    return 0


BASICS = (
    ("probes, and every transform passes its self test", probed),
    ("wrong parameters are refused", parameters),
    ("what the engine cannot do runs in software", refused),
    ("no SA records left", sa_records),
    ("every length", sizes),
    ("all algorithms both ways, counters as the model's", both_ways),
    ("an idle engine answers at once", idle_latency),
    ("an engine under load: interrupts and registers", under_load),
    ("headers on any byte", unaligned),
    ("memory beyond 4 GiB", beyond_4g),
    ("completion on the CPUs of choice", completion_cpus),
    ("unbind and bind under load", rebound),
)

FAULT_TESTS = (
    ("an interrupt is lost", fault("lose_irq", 1)),
    ("many interrupts are lost", fault("lose_irq", 3, lasts=3)),
    ("interrupts without reason", fault("spurious_irq", 20)),
    ("a bus error", fault("bus_error", 3)),
    ("wrong digests", fault("wrong_icv", 10)),
    ("wrong digests inbound", wrong_icv_in),
    ("a slow engine", fault("slow", 2000, lasts=1, heal=True)),
    ("the result count lies", fault("count_add", 5, heal=True)),
    ("results are counted too early", fault("count_early", 50, slow=True)),
    ("a hang", fault("hang_after", 20, lasts=3, failures=1)),
    ("a hang that a reset does not end", hang_for_good),
    ("the device is gone", gone),
)


def main():
    global ctl
    what = sys.argv.pop(1)
    ctl = eip.Control()
    ctl.heal()
    tests = {"basics": BASICS, "faults": FAULT_TESTS, "soak": (("soak", soak),)}[what]
    lab.run_on_hosts(tests, ("esp_ring_eip93", "esp_ring"),
                     up=lambda: eip.load("legacy=1"), down=ctl.heal)


main()
