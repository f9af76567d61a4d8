#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Engines: choice, binding, priorities, CPUs, limits, and what one sees of them."""
import os
import re
import select
import struct
import time

import esplab as lab
from esplab import check
from lanes import Bulk, Lane, fault, faulty, lane_addresses

TRACE = "/sys/kernel/tracing/"


def on_engine(t):
    return lab.layer_sa(t.out)["engine"], lab.layer_sa(t.inn)["engine"]


def tunnels(a, b, n):
    return [lab.Tunnel(a, b, policies=False) for _ in range(n)]


def least_loaded(a, b):
    faulty(engines=3, rating=300)
    ts = tunnels(a, b, 6)
    got = sorted(on_engine(t)[0] for t in ts)
    check(got == ["faulty0"] * 2 + ["faulty1"] * 2 + ["faulty2"] * 2, "%r" % got)
    # two leave one engine: the next two go there
    for t in ts:
        if on_engine(t)[0] == "faulty1":
            t.del_sas(t.out, t.inn)
    check(lab.wait_for(lambda: not lab.kv("sas", engine="faulty1"), 10), "they stay")
    check([on_engine(t)[0] for t in tunnels(a, b, 2)] == ["faulty1"] * 2, "not balanced")
    for q in lab.kv("queues"):
        check(q["sas"] == (0 if q["engine"] == "soft" else 2), "%r" % q)


def least_bytes(a, b):
    """A loaded SA weighs more than several that are idle."""
    faulty(engines=2, rating=300)
    lane_addresses(6)
    heavy = Lane(a, b, 0)
    check(on_engine(heavy)[0] == "faulty0", "%r" % (on_engine(heavy),))
    # thrown away unread: a debug kernel's CPUs are busy enough with sending
    b.del_sa(heavy.outer[1], heavy.out)
    with Bulk([heavy.inner], rate=400 // lab.SLOW, size=1200):
        time.sleep(1)
        got = [on_engine(Lane(a, b, i))[0] for i in range(1, 5)]
    check(got == ["faulty1"] * 4, "%r" % got)
    # when it has been quiet for a while the number decides
    time.sleep(4)
    got = on_engine(Lane(a, b, 5))
    check(got[0] == "faulty0", "%r" % (got,))


def round_robin(a, b):
    faulty(engines=3, rating=300)
    lab.write(lab.PARAMS + "balance", "round-robin")
    try:
        got = [on_engine(t)[0] for t in tunnels(a, b, 6)]
        check(got[:3] == got[3:] and len(set(got)) == 3, "%r" % got)
    finally:
        lab.write(lab.PARAMS + "balance", "least-loaded")


def bound(a, b):
    faulty(engines=2, rating=300)
    for rule, want in (("va=faulty1", "faulty1"), ("v*=soft", "soft"),
                       ("ea=soft,*=faulty0", "faulty0")):
        lab.write(lab.PARAMS + "bind", rule)
        try:
            t = lab.Tunnel(a, b)
            check(on_engine(t) == (want, want), "%s: %r" % (rule, on_engine(t)))
            check(not lab.ping(*t.inner, [10] * 3)[0], "pings")
            q = lab.kv("queues", engine=want, queue="encrypt")[0]
            check(q["packets"] >= 3, "%r" % q)
        finally:
            lab.write(lab.PARAMS + "bind", "\n")
            a.flush()
            b.flush()


def rated(a, b):
    """The higher rating wins; when it goes the other has them."""
    faulty(engines=1, rating=50)
    t = lab.Tunnel(a, b)
    check(on_engine(t) == ("soft", "soft"), "%r" % (on_engine(t),))
    lab.rmmod("esp_ring_faulty")
    a.flush()
    b.flush()
    faulty(engines=1, rating=150)
    t = lab.Tunnel(a, b)
    check(on_engine(t) == ("faulty0", "faulty0"), "%r" % (on_engine(t),))


def formats(a, b):
    """A line for each thing, key=value, and the keys that a script looks for."""
    faulty(engines=1, rating=300)
    t = lab.Tunnel(a, b)
    check(not lab.ping(*t.inner, [10] * 3)[0], "pings")
    want = {
        "engines": "engine state rating sas max_sas failures rebinds batch timeout_ms",
        "queues": "engine queue packets bytes sas slots waiting_high waiting_low inflight "
                  "limit_bytes high_water submitted doorbells completions passes "
                  "interrupts busy spurious cpu",
        "ports": "port netns queue feature sas packets bytes linearised uncloned expanded "
                 "software",
        "sas": "port queue spi src dst mode cipher auth icv_len esn encap reqid prio engine "
               "rebinds packets bytes linearised uncloned expanded software",
    }
    for name, keys in want.items():
        text = lab.read(lab.DEBUGFS + name)
        check(text, "%s is empty" % name)
        for line in text.splitlines():
            check(re.fullmatch(r"(\S+=\S+)( \S+=\S+)*", line), "%s: %r" % (name, line))
            have = [w.split("=")[0] for w in line.split()]
            check(len(set(have)) == len(have), "%s: a key twice: %r" % (name, line))
            if name != "engines":
                for k in "full nomem length icv engine rebind trailer".split():
                    check("drop_" + k in have, "%s: no drop_%s" % (name, k))
            missing = set(keys.split()) - set(have)
            check(not missing, "%s: no %r" % (name, missing))
    # no key of an SA is anywhere
    everything = "".join(lab.read(lab.DEBUGFS + n) for n in want)
    for k in t.kout + t.kin:
        check(k[:4].hex() not in everything.lower(), "key material in debugfs")
    check(os.stat(lab.DEBUGFS + "sas").st_mode & 0o77 == 0, "others may read it")


def queue_counts(a, b):
    """A queue's counters add up."""
    faulty(engines=1, rating=300)
    t = lab.Tunnel(a, b)
    check(not lab.ping(*t.inner, [10] * 40)[0], "pings")
    for way, spi in (("encrypt", t.out), ("decrypt", t.inn)):
        q = lab.kv("queues", engine="faulty0", queue=way)[0]
        s = lab.layer_sa(spi)
        check(q["packets"] == s["packets"] == q["submitted"] == q["completions"] == 40,
              "%r" % q)
        check(q["bytes"] == s["bytes"] and 0 < q["doorbells"] <= 40 and q["passes"], "%r" % q)
        check(0 < q["high_water"] <= 40 and not q["inflight"], "%r" % q)
        check(not q["waiting_high"] and not q["waiting_low"], "%r" % q)


def trace_on(on):
    lab.write(TRACE + "events/esp_ring/enable", "1" if on else "0")


def traced(fn):
    lab.write(TRACE + "trace", "")
    trace_on(True)
    try:
        fn()
    finally:
        trace_on(False)
    return [x for x in lab.read(TRACE + "trace").splitlines() if not x.startswith("#")]


def tracepoints(a, b):
    faulty(engines=1, rating=300)
    if not os.path.isdir(TRACE + "events/esp_ring"):
        return "no tracing of this module in this kernel"
    t = lab.Tunnel(a, b)
    lines = traced(lambda: check(not lab.ping(*t.inner, [10] * 5)[0], "pings"))
    for ev in ("esp_ring_submit", "esp_ring_complete"):
        for way, spi in (("encrypt", t.out), ("decrypt", t.inn)):
            n = sum(ev + ":" in x and "queue=%s" % way in x and "spi=0x%08x" % spi in x
                    for x in lines)
            check(n == 5, "%s %s: %d of 5: %s" % (ev, way, n, "\n".join(lines[:3])))

    def drop():
        fault("error", 1)
        lab.ping(*t.inner, [10], timeout=0.3)
    lines = traced(drop)
    check(sum("esp_ring_drop:" in x and "reason=engine" in x for x in lines) == 1,
          "no drop: %r" % lines)
    lines = traced(lambda: lab.rmmod("esp_ring_faulty"))
    got = [x for x in lines if "esp_ring_rebind:" in x and "from=faulty0" in x]
    check(len(got) == 2 and all("to=soft" in x for x in got), "%r" % lines)
    return None


def completion_cpus(a, b):
    faulty(engines=1, rating=300)
    if not os.path.isdir(TRACE + "events/esp_ring"):
        return "no tracing of this module in this kernel"
    t = lab.Tunnel(a, b)
    try:
        for cpu in (1, 0):
            lab.write(lab.PARAMS + "completion_cpus",
                      "faulty0.encrypt=%d,faulty0.decrypt=%d" % (cpu, 1 - cpu))
            lines = traced(lambda: check(not lab.ping(*t.inner, [10] * 20)[0], "pings"))
            for way, want in (("encrypt", cpu), ("decrypt", 1 - cpu)):
                at = [re.search(r"\[(\d+)\]", x).group(1) for x in lines
                      if "esp_ring_complete:" in x and "queue=" + way in x]
                check(len(at) == 20 and {int(x) for x in at} == {want},
                      "%s on CPUs %r, not %d" % (way, at, want))
            q = lab.kv("queues", engine="faulty0", queue="encrypt")[0]
            check(q["cpu"] == cpu, "%r" % q)
    finally:
        lab.write(lab.PARAMS + "completion_cpus", "\n")
    return None


def high_prio(a, b):
    """An urgent SA's pings pass another SA's bulk in a slow engine."""
    faulty(engines=1, rating=300, timeout_ms=20000)
    lab.write(lab.PARAMS + "high_prio", "reqid=7")
    fault("delay_us", 5000)
    try:
        low = lab.Tunnel(a, b, "gcm128", ("transport", 4, 4), reqid=1)
        high = lab.Tunnel(a, b, "gcm128", ("tunnel", 4, 4), reqid=7)
        check(lab.layer_sa(low.out)["prio"] == "low", "%r" % lab.layer_sa(low.out))
        check(lab.layer_sa(high.out)["prio"] == "high", "%r" % lab.layer_sa(high.out))
        x, y = lab.udp_pair(*low.inner)
        x.setsockopt(lab.socket.SOL_SOCKET, 32, 64 << 20)   # SO_SNDBUFFORCE
        for _ in range(300):
            x.send(b"x" * 1200)
        q = lab.kv("queues", engine="faulty0", queue="encrypt")[0]
        check(q["waiting_low"] > 100, "no bulk waits: %r" % q)
        start = time.monotonic()
        bad, _ = lab.ping(*high.inner, [10] * 5)
        took = time.monotonic() - start
        left = lab.kv("queues", engine="faulty0", queue="encrypt")[0]["waiting_low"]
        check(not bad, "urgent pings lost")
        check(left > 20, "all of the bulk was served before the urgent: %.2f s, %d left" % (
            took, left))
        fault("delay_us", 0)
        got = 0
        while select.select([y], [], [], 1)[0]:
            y.recv(2000)
            got += 1
        check(got == 300, "%d of the bulk arrived" % got)
        x.close()
        y.close()
    finally:
        fault("delay_us", 0)
        lab.write(lab.PARAMS + "high_prio", "\n")


def starved(a, b):
    """Much urgent traffic does not stop the other."""
    faulty(engines=1, rating=300, timeout_ms=20000)
    lab.write(lab.PARAMS + "high_prio", "reqid=7")
    fault("delay_us", 1000)
    try:
        low = lab.Tunnel(a, b, "gcm128", ("transport", 4, 4), reqid=1)
        high = lab.Tunnel(a, b, "gcm128", ("tunnel", 4, 4), reqid=7)
        x, y = lab.udp_pair(*high.inner)
        p, q = lab.udp_pair(*low.inner)
        x.setsockopt(lab.socket.SOL_SOCKET, 32, 64 << 20)   # SO_SNDBUFFORCE
        for n in range(350):
            x.send(b"x" * 1200)
            if n < 5:
                p.send(b"low")
        check(select.select([q], [], [], 3 * lab.SLOW)[0], "starved")
        waiting = lab.kv("queues", engine="faulty0", queue="encrypt")[0]["waiting_high"]
        check(waiting > 10, "the urgent ones were served first, all of them")
        for s in (x, y, p, q):
            s.close()
        lab.wait_for(lambda: not lab.kv("queues", engine="faulty0",
                                        queue="encrypt")[0]["waiting_high"], 5)
    finally:
        fault("delay_us", 0)
        lab.write(lab.PARAMS + "high_prio", "\n")


def overload(a, b):
    """A full queue drops, and counts what it drops; nothing overtakes."""
    faulty(engines=1, rating=300, timeout_ms=20000)
    fault("delay_us", 2000)
    old = lab.read(lab.PARAMS + "burst_bytes").strip()
    try:
        t = lab.Tunnel(a, b, window=128)
        x, y = lab.udp_pair(*t.inner)
        x.setsockopt(lab.socket.SOL_SOCKET, 32, 64 << 20)   # SO_SNDBUFFORCE
        for limit in (int(old), 65536):
            lab.write(lab.PARAMS + "burst_bytes", "%d" % limit)
            was = lab.layer_sa(t.out)
            n = limit // 1200 + 300
            for i in range(n):
                try:
                    x.send(struct.pack("!I", i) + b"x" * 1200)
                except OSError:
                    pass
            got = []
            while select.select([y], [], [], 2 * lab.SLOW)[0]:
                got.append(struct.unpack_from("!I", y.recv(2000))[0])
            now = lab.layer_sa(t.out)
            full = now["drop_full"] - was["drop_full"]
            check(full > 100, "drop_full=%d of %d" % (full, n))
            check(len(got) + full == n, "%d arrived, %d dropped of %d" % (len(got), full, n))
            check(got == sorted(got), "out of order")
            check(lab.drops(now) == now["drop_full"], "other drops: %r" % now)
            q = lab.kv("queues", engine="faulty0", queue="encrypt")[0]
            check(q["drop_full"] == now["drop_full"], "%r" % q)
        lab.note("%d packets, then %d in a queue" % (int(old) // 1230, 65536 // 1230))
        for s in (x, y):
            s.close()
    finally:
        lab.write(lab.PARAMS + "burst_bytes", old)
        fault("delay_us", 0)


def names_unique(_a, _b):
    """Registered twice: the second time is refused, nothing breaks."""
    faulty(engines=2)
    code, _ = lab.status("insmod %s/esp_ring_faulty.ko" % os.environ["MODULES"])
    check(code, "loaded twice")
    check(len(lab.kv("engines")) == 3, "%r" % lab.kv("engines"))


def soft_cpus(a, b):
    """The software engine's parameter cpus, changed under load."""
    t = lab.Tunnel(a, b, window=128)
    path = "/sys/module/esp_ring_soft/parameters/cpus"
    old = lab.read(path).strip()
    with lab.Load(t) as load:
        for text in ("0", "1", "0-1", "1") * 3:
            lab.write(path, text)
            check(lab.read(path).strip() == text, "reads %r" % lab.read(path))
            time.sleep(0.1)
    lab.write(path, old)
    load.lossless()
    try:
        lab.write(path, "99")
        check(False, "CPU 99 is taken")
    except OSError:
        pass


def cpu_offline(a, b):
    """A CPU goes and comes back under load.  It is the receiver's too, and takes
    with it what its gro_cells hold (gap_ms is then the time it took to go), so
    the order is judged on the wire, before any receiver."""
    path = "/sys/devices/system/cpu/cpu1/online"
    if not os.path.exists(path):
        return "CPUs cannot be taken offline"
    wire = lab.Wire()
    t = lab.Tunnel(a, b, window=128)
    t.ordered = False
    with lab.Load(t) as load:
        for _ in range(3):
            lab.write(path, "0")
            time.sleep(0.2)
            lab.write(path, "1")
            time.sleep(0.2)
    check(lab.read(path).strip() == "1", "CPU 1 does not come back")
    seen = wire.esp()
    wire.close()
    lab.increasing(seen, t.out, 101)
    # the NIC's own queues may lose some with their CPU; ours have none to lose
    d = [lab.layer_sa(s) for s in (t.out, t.inn)]
    check(not any(lab.drops(x) for x in d), "%r" % d)
    check(load.a["got"] > 100 and load.b["got"] > 100, "%r %r" % (load.a, load.b))
    check(not lab.ping(*t.inner, [10] * 3)[0], "pings afterwards")
    return None


def engines_anew():
    lab.rmmod("esp_ring_faulty")
    lab.load()


lab.run_on_hosts((
    ("least loaded", least_loaded),
    ("least loaded, by traffic", least_bytes),
    ("round robin", round_robin),
    ("rating", rated),
    ("bind", bound),
    ("debugfs", formats),
    ("counters of a queue", queue_counts),
    ("tracepoints", tracepoints),
    ("completion_cpus", completion_cpus),
    ("high_prio", high_prio),
    ("high_prio starves nobody", starved),
    ("overload", overload),
    ("a name twice", names_unique),
    ("esp_ring_soft cpus", soft_cpus),
    ("a CPU goes offline", cpu_offline),
), ("esp_ring_faulty", "esp_ring_soft", "esp_ring"), "v", before=engines_anew)
