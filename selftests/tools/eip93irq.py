#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Interrupts of an EIP-93 that is faster than the CPU: one for several small packets
while they come fast, one for each otherwise, and none that what is urgent waits for.

In the machine's own time (-icount), in which the CPU has some 10 us for a packet.
"""
import ctypes
import os
import socket
import time

import esplab as lab
import eip93lab as eip
from esplab import check
from lanes import Lane, in_layer, lane_addresses, ms, param, traced

SIZE, BURST, BURSTS = 64, 500, 5
# what the driver looks for, in ns
WINDOW = (50000, 200000)

ctl = None


class Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_char_p), ("len", ctypes.c_size_t)]


class Header(ctypes.Structure):
    """struct msghdr, padded to whole pointers"""
    _fields_ = [("name", ctypes.c_void_p), ("namelen", ctypes.c_uint32),
                ("vectors", ctypes.POINTER(Vector)), ("nr_vectors", ctypes.c_size_t),
                ("control", ctypes.c_void_p), ("controllen", ctypes.c_size_t),
                ("flags", ctypes.c_int)]


class Message(ctypes.Structure):
    """struct mmsghdr"""
    _fields_ = [("header", Header), ("sent", ctypes.c_uint)]


def sender(t):
    """A function that sends many packets by one call of sendmmsg(2)"""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((t.inner[0], 0))
    s.connect((t.inner[1], 9))
    vector = Vector(bytes(SIZE), SIZE)
    header = Header(vectors=ctypes.pointer(vector), nr_vectors=1)
    messages = (Message * BURST)(*[Message(header)] * BURST)
    libc = ctypes.CDLL(None, use_errno=True)

    def send(n=BURST):
        done = libc.sendmmsg(s.fileno(), messages, n, 0)
        check(done == n, "%d of %d were sent: %s" % (done, n, os.strerror(ctypes.get_errno())))
    return send


def one_way(a, b, i, **args):
    """A lane whose far end throws packets away unread"""
    t = Lane(a, b, i, alg="cbc128-sha1", **args)
    b.del_sa(t.outer[1], t.out)
    return t


def window_found(a, b):
    window = eip.counters()["window"]
    lab.note("the RD timeout is %d ns" % window)
    check(WINDOW[0] <= window <= WINDOW[1], "%d ns" % window)


def shared(a, b):
    """Counted by driver and model alike: few interrupts for many small packets."""
    lane_addresses(1)
    send = sender(one_way(a, b, 0))
    send()
    eip.settle(ctl)
    before, model = eip.counters(), ctl.stats()
    for _ in range(BURSTS):
        send()
    d, m, _, _ = eip.agree(ctl, "many small packets")
    n = d["encrypt.packets"] - before["encrypt.packets"]
    irqs = d["interrupts"] - before["interrupts"]
    lab.note("%d packets, %d interrupts, the model raised %d, threshold at last %d" % (
        n, irqs, m["irqs"] - model["irqs"], d["thresh"]))
    check(n == BURSTS * BURST, "%d packets of %d" % (n, BURSTS * BURST))
    check(irqs * 4 <= n, "%d interrupts for %d packets" % (irqs, n))
    # and when they come slowly again, each has its own
    for _ in range(3):
        send(1)
        time.sleep(0.02)
    eip.settle(ctl)
    before = eip.counters()
    for _ in range(20):
        send(1)
        time.sleep(0.005)
    eip.settle(ctl)
    d = eip.counters()
    check(d["interrupts"] - before["interrupts"] == 20 and not d["thresh"],
          "20 packets far apart: %r, before %r" % (d, before))


def urgent(a, b):
    """The last packet of many waits for the timeout, an urgent one for no other."""
    window = eip.counters()["window"] / 1e9
    with param("high_prio", "reqid=101"):
        lane_addresses(2)
        low, high = one_way(a, b, 0), one_way(a, b, 1)
        bulk, one = sender(low), sender(high)
        one(1)
        took = {}
        with traced("esp_ring_complete") as trace:
            for name, t, last in (("not", low, sender(low)), ("urgent", high, one)):
                took[name] = []
                for _ in range(10):
                    bulk()
                    # both begin with the driver waiting for several
                    if not eip.counters()["thresh"]:
                        continue
                    was = len(trace())
                    last(1)
                    lab.wait_for(lambda: not eip.busy(), 5, 0.01)
                    took[name] += in_layer(trace()[was:], t.out)[-1:]
    for name, t in took.items():
        lab.note("%s: %d times, %s" % (name, len(t), ", ".join(ms(x) for x in sorted(t))))
        check(len(t) >= 3, "%s: the driver waited for several only %d times" % (name, len(t)))
    check(max(took["urgent"]) < window / 2, "urgent: %s" % ms(max(took["urgent"])))
    check(max(took["not"]) > window / 2, "nothing waits: %s" % ms(max(took["not"])))


def main():
    global ctl
    ctl = eip.Control()
    ctl.heal()
    lab.run_on_hosts((
        ("the engine's timeout is measured", window_found),
        ("many small packets share interrupts", shared),
        ("what is urgent waits for no other", urgent),
    ), ("esp_ring_eip93", "esp_ring"), "v", up=eip.load, down=ctl.heal)


main()
