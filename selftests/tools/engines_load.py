#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""What the layer promises of its engines, in numbers, under load: balance, an
engine that dies, priorities.

The engines are esp_ring_faulty's, which can be made slow, so that they and not
the CPUs are what is short.
"""
import random
import time

import esplab as lab
from esplab import check
from lanes import (Bulk, Lane, fault, fault_value, faulty, lane_addresses, ms, param,
                   quantile, round_trips)

LANES = 16
# of a debug kernel's CPU everything takes its share
RESUME_MS = 1000 if lab.SLOW == 1 else 1000 * lab.SLOW


# ---- balance ----

def engine_bytes():
    return {e["engine"]: e["bytes"] for e in lab.kv("engines") if e["engine"] != "soft"}


def idle_bytes():
    """When nobody sends: they have done all that they took"""
    check(lab.wait_for(lambda: not any(q["inflight"] for q in lab.kv("queues"))),
          "the engines do not come to an end: %r" % lab.kv("queues"))
    return engine_bytes()


def balanced(what, bulk, rounds):
    """Two engines do the same number of bytes, within 10 %, while each SA is sent the same"""
    bulk.rest()
    was = idle_bytes()
    bulk.go()
    bulk.rest(rounds - 1)
    got = {k: v - was[k] for k, v in idle_bytes().items()}
    bulk.go()
    x, y = got["faulty0"], got["faulty1"]
    lab.note("%s: %.2f and %.2f Mbyte, %.1f %%; SAs out, in and drops: %s" % (
        what, x / 1e6, y / 1e6, 100 * abs(x - y) / max(x, y), ", ".join(
            "%d %d" % (q["sas"], lab.drops(q)) for q in lab.kv("queues")
            if q["engine"] != "soft")))
    check(min(x, y) > 100000, "%s: hardly any traffic: %r" % (what, got))
    check(abs(x - y) <= 0.1 * max(x, y), "%s: %r" % (what, got))


def pairs():
    return [("10.9.20.%d" % (i + 1), "10.9.21.%d" % (i + 1)) for i in range(LANES)]


def balance(delay_us=0, rate=0, burst=1):
    """16 equal SAs that come one by one while the others are loaded; then some go and
    others come."""
    rounds = max(4, 2 * rate // (LANES * burst * lab.SLOW))

    def test(a, b):
        faulty(engines=2, rating=300, inflight=16384, timeout_ms=20000)
        for n in range(2):
            fault("delay_us", delay_us, n)
        lane_addresses(LANES)
        rng = random.Random(5)
        try:
            with Bulk(pairs(), rate=rate // lab.SLOW, burst=burst) as bulk:
                lanes = {}
                for i in range(LANES):
                    lanes[i] = Lane(a, b, i)
                    time.sleep(0.05)
                balanced("one by one", bulk, rounds)
                for _ in range(3):
                    gone = rng.sample(sorted(lanes), LANES // 2)
                    for i in gone:
                        lanes.pop(i).delete()
                    for i in gone:
                        lanes[i] = Lane(a, b, i)
                        time.sleep(0.02)
                balanced("half of them renewed, three times", bulk, rounds)
        finally:
            for n in range(2):
                fault("delay_us", 0, n)
    return test


# ---- an engine dies ----

def dies(how, to, engines=2, alone=False, silent=False):
    """The engine of a loaded tunnel dies.  to: where its SAs go on."""
    def test(a, b):
        with param("bind", "*=faulty0" if alone else "\n"):
            # as long as it is by default; a debug kernel's CPUs may be busy for longer,
            # and an engine that is only slow would have died before
            faulty(engines=engines, rating=300, inflight=32768, timeout_ms=500 * lab.SLOW)
            lane_addresses(1)
            t = Lane(a, b, 0)
            check([lab.layer_sa(s)["engine"] for s in (t.out, t.inn)] == ["faulty0"] * 2,
                  "not on faulty0")
            # so that it holds several, and less than it could do
            fault("delay_us", 1500)
            with lab.Load(t, 400 // lab.SLOW, 300) as load:
                time.sleep(0.3)
                if to != "faulty0":
                    fault("fail_start", 1)
                fault("hang", 1)
                fault("delay_us", 0)
                if not silent:
                    lab.wait_for(lambda: fault_value("held") >= 20)
                    fault("fail", 1)
                check(lab.wait_for(lambda: lab.kv("engines", engine="faulty0")[0]
                                   ["failures"] == 1, 5, 0.01), "%s: not noticed" % how)
                check(lab.wait_for(lambda: lab.layer_sa(t.out)["engine"] == to),
                      "on %s" % lab.layer_sa(t.out)["engine"])
                time.sleep(0.7)
            held = fault_value("lost")
            gone = [lab.layer_sa(s) for s in (t.out, t.inn)]
            dropped = sum(d["drop_engine"] for d in gone)
            lost = load.a["lost"] + load.b["lost"]
            gap = max(load.a["gap_ms"], load.b["gap_ms"])
            lab.note("%s: held %d, dropped %d, lost %d of %d; silence %d ms" % (
                how, held, dropped, lost, load.a["sent"] + load.b["sent"], gap))
            check(held >= 10, "it held only %d: no test" % held)
            check(lost <= held, "%d lost, it held %d" % (lost, held))
            check(dropped == held, "dropped %d, it held %d" % (dropped, held))
            check(lost == sum(lab.drops(d) for d in gone), "%d lost: %r" % (lost, gone))
            check(not load.a["late"] and not load.b["late"],
                  "out of order: %r %r" % (load.a, load.b))
            check(gap <= RESUME_MS, "silence for %d ms" % gap)
            check(not lab.ping(*t.inner, [40, 1000])[0], "nothing goes on")
    return test


# ---- priorities ----

def urgent(a, b, engine, bulk, limit, pings, setup=None):
    """Round trips of an urgent SA, alone and beside bulk in another one."""
    with param("high_prio", "reqid=101"):
        lane_addresses(2)
        low, high = Lane(a, b, 0), Lane(a, b, 1)
        got = [lab.layer_sa(s)["prio"] for s in (low.out, low.inn, high.out, high.inn)]
        check(got == ["low", "low", "high", "high"], "%r" % got)
        if setup:
            setup()
        round_trips(*high.inner, 20)
        idle, lost = round_trips(*high.inner, pings)
        check(not lost, "%d lost without load" % lost)
        was = {q["queue"]: q for q in lab.kv("queues", engine=engine)}
        with bulk(low):
            time.sleep(0.5)
            busy, lost = round_trips(*high.inner, pings)
            q = {q["queue"]: q for q in lab.kv("queues", engine=engine)}
        waits = {k: q[k]["waiting_low"] for k in q}
        done = {k: q[k]["packets"] - was[k]["packets"] for k in q}
        lab.note("beside %r packets, of which %r wait (limits %r): %d lost" % (
            done, waits, {k: q[k]["limit_bytes"] for k in q}, lost))
        for name, p in (("median", 0.5), ("p95", 0.95)):
            x, y = quantile(idle, p), quantile(busy, p)
            lab.note("%s: %s alone, %s beside bulk: %.2f" % (name, ms(x), ms(y), y / x))
        check(not lost, "%d urgent pings lost" % lost)
        check(sum(waits.values()) > 50, "the engine is not saturated: %r" % waits)
        for name, p in (("median", 0.5), ("p95", 0.95)):
            x, y = quantile(idle, p), quantile(busy, p)
            check(y <= limit * x, "%s: %s alone, %s beside bulk" % (name, ms(x), ms(y)))


def urgent_out(a, b):
    faulty(engines=1, rating=300, timeout_ms=20000)
    urgent(a, b, "faulty0", lambda t: Bulk([t.inner], rate=1600 // lab.SLOW), 2, 300,
           lambda: fault("delay_us", 1000 * lab.SLOW))


def urgent_in(a, b):
    faulty(engines=1, rating=300, timeout_ms=20000)
    urgent(a, b, "faulty0", lambda t: Bulk([t.inner[::-1]], rate=1600 // lab.SLOW,
                                           ns_src=lab.PEER, ns_dst=None), 2, 300,
           lambda: fault("delay_us", 1000 * lab.SLOW))


def engines_anew():
    lab.rmmod("esp_ring_faulty")
    lab.load()


lab.run_on_hosts((
    ("balance: 16 SAs, nothing is short", balance(rate=1600)),
    ("balance: 16 SAs, the traffic comes in bursts", balance(500, 2400, 40)),
    ("balance: 16 SAs, the engines are short", balance(2000, 2400)),
    ("an engine dies: says so, SAs go to another",
     dies("says so", "faulty1")),
    ("an engine dies: falls silent, SAs go to another",
     dies("silent", "faulty1", silent=True)),
    ("an engine dies: falls silent, is restarted",
     dies("silent, restarted", "faulty0", silent=True)),
    ("an engine dies: falls silent, SAs run in software",
     dies("silent, alone", "software", 1, alone=True, silent=True)),
    ("urgent round trip beside outbound bulk", urgent_out),
    ("urgent round trip beside inbound bulk", urgent_in),
), ("esp_ring_faulty", "esp_ring_soft", "esp_ring"), "v", before=engines_anew)
