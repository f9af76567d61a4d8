#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Order within an SA, and changing SAs under load."""
import select
import struct
import time

import esplab as lab
from esplab import check


def increasing(seen, spi, least):
    """And none is missing."""
    seqs = lab.increasing(seen, spi, least)
    check(seqs[-1] - seqs[0] + 1 == len(seqs) or len(seqs) < least,
          "SA 0x%x: %d numbers are missing" % (spi, seqs[-1] - seqs[0] + 1 - len(seqs)))


def bursts(x, y, n, size):
    """n datagrams from x to y, 50 at once: fewer than the queue holds.  The largest
    packets beside small ones, which take less time."""
    got = []
    for i in range(n):
        x.send(struct.pack("!I", i) + b"x" * (size if i % 3 else 4))
        while i % 50 == 49 and len(got) <= i and select.select([y], [], [], 2)[0]:
            got.append(struct.unpack_from("!I", y.recv(1 << 16))[0])
    while len(got) < n and select.select([y], [], [], 1)[0]:
        got.append(struct.unpack_from("!I", y.recv(1 << 16))[0])
    x.close()
    y.close()
    return got


def wire_order(a, b):
    """One flow: the numbers on the wire increase, whatever CPU did the packet."""
    for pair, alg, shape in (("v", "gcm128", ("tunnel", 4, 4)),
                             ("e", "cbc256-sha512", ("transport", 6, 6)),
                             ("v", "null-sha1", ("transport", 4, 4))):
        a.flush()
        b.flush()
        wire = lab.Wire(pair + "b")
        t = lab.Tunnel(a, b, alg, shape, pair, esn=alg != "null-sha1")
        got = bursts(*lab.udp_pair(*t.inner), 2000 // lab.SLOW, 1300)
        check(got == list(range(2000 // lab.SLOW)), "%s: %d arrived, %d out of order" % (
            alg, len(got), sum(x > y for x, y in zip(got, got[1:]))))
        increasing(wire.esp(), t.out, 2000 // lab.SLOW)
        wire.close()


def wire_order_tcp(a, b):
    wire = lab.Wire("eb")
    t = lab.Tunnel(a, b, "gcm128", ("tunnel", 4, 4), "e", window=64)
    lab.tcp_both(*t.inner, 2000000 // lab.SLOW, timeout=60)
    increasing(wire.esp(), t.out, 1000 // lab.SLOW)
    late = b.sas()[t.out]
    check(not late["late"] and not late["replay"], "the peer found %r" % late)
    wire.close()


def delivery_order(a, b):
    """Inbound: what the peer sent in order is delivered in order."""
    for shape in (("tunnel", 4, 4), ("transport", 4, 4)):
        a.flush()
        b.flush()
        t = lab.Tunnel(a, b, "gcm128", shape, window=256)
        x, y = lab.udp_pair(*t.inner)
        n = 3000 // lab.SLOW
        got = bursts(y, x, n, 1200)
        late = sum(p > q for p, q in zip(got, got[1:]))
        check(not late, "%s: %d of %d out of order" % (lab.shape_name(shape), late, len(got)))
        check(len(got) == n, "%d of %d" % (len(got), n))


def two_sas(a, b):
    """Two flows on two SAs, one of large and slow packets: each in its order."""
    w, w2 = lab.Wire("vb"), lab.Wire("eb")
    t = lab.Tunnel(a, b, "cbc256-sha512", ("tunnel", 4, 4), "v")
    u = lab.Tunnel(a, b, "gcm128", ("tunnel", 4, 4), "e")
    ft = lab.Flow(*t.inner, rate=300, size=1300)
    fu = lab.Flow(*u.inner, rate=300, size=20)
    time.sleep(1.5)
    for f, wire, tun in ((ft, w, t), (fu, w2, u)):
        r = f.stop()
        check(not r["lost"] and not r["late"] and not r["dup"], "%r" % r)
        increasing(wire.esp(), tun.out, 100 // lab.SLOW)
    w.close()
    w2.close()


def two_flows_one_sa(a, b):
    """Two senders share an SA: each flow keeps its order and loses nothing."""
    t = lab.Tunnel(a, b, "gcm128", ("tunnel", 4, 4), window=128)
    fl = [lab.Flow(*t.inner, rate=250, size=s) for s in (1300, 30)]
    time.sleep(1.5)
    for f in fl:
        r = f.stop()
        check(not r["lost"] and not r["late"] and not r["dup"], "%r" % r)


class Rekey(lab.Tunnel):
    """A tunnel whose outbound policies name an SA by reqid, so that it changes at
    once; inbound ones take any."""

    def point(self, reqid):
        p, q = self.inner
        for x, src, dst, tmpl in ((self.a, p, q, self.outer), (self.b, q, p, self.outer[::-1])):
            x.add_policy(src, dst, lab.OUT, tmpl, self.mode, reqid, update=True)


def rekeys(alg, shape, count, esn=False):
    def test(a, b):
        t = Rekey(a, b, alg, shape, reqid=1, esn=esn, window=128, policies=False)
        t.reqid = 0
        t.add_policies()
        t.reqid = 1
        t.point(1)
        before = {n: lab.xfrm_stat(n) for n in (None, lab.PEER)}
        with lab.Load(t, 150 // lab.SLOW) as load:
            old = []
            for n in range(count):
                old.append((t.out, t.inn))
                t.reqid = 2 + n
                t.new_sas()
                t.point(t.reqid)
                time.sleep(0.06 * lab.SLOW)
                # three generations side by side, as with a daemon
                if len(old) > 2:
                    t.del_sas(*old.pop(0))
            check(lab.wait_for(lambda: len(lab.kv("sas")) == 6), "%d SAs, not 3 pairs" %
                  len(lab.kv("sas")))
        load.lossless()
        for ns, was in before.items():
            check(not lab.stat_diff(was, ns), "xfrm_stat of %s: %r" % (
                ns or "A", lab.stat_diff(was, ns)))
    return test


lab.run_on_hosts((
    ("numbers on the wire increase", wire_order),
    ("numbers on the wire increase, TCP", wire_order_tcp),
    ("delivery in order", delivery_order),
    ("two flows, two SAs", two_sas),
    ("two flows, one SA", two_flows_one_sa),
    ("100 rekeys under load, tunnel", rekeys("gcm128", ("tunnel", 4, 4), 100)),
    ("20 rekeys under load, transport, IPv6, ESN",
     rekeys("cbc128-sha1", ("transport", 6, 6), 20, True)),
))
