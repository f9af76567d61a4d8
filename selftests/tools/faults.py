#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Faults under load: engines, SAs, links and devices go away while packets flow.

    faults.py removal|devices|engines [pattern]

After each: traffic goes on, or stops cleanly; what is lost is counted; nothing
is doubled, damaged or out of order.
"""
import os
import sys
import threading
import time

import esplab as lab
import xfrmnl
from esplab import check


def layer_drops(t):
    return sum(lab.drops(d) for d in (lab.layer_sa(t.out), lab.layer_sa(t.inn)) if d)


def lost(load):
    return load.a["lost"] + load.b["lost"]


def alive(t, what):
    bad, _ = lab.ping(*t.inner, [40, 1000, 0])
    check(not bad, "no traffic after %s" % what)


def check_ivs(t, wire, also=()):
    """No IV twice, and numbers in order, over everything that was sent."""
    seen = wire.esp()
    for spi in (t.out,) + tuple(also):
        mine = [p for p in seen if p[0] == spi]
        check(len(mine) > 20, "only %d packets seen" % len(mine))
        ivs = [p[2][:8] for p in mine]
        check(len(set(ivs)) == len(ivs), "an IV came twice on SA 0x%x" % spi)
        seqs = [p[1] for p in mine]
        wrong = [(x, y) for x, y in zip(seqs, seqs[1:]) if x >= y]
        check(not wrong, "sequence numbers go back: %r" % wrong[:5])


# ---- the engine goes, the module goes ----

def engine_removed(a, b):
    """rmmod and insmod of the only engine: software meanwhile, losses counted."""
    wire = lab.Wire()
    for alg, shape in (("gcm128", ("tunnel", 4, 4)), ("ctr128-sha1", ("transport", 6, 6))):
        a.flush()
        b.flush()
        wire.frames()
        t = lab.Tunnel(a, b, alg, shape, window=128)
        with lab.Load(t) as load:
            for _ in range(3):
                secs = lab.rmmod("esp_ring_soft")
                check(secs < 5 * lab.SLOW, "rmmod of the engine took %.1f s" % secs)
                check(lab.layer_sa(t.out)["engine"] == "software", "still on an engine")
                was = lab.layer_sa(t.out)["software"]
                check(lab.wait_for(lambda w=was: lab.layer_sa(t.out)["software"] > w + 5),
                      "nothing runs in software")
                lab.insmod("esp_ring_soft")
                was = lab.layer_sa(t.out)["packets"]
                check(lab.layer_sa(t.inn)["engine"] == "soft", "the SA is not taken back")
                check(lab.wait_for(lambda w=was: lab.layer_sa(t.out)["packets"] > w + 5),
                      "nothing runs in the engine that came back: %r %r %r" % (
                          lab.layer_sa(t.out), lab.kv("queues"), lab.kv("engines")))
        check(lost(load) <= layer_drops(t), "%d lost, %d counted" % (
            lost(load), layer_drops(t)))
        check(load.a["got"] > 100, "%r" % load.a)
        o = lab.layer_sa(t.out)
        check(o["rebinds"] == 6, "rebinds=%d" % o["rebinds"])
        alive(t, "the engine came back")
        o = lab.layer_sa(t.out)
        check(a.sas()[t.out]["packets"] == o["packets"] + o["software"] + lab.drops(o),
              "the kernel counts %d, the layer %r" % (a.sas()[t.out]["packets"], o))
        check_ivs(t, wire)
    wire.close()


def engine_removed_bulk(a, b):
    """The same under TCP that keeps the queues full."""
    t = lab.Tunnel(a, b, "gcm128", ("tunnel", 4, 4), pair="e", esn=True, window=1024)
    stop = []

    def toggle():
        while not stop:
            lab.status("rmmod esp_ring_soft")
            time.sleep(0.1)
            lab.insmod("esp_ring_soft")
            time.sleep(0.3)

    th = threading.Thread(target=toggle)
    th.start()
    try:
        for n in range(15):
            lab.tcp_both(*t.inner, 1500000 // lab.SLOW, timeout=60)
            # an engine may take longer to probe than such a transfer
            if n >= 2 and lab.layer_sa(t.out)["rebinds"] >= 4:
                break
    finally:
        stop.append(1)
        th.join()
    check(lab.layer_sa(t.out)["rebinds"] >= 4, "%r" % lab.layer_sa(t.out))
    alive(t, "it")


def unload_refused(a, b):
    """rmmod of the layer: EBUSY with SAs, and soon after they are flushed."""
    t = lab.Tunnel(a, b, "gcm128", ("tunnel", 4, 4))
    with lab.Load(t) as load:
        code, text = lab.status("rmmod esp_ring")
        check(code and "in use" in text, "with engine and SAs: %d %s" % (code, text))
        lab.rmmod("esp_ring_soft")
        code, text = lab.status("rmmod esp_ring")
        check(code and "in use" in text, "with SAs: %d %s" % (code, text))
    check(lost(load) <= layer_drops(t), "%r %r" % (load.a, load.b))
    a.flush()
    b.flush()
    lab.note("rmmod esp_ring: %.1f s after the flush" % lab.rmmod("esp_ring", 30))
    features = lab.sh("ethtool -k va | grep esp-hw-offload; ethtool -k ea | grep esp-hw-offload")
    check(" on" not in features, features)
    # and what it was loaded for works without it
    t = lab.Tunnel(a, b, "gcm128", ("tunnel", 4, 4))
    check(t.offloaded() == (False, False), "offloaded by whom?")
    alive(t, "unloading")
    lab.load()


def unload_under_load(a, b):
    """SAs are flushed while packets flow; the module goes at once or says EBUSY,
    for a bounded time."""
    t = lab.Tunnel(a, b, "cbc128-sha1", ("transport", 4, 4))
    with lab.Load(t):
        a.flush()
        lab.rmmod("esp_ring_soft", 60)
        lab.note("rmmod esp_ring: %.1f s" % lab.rmmod("esp_ring", 60))
    lab.load()


# ---- SAs go ----

def sa_deleted(a, b):
    """Both SAs go and come again ten times: it stops and goes on, and the flow
    that stops says why."""
    t = lab.Tunnel(a, b, "gcm128", ("tunnel", 4, 4))
    with lab.Load(t) as load:
        for _ in range(10):
            t.del_sas(t.out, t.inn)
            time.sleep(0.05)
            t.new_sas()
            time.sleep(0.15)
    check(load.a["got"] > 20 and load.b["got"] > 20, "%r %r" % (load.a, load.b))
    alive(t, "deleting SAs")
    check(len(lab.kv("sas")) == 2, "SAs left in the layer: %r" % lab.kv("sas"))


def flushed(a, b):
    t = lab.Tunnel(a, b, "cbc128-sha1", ("transport", 6, 6))
    with lab.Load(t):
        for _ in range(5):
            for x in (a, b):
                x.request(xfrmnl.FLUSHSA, b"\0\0\0\0")
            time.sleep(0.1)
            t.new_sas()
            time.sleep(0.1)
    alive(t, "flushing")
    a.flush()
    check(lab.wait_for(lambda: not lab.kv("sas") and
                       all(not e["sas"] for e in lab.kv("engines")), 20),
          "left behind: %r %r" % (lab.kv("sas"), lab.kv("engines")))


# ---- devices go ----

def link_down(a, b):
    """The kernel deletes the SAs of a device that goes down.  It comes up again
    with its feature, and with new SAs traffic goes on."""
    t = lab.Tunnel(a, b, "gcm128", ("tunnel", 4, 4))
    with lab.Load(t):
        lab.sh("ip link set va down")
        check(not a.sas(), "SAs are still there: %r" % a.sas())
        time.sleep(0.2)
    check(lab.wait_for(lambda: not lab.kv("sas"), 20), "left in the layer")
    lab.hosts_up("v")
    b.flush()
    a.flush()
    check("esp-hw-offload: on" in lab.sh("ethtool -k va"), "the feature is off")
    t = lab.Tunnel(a, b, "gcm128", ("tunnel", 4, 4))
    check(t.offloaded() == (True, True), "not offloaded")
    alive(t, "link up")


class Veth:
    """A pair of devices of one kind between A (or another name space) and the
    peer; .dev is on A's side."""

    def __init__(self, kind, net=200):
        self.kind, self.net = kind, net
        self.dev, self.far = "x%s" % kind[:3], "y%s" % kind[:3]
        low, far_low = "va", "vb"
        if kind == "veth":
            lab.sh("ip link add %s type veth peer name %s netns peer" % (self.dev, self.far))
        elif kind == "vlan":
            lab.sh("ip link add link %s name %s type vlan id 77" % (low, self.dev))
            lab.sh("ip -n peer link add link %s name %s type vlan id 77" % (
                far_low, self.far))
        elif kind == "macvlan":
            lab.sh("ip link add link ea name %s type macvlan mode bridge" % self.dev)
            lab.sh("ip -n peer link add link eb name %s type macvlan mode bridge" % self.far)
        elif kind == "bridge":
            lab.sh("ip link add %s type bridge" % self.dev)
            lab.sh("ip link add xbrp type veth peer name ybrp netns peer")
            lab.ip_batch(["link set xbrp master %s up" % self.dev])
            self.far = "ybrp"
        self.a, self.b = "10.9.%d.1" % net, "10.9.%d.2" % net
        lab.ip_batch(["addr add %s/24 dev %s" % (self.a, self.dev),
                      "link set %s up" % self.dev])
        lab.ip_batch(["addr add %s/24 dev %s" % (self.b, self.far),
                      "link set %s up" % self.far], lab.PEER)
        self.neigh()

    def neigh(self):
        # as elsewhere: what is counted or blocked shall not depend on ARP
        lab.ip_batch(["neigh replace %s lladdr %s dev %s nud permanent" % (
            self.b, lab.mac(self.far, lab.PEER), self.dev)])
        lab.ip_batch(["neigh replace %s lladdr %s dev %s nud permanent" % (
            self.a, lab.mac(self.dev), self.far)], lab.PEER)

    def tunnel(self, a, b, **args):
        return DevTunnel(a, b, self, **args)

    def delete(self):
        lab.status("ip link del %s" % self.dev)
        lab.status("ip -n peer link del %s" % self.far)
        lab.status("ip link del xbrp")


class DevTunnel(lab.Tunnel):
    """Transport mode between the addresses of a Veth"""

    def __init__(self, a, b, veth, **args):
        self.veth = veth
        old = lab.OUTER[0]
        lab.OUTER[0] = lambda fam, pair="v": (veth.a, veth.b)
        try:
            super().__init__(a, b, args.pop("alg", "gcm128"), ("transport", 4, 4),
                             dev=veth.dev, **args)
        finally:
            lab.OUTER[0] = old


def device_removed(kind):
    def test(a, b):
        for _ in range(2):
            v = Veth(kind)
            try:
                check(lab.kv("ports", port=v.dev), "%s is no port" % v.dev)
                t = v.tunnel(a, b)
                check(t.offloaded() == (True, True), "not offloaded: %r" % t.warnings)
                with lab.Load(t) as load:
                    start = time.monotonic()
                    lab.sh("ip link del %s" % v.dev)
                    took = time.monotonic() - start
                check(took < 3 * lab.SLOW, "deleting the device took %.1f s" % took)
                check(load.a["got"] > 10 and load.b["got"] > 10, "%r %r" % (load.a, load.b))
                check(not a.sas(), "SAs outlive the device")
                check(not lab.kv("ports", port=v.dev), "the port is still there")
                check(lab.wait_for(lambda: not lab.kv("sas"), 20), "SAs in the layer")
            finally:
                v.delete()
                b.flush()
                a.flush()
    return test


def feature_off_then_removed(a, b):
    """With the feature off the device's SAs go with it all the same."""
    v = Veth("veth")
    try:
        t = v.tunnel(a, b)
        lab.sh("ethtool -K %s esp-hw-offload off" % v.dev)
        alive(t, "the feature went off")
        check(t.offloaded() == (True, True), "an SA that was there is not offloaded")
        with lab.Load(t):
            lab.sh("ip link del %s" % v.dev)
        check(not a.sas(), "SAs outlive the device")
        check(lab.wait_for(lambda: not lab.kv("sas"), 20), "SAs in the layer")
    finally:
        v.delete()


def netns_destroyed(a, b):
    """A whole name space with a port and SAs under load."""
    lab.sh("ip netns add third; ip -n third link set lo up")
    try:
        v = Veth("veth", 201)
        lab.sh("ip link set %s netns third" % v.dev)
        port = lab.wait_for(lambda: lab.kv("ports", port=v.dev))
        check(port, "no port after the move")
        lab.ip_batch(["addr add %s/24 dev %s" % (v.a, v.dev), "link set %s up" % v.dev,
                      "neigh replace %s lladdr %s dev %s nud permanent" % (
                          v.b, lab.mac(v.far, lab.PEER), v.dev)], "third")
        c = xfrmnl.Xfrm("third")
        with lab.Ns("third"):
            t = v.tunnel(c, b)
        check(t.offloaded() == (True, True), "not offloaded in the other name space")
        bad, _ = lab.ping(v.a, v.b, [10] * 5, "third")
        check(not bad, "no ping from the other name space")
        fa = lab.Flow(v.a, v.b, "third", lab.PEER)
        fb = lab.Flow(v.b, v.a, lab.PEER, "third")
        time.sleep(0.4)
        # the flows' sockets keep a name space alive: it dies with its devices
        # in it only when they are closed
        c.s.close()
        lab.sh("ip netns del third")
        ra, rb = fa.stop(), fb.stop()
        check(ra["got"] > 10 and rb["got"] > 10, "%r %r" % (ra, rb))
        check(lab.wait_for(lambda: not lab.kv("ports", port=v.dev), 30),
              "the port outlives its name space")
        check(lab.wait_for(lambda: not lab.kv("sas"), 30), "SAs in the layer")
    finally:
        lab.status("ip netns del third")
        lab.status("ip -n peer link del yvet")


def netns_move(a, b):
    """A port with live SAs moves to another name space: its SAs are deleted,
    and it is a port there."""
    lab.sh("ip netns add third")
    v = Veth("veth", 202)
    try:
        t = v.tunnel(a, b)
        with lab.Load(t) as load:
            start = time.monotonic()
            lab.sh("ip link set %s netns third" % v.dev)
            took = time.monotonic() - start
        check(load.a["got"] > 10, "%r" % load.a)
        check(took < 3 * lab.SLOW, "moving took %.1f s" % took)
        check(not a.sas(), "SAs outlive the move")
        port = lab.kv("ports", port=v.dev)
        check(port and port[0]["netns"] != os.stat("/proc/self/ns/net").st_ino and
              port[0]["feature"] == "on", "%r" % port)
        check("esp-hw-offload: on" in lab.sh("ethtool -k %s" % v.dev, ns="third"),
              "the feature is off there")
        check(lab.wait_for(lambda: not lab.kv("sas"), 20), "SAs in the layer")
    finally:
        lab.status("ip netns del third")
        lab.status("ip -n peer link del yvet")


# ---- an engine that fails ----

def fault(name, value, n=0):
    lab.write("%sfaulty%d/%s" % (lab.FAULTY, n, name), "%d" % value)


def fault_value(name, n=0):
    return int(lab.read("%sfaulty%d/%s" % (lab.FAULTY, n, name)))


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


# ----

def main():
    lab.load()
    lab.hosts_up()
    a, b = lab.both_hosts()

    def fresh(fn):
        def test():
            lab.load()
            a.flush()
            b.flush()
            return fn(a, b)
        return test

    groups = {
        "removal": [
            ("engine removed and back under load", engine_removed),
            ("engine removed and back under bulk TCP", engine_removed_bulk),
            ("SAs deleted and added under load", sa_deleted),
            ("states flushed under load", flushed),
            ("unload: EBUSY with SAs, works after a flush", unload_refused),
            ("unload under load", unload_under_load),
        ],
        "devices": [
            ("link down and up under load", link_down),
            ("veth removed under load", device_removed("veth")),
            ("VLAN removed under load", device_removed("vlan")),
            ("macvlan removed under load", device_removed("macvlan")),
            ("bridge removed under load", device_removed("bridge")),
            ("removed after its feature went off", feature_off_then_removed),
            ("name space destroyed under load", netns_destroyed),
            ("port moved to another name space under load", netns_move),
        ],
        "engines": [
            ("a completion comes twice", with_faulty(f_twice)),
            ("a packet fails", with_faulty(f_error)),
            ("engine busy", with_faulty(f_busy)),
            ("ICVs spoilt", with_faulty(f_corrupt)),
            ("a completion never comes", with_faulty(f_drop, timeout_ms=500)),
            ("a completion comes after it was given up", with_faulty(f_late, timeout_ms=500)),
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
        ],
    }
    group = groups[sys.argv[1]]
    del sys.argv[1]

    def unload():
        a.flush()
        b.flush()
        for m in ("esp_ring_faulty", "esp_ring_soft", "esp_ring"):
            lab.rmmod(m)

    lab.run_tests([(n, fresh(f)) for n, f in group] + [("unloads after all that", unload)])


main()
