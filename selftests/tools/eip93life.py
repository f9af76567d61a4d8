#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The EIP-93 is suspended, resumed and shut down while packets flow both ways:

    eip93life.py [pattern]

The driver's callbacks are called for the device alone (esp_ring_power), so that the
traffic goes on: harder than a suspend of the machine, which freezes the senders first.
"""
import time

import esplab as lab
import eip93lab as eip
from esplab import check

ctl = None


def call(what):
    """Of the device's driver, by the core's way."""
    lab.sh("insmod %s/esp_ring_power.ko device=%s call=%s" % (
        lab.module_dir(), eip.device(), what))
    lab.rmmod("esp_ring_power")


def lossless_but(load, t):
    drops = sum(lab.drops(lab.layer_sa(s)) for s in (t.out, t.inn))
    lost = load.a["lost"] + load.b["lost"]
    lab.note("%d lost, %d counted" % (lost, drops))
    check(lost <= drops, "%r %r, %d counted" % (load.a, load.b, drops))
    check(load.a["got"] > 20 and load.b["got"] > 20, "%r %r" % (load.a, load.b))


def suspended(alg, esn):
    def test(a, b):
        t = lab.Tunnel(a, b, alg, ("tunnel", 4, 4), esn=esn, window=1024)
        was = eip.engine()["failures"], eip.counters()["resets"]
        # what piles up meanwhile comes at once: it shall fit the far NIC's ring
        with lab.Load(t, 120 // lab.SLOW) as load:
            for _ in range(2):
                call("suspend")
                # the watchdog has time to look
                eip.still(ctl, 0.6 * lab.SLOW)
                check(lab.layer_sa(t.out)["engine"] == "eip93", "%r" % lab.layer_sa(t.out))
                call("resume")
                n = lab.layer_sa(t.out)["packets"]
                check(lab.wait_for(lambda n=n: lab.layer_sa(t.out)["packets"] > n + 10),
                      "nothing flows after resume: %r %r" % (
                          lab.layer_sa(t.out), lab.kv("queues")))
        lossless_but(load, t)
        check(eip.engine()["failures"] == was[0], "%r" % eip.engine())
        check(eip.counters()["resets"] - was[1] == 2, "%r" % eip.counters())
        eip.agree(ctl, "resume")
    return test


def slow_when_suspended(a, b):
    """More is under way than ends in time: given back as errors, and counted."""
    t = lab.Tunnel(a, b, "cbc128-sha1", ("tunnel", 4, 4), window=1024)
    try:
        with lab.Load(t, 300 // lab.SLOW) as load:
            ctl.speed(50000000)
            time.sleep(0.3)
            start = time.monotonic()
            call("suspend")
            check(time.monotonic() - start < 3 * lab.SLOW, "suspend took long")
            ctl.speed()
            eip.still(ctl, 0.3)
            call("resume")
            n = lab.layer_sa(t.out)["packets"]
            check(lab.wait_for(lambda: lab.layer_sa(t.out)["packets"] > n + 10),
                  "nothing flows after resume")
    finally:
        ctl.speed()
    lossless_but(load, t)
    eip.agree(ctl, "resume")


def resume_of_a_dead_device(a, b):
    """The device does not come back: software, and the machine resumes all the same."""
    t = lab.Tunnel(a, b, "cbc128-sha1", ("tunnel", 4, 4), window=1024)
    with lab.Load(t, 300 // lab.SLOW) as load:
        call("suspend")
        ctl.fault("gone")
        call("resume")
        check(lab.wait_for(lambda: lab.layer_sa(t.out)["engine"] == "software", 20),
              "%r" % eip.engine())
        n = lab.layer_sa(t.out)["software"]
        check(lab.wait_for(lambda: lab.layer_sa(t.out)["software"] > n + 10), "no traffic")
    lossless_but(load, t)
    ctl.heal()
    eip.rebind()
    check(lab.wait_for(lambda: lab.layer_sa(t.out)["engine"] == "eip93"), "not taken back")


def shut_down(a, b):
    """No DMA after it, for as long as another kernel takes to begin, whatever is
    sent; and none is sent in clear."""
    t = lab.Tunnel(a, b, "cbc128-sha1", ("tunnel", 4, 4), window=1024)
    # something is always under way
    ctl.speed(2000000)
    with lab.Load(t) as load:
        call("shutdown")
        eip.still(ctl, 2.5 * lab.SLOW)
        check(not ctl.get(eip.PENDING), "descriptors are pending")
        check(lab.layer_sa(t.out)["engine"] == "software", "%r" % lab.layer_sa(t.out))
        n = lab.layer_sa(t.out)["software"]
        check(lab.wait_for(lambda: lab.layer_sa(t.out)["software"] > n + 10), "no traffic")
    ctl.speed()
    lossless_but(load, t)
    # the driver can still be taken off, and comes back
    eip.rebind()
    check(lab.wait_for(lambda: lab.layer_sa(t.out)["engine"] == "eip93"), "not taken back")
    eip.alive(t, "it came back")
    eip.agree(ctl, "shutdown")


TESTS = (
    ("suspend and resume under traffic", suspended("cbc128-sha256-96", False)),
    ("the same with ESN", suspended("ctr128-sha1", True)),
    ("suspend with more under way than ends in time", slow_when_suspended),
    ("resume of a device that is dead", resume_of_a_dead_device),
    ("no DMA after shutdown under traffic", shut_down),
)


def main():
    global ctl
    ctl = eip.Control()
    ctl.heal()
    eip.load("legacy=1")
    lab.hosts_up()
    a, b = lab.both_hosts()

    def fresh(fn):
        def test():
            a.flush()
            b.flush()
            ctl.heal()
            return fn(a, b)
        return test

    def unload():
        a.flush()
        b.flush()
        ctl.heal()
        for m in ("esp_ring_eip93", "esp_ring"):
            lab.rmmod(m)

    lab.run_tests([(n, fresh(f)) for n, f in TESTS] + [("unloads after all that", unload)])


main()
