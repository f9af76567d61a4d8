# SPDX-License-Identifier: GPL-2.0-only
"""An engine that fails in every way esp_ring_faulty can, while packets flow."""
import time

import esplab as lab
from esplab import check
from faults_lab import alive, layer_drops, lost
from lanes import Lane, fault, fault_value, faulty, lane_addresses


def engine(name="faulty0"):
    got = lab.kv("engines", engine=name)
    return got[0] if got else None


def spurious(name="faulty0"):
    return sum(q["spurious"] for q in lab.kv("queues", engine=name))


def with_faulty(fn, alg="gcm128", shape=("tunnel", 4, 4), alone=False, count=True,
                **args):
    """fn(t) under load with SAs on faulty0; no other engine is a choice if alone"""
    def test(a, b):
        for m in ("esp_ring_faulty", "esp_ring_soft"):
            lab.rmmod(m)
        # its functions are needed, but its engine need not be a choice
        lab.insmod("esp_ring_soft")
        lab.write(lab.PARAMS + "bind", "*=faulty0" if alone else "\n")
        lab.insmod("esp_ring_faulty", " ".join("%s=%s" % i for i in args.items()))
        t = lab.Tunnel(a, b, alg, shape, window=256)
        try:
            check(lab.layer_sa(t.out)["engine"] == "faulty0", "not on the faulty engine")
            with lab.Load(t) as load:
                fn(t)
                time.sleep(0.3)
            alive(t, "the fault")
            if count:
                lost_is_counted(t, load)
        finally:
            a.flush()
            b.flush()
            secs = lab.rmmod("esp_ring_faulty", 20)
            check(secs < 10 * lab.SLOW, "rmmod took %.1f s" % secs)
            lab.write(lab.PARAMS + "bind", "\n")
    return test


def lost_is_counted(t, load):
    """What did not arrive is in a counter: the layer's, or the receiver's."""
    counted = layer_drops(t) + sum(
        v for d in (t.a.sas(), t.b.sas()) for s in d.values()
        for v in (s["failed"], s["replay"], s["late"]))
    check(lost(load) <= counted, "%d lost, %d counted: %r %r" % (
        lost(load), counted, load.a, load.b))


def f_twice(t):
    fault("twice", 10)
    check(lab.wait_for(lambda: not fault_value("twice")), "did not happen")
    check(lab.wait_for(lambda: spurious() == 1), "spurious=%d" % spurious())
    check(engine()["failures"] == 0, "%r" % engine())
    check(not layer_drops(t), "drops: %d" % layer_drops(t))


def f_error(t):
    fault("error", 10)
    check(lab.wait_for(lambda: not fault_value("error")), "did not happen")
    check(lab.wait_for(lambda: sum(lab.layer_sa(s)["drop_engine"]
                                   for s in (t.out, t.inn)) == 1), "not counted")
    check(engine()["failures"] == 0 and engine()["state"] == "running", "%r" % engine())


def f_busy(t):
    for _ in range(5):
        fault("busy", 3)
        check(lab.wait_for(lambda: not fault_value("busy")), "did not happen")
    busy = sum(q["busy"] for q in lab.kv("queues", engine="faulty0"))
    check(busy == 5, "busy=%d" % busy)
    check(not layer_drops(t), "drops: %d" % layer_drops(t))


def f_corrupt(t):
    """A spoilt ICV is the receiver's to find; ours inbound is the layer's."""
    before = lab.xfrm_stat(), lab.xfrm_stat(lab.PEER)
    for _ in range(6):
        fault("corrupt", 3)
        check(lab.wait_for(lambda: not fault_value("corrupt")), "did not happen")
    time.sleep(0.3 * lab.SLOW)
    here = lab.layer_sa(t.inn)["drop_icv"]
    there = t.b.sas()[t.out]["failed"]
    check(here + there == 6, "%d inbound, %d outbound of 6" % (here, there))
    check(t.a.sas()[t.inn]["failed"] == here, "the SA counts %d of %d" % (
        t.a.sas()[t.inn]["failed"], here))
    for old, ns, n in ((before[0], None, here), (before[1], lab.PEER, there)):
        got = lab.stat_diff(old, ns).get("XfrmInStateProtoError", 0)
        check(got == n, "XfrmInStateProtoError: %d of %d" % (got, n))


def recovered(t, failures=1, name="faulty0"):
    check(lab.wait_for(lambda: engine(name)["failures"] == failures, 10),
          "not noticed: %r" % engine(name))
    was = lab.layer_sa(t.out)["packets"]
    check(lab.wait_for(lambda: lab.layer_sa(t.out)["packets"] > was + 5, 10),
          "nothing goes on: %r" % lab.layer_sa(t.out))


def f_drop(t):
    fault("drop", 10)
    recovered(t)
    check(engine()["state"] == "running", "%r" % engine())
    check(lab.layer_sa(t.out)["engine"] == "faulty0", "it left a restarted engine")
    check(sum(lab.layer_sa(s)["drop_engine"] for s in (t.out, t.inn)) > 0, "not counted")


def f_late(t):
    """The answer comes when the packet has long been given up."""
    fault("late", 10)
    recovered(t)
    check(lab.wait_for(lambda: spurious() >= 1), "the late answer was taken for another")


def f_hang(t):
    fault("hang", 1)
    recovered(t)
    check(engine()["state"] == "running", "%r" % engine())


def f_fail(t):
    fault("fail", 1)
    recovered(t)
    check(engine()["state"] == "running", "%r" % engine())


def f_dead(t):
    """It cannot be restarted: its SAs go to the other engine."""
    fault("fail_start", 1)
    fault("hang", 1)
    recovered(t)
    check(engine()["state"] == "failed", "%r" % engine())
    check(lab.layer_sa(t.out)["engine"] == "soft", "%r" % lab.layer_sa(t.out))
    check(lab.layer_sa(t.inn)["engine"] == "soft", "%r" % lab.layer_sa(t.inn))
    check(engine()["sas"] == 0, "%r" % engine())


def f_dead_alone(t):
    """The same with no other engine: software."""
    fault("fail_start", 1)
    fault("fail", 1)
    check(lab.wait_for(lambda: lab.layer_sa(t.out)["engine"] == "software", 10),
          "%r" % lab.layer_sa(t.out))
    was = lab.layer_sa(t.out)["software"]
    check(lab.wait_for(lambda: lab.layer_sa(t.out)["software"] > was + 5), "no packets")


def f_often(t):
    """The fourth failure within a minute ends it."""
    for n in range(1, 4):
        fault("fail", 1)
        recovered(t, n)
        check(engine()["state"] == "running", "%r" % engine())
    fault("fail", 1)
    recovered(t, 4)
    check(lab.wait_for(lambda: engine()["state"] == "failed"), "%r" % engine())
    check(lab.layer_sa(t.out)["engine"] == "soft", "%r" % lab.layer_sa(t.out))


def f_rmmod_hanging(t):
    """Removed while it holds packets that never come: bounded."""
    fault("hang", 1)
    time.sleep(0.2)
    secs = lab.rmmod("esp_ring_faulty", 20)
    check(secs < 8 * lab.SLOW, "took %.1f s" % secs)
    check(lab.layer_sa(t.out)["engine"] == "soft", "%r" % lab.layer_sa(t.out))


def f_rmmod_slow(t):
    """Removed with a queue of packets in it and before it: they go on in the
    other engine, in order, and none is lost."""
    fault("delay_us", 3000)
    time.sleep(0.3)
    lab.rmmod("esp_ring_faulty", 20)
    check(lab.layer_sa(t.out)["engine"] == "soft", "%r" % lab.layer_sa(t.out))
    check(not layer_drops(t), "dropped: %r" % lab.layer_sa(t.out))


def f_sa_gone_hanging(t):
    """SAs are deleted while the engine holds their packets."""
    fault("hang", 1)
    time.sleep(0.3)
    for _ in range(3):
        t.del_sas(t.out, t.inn)
        t.new_sas()
    check(lab.wait_for(lambda: engine()["failures"] == 1, 10), "%r" % engine())
    check(lab.wait_for(lambda: engine()["sas"] == 2, 10), "%r" % engine())


def refused_late():
    """Answers that came for a packet that was given up, by the engine's own word"""
    log = lab.sh("dmesg")
    check("a late answer was taken" not in log, "a late answer was taken")
    return log.count("a late answer was refused")


def f_delay(t):
    """Slow is not broken, and each packet takes what it takes."""
    fault("delay_us", 20000)
    time.sleep(0.1)
    start = time.monotonic()
    check(not lab.ping(*t.inner, [10])[0], "no answer")
    took = time.monotonic() - start
    check(took >= 0.04, "a round trip took %.3f s" % took)
    fault("delay_us", 0)
    check(lab.wait_for(lambda: not fault_value("held")), "it holds %d" % fault_value("held"))
    check(engine()["failures"] == 0 and not layer_drops(t), "%r" % engine())


def f_late_dead(t):
    """The answer comes when engine has been given up and its SAs are elsewhere."""
    was = refused_late()
    fault("fail_start", 1)
    fault("late", 10)
    recovered(t)
    check(lab.layer_sa(t.out)["engine"] == "soft", "%r" % lab.layer_sa(t.out))
    check(lab.wait_for(lambda: refused_late() == was + 1), "no late answer")
    check(spurious() == 1, "spurious=%d" % spurious())


def f_late_removed(t):
    """The answer comes when the engine is being removed and its first SA is gone."""
    was = refused_late()
    fault("late", 5)
    check(lab.wait_for(lambda: not fault_value("late")), "did not happen")
    lab.rmmod("esp_ring_faulty", 20)
    check(refused_late() == was + 1, "no late answer")
    check(lab.layer_sa(t.out)["engine"] == "soft", "%r" % lab.layer_sa(t.out))


def f_late_deleted(t):
    """The answer comes when the packet's SA has been deleted."""
    was = refused_late()
    fault("late", 5)
    check(lab.wait_for(lambda: not fault_value("late")), "did not happen")
    t.del_sas(t.out, t.inn)
    t.new_sas()
    check(lab.wait_for(lambda: refused_late() == was + 1, 10), "no late answer")
    check(lab.wait_for(lambda: engine()["sas"] == 2, 10), "%r" % engine())


def reordered(command):
    """Answers in another order than that of submission: each SA keeps its own."""
    def test(a, b):
        lab.rmmod("esp_ring_faulty")
        # it waits for a dozen, and is not to die of having to
        faulty(rating=300, inflight=65536, timeout_ms=20000)
        lane_addresses(4)
        try:
            ts = [Lane(a, b, i) for i in range(4)]
            check({d["engine"] for d in lab.kv("sas")} == {"faulty0"}, "%r" % lab.kv("sas"))
            rate = 120 // lab.SLOW
            flows = [lab.Flow(*t.inner, rate=rate) for t in ts[:3]]
            flows += [lab.Flow(*t.inner[::-1], lab.PEER, None, rate) for t in ts[2:]]
            fault(command, 12)
            time.sleep(2)
            fault(command, 0)
            for f in flows:
                got = f.stop()
                check(not got["lost"] and not got["late"] and not got["dup"] and
                      not got["bad"], "%r" % got)
                check(got["got"] > 50, "%r" % got)
            n = fault_value("reordered")
            check(n > 50, "only %d answers came before older ones" % n)
            lab.note("%d answers came before older ones" % n)
            check(engine()["failures"] == 0, "%r" % engine())
            for s in b.sas().values():
                check(not s["late"] and not s["replay"], "the peer found %r" % s)
        finally:
            a.flush()
            b.flush()
            lab.rmmod("esp_ring_faulty")
    return test


def refuses_sas(a, b):
    """An engine that refuses an SA: the next one gets it, or software."""
    lab.rmmod("esp_ring_faulty")
    lab.insmod("esp_ring_faulty", "engines=1")
    try:
        fault("fail_sa", 1)
        t = lab.Tunnel(a, b)
        check(lab.layer_sa(t.out)["engine"] == "soft", "%r" % lab.layer_sa(t.out))
        alive(t, "a refusal")
        a.flush()
        b.flush()
        lab.write(lab.PARAMS + "bind", "va=faulty0")
        t = lab.Tunnel(a, b)
        check(t.offloaded() == (False, False), "offloaded")
        if lab.KVER >= (6, 3):
            check("refuse" in "".join(t.warnings), "the reason is not told: %r" % t.warnings)
        alive(t, "a refusal")
    finally:
        a.flush()
        b.flush()
        lab.write(lab.PARAMS + "bind", "\n")
        lab.rmmod("esp_ring_faulty")


TESTS = [
    ("a completion comes twice", with_faulty(f_twice)),
    ("a packet fails", with_faulty(f_error)),
    ("engine busy", with_faulty(f_busy)),
    ("ICVs spoilt", with_faulty(f_corrupt)),
    ("a completion never comes", with_faulty(f_drop, timeout_ms=500)),
    ("a completion comes after it was given up", with_faulty(f_late, timeout_ms=500)),
    ("a completion comes when its engine has been given up",
     with_faulty(f_late_dead, timeout_ms=500)),
    ("a completion comes when its engine is removed",
     with_faulty(f_late_removed, timeout_ms=500)),
    ("a completion comes when its SA is deleted",
     with_faulty(f_late_deleted, count=False, timeout_ms=500)),
    ("answers SA by SA", reordered("reorder")),
    ("answers in reverse order", reordered("reverse")),
    ("engine slow", with_faulty(f_delay, timeout_ms=5000)),
    ("engine hangs", with_faulty(f_hang, "cbc128-sha1", ("transport", 6, 6),
                                 timeout_ms=500)),
    ("engine says that it has failed", with_faulty(f_fail)),
    ("engine does not start again", with_faulty(f_dead, timeout_ms=500)),
    ("engine does not start again and is the only one",
     with_faulty(f_dead_alone, alone=True)),
    ("engine fails too often", with_faulty(f_often)),
    ("hanging engine removed", with_faulty(f_rmmod_hanging)),
    ("slow engine removed", with_faulty(f_rmmod_slow)),
    ("SAs deleted in a hanging engine", with_faulty(
        f_sa_gone_hanging, count=False, timeout_ms=1500)),
    ("engine refuses SAs", refuses_sas),
]
