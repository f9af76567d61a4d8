#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""SA migration (XFRM_MSG_MIGRATE) with live, offloaded SAs.

What the kernels do with the offload, as far as this test knows:
  6.1, 6.12: the new state is a copy without offload, it runs in software
  7.x: can be asked to offload the new state, but then refuses (see
       facts/kernel-xfrm.md); without being asked it runs in software
"""
import errno
import socket

import esplab as lab
import xfrmnl
from esplab import check


def move(t, old, new, dev=None):
    """Both hosts move the tunnel from one pair of outer addresses to another."""
    p, q = t.inner
    for x, way in ((t.a, 0), (t.b, 1)):
        out = (xfrmnl.selector(p, q), xfrmnl.OUT, old, new)
        inn = (xfrmnl.selector(q, p), xfrmnl.IN, old[::-1], new[::-1])
        if way:
            out = (xfrmnl.selector(q, p), xfrmnl.OUT, old[::-1], new[::-1])
            inn = (xfrmnl.selector(p, q), xfrmnl.IN, old, new)
        for sel, d, o, n in (inn, out):
            ndev = None
            if dev and not way:
                ndev = (socket.if_nametoindex(dev),
                        xfrmnl.OFF_INBOUND if d == xfrmnl.IN else 0)
            x.migrate(sel, d, o, n, t.mode, t.reqid, ndev)


def migrated(alg, esn):
    def test(a, b):
        t = lab.Tunnel(a, b, alg, ("tunnel", 4, 4), "v", reqid=5, esn=esn, window=64)
        check(not lab.ping(*t.inner, [100] * 20)[0], "pings before")
        v, e = lab.outer(4, "v"), lab.outer(4, "e")
        try:
            move(t, v, e)
        except lab.NlError as x:
            if x.errno in (errno.ENOPROTOOPT, errno.EOPNOTSUPP, errno.ENOSYS):
                return "no migration in this kernel: %s" % x
            raise
        sas = a.sas()
        check(len(sas) == 2, "%d states" % len(sas))
        check(all(s["daddr"][:3] == b"\x0a\x09\x02" for s in sas.values()), "not moved")
        lab.note("after migration: %s" % ("offloaded" if any(
            s["offload"] for s in sas.values()) else "software"))
        check(not lab.ping(*t.inner, [0, 100, 1300] * 10)[0], "pings after")
        lab.tcp_both(*t.inner, 50000)
        check(lab.wait_for(lambda: all(d["port"] != "va" for d in lab.kv("sas")), 20),
              "the old SA stays in the layer: %r" % lab.kv("sas"))
        # and back, under load
        before = lab.xfrm_stat(lab.PEER)
        with lab.Load(t) as load:
            move(t, e, v)
        check(load.a["got"] > 10 and load.b["got"] > 10, "%r %r" % (load.a, load.b))
        # What the old state sends between the copy of its counters and its end,
        # the kernel's copy sends again under the same numbers: the peer drops
        # that much as replayed.
        check(lab.wait_for(lambda: not lab.ping(*t.inner, [0, 100, 1300])[0], 10),
              "pings after it moved back: %r" % lab.stat_diff(before, lab.PEER))
        return None
    return test


def asked(a, b):
    """The new state shall be offloaded to another port."""
    if lab.KVER < (6, 16):
        return "this kernel cannot be asked to"
    t = lab.Tunnel(a, b, "gcm128", ("tunnel", 4, 4), "v", reqid=5)
    check(not lab.ping(*t.inner, [100] * 5)[0], "pings before")
    try:
        move(t, lab.outer(4, "v"), lab.outer(4, "e"), "ea")
    except lab.NlError as x:
        # no SA is half moved: with new ones the tunnel works
        a.flush()
        b.flush()
        t = lab.Tunnel(a, b, "gcm128", ("tunnel", 4, 4), "v", reqid=5)
        check(not lab.ping(*t.inner, [100] * 5)[0], "pings after a refusal")
        return "the kernel refuses: %s" % x
    check(all(s["offload"] for s in a.sas().values()), "not offloaded")
    check(not lab.ping(*t.inner, [100] * 5)[0], "pings after")
    check(all(d["port"] == "ea" for d in lab.kv("sas")), "%r" % lab.kv("sas"))
    return None


lab.run_on_hosts((
    ("migration, GCM", migrated("gcm128", False)),
    ("migration, CBC with ESN", migrated("cbc128-sha1", True)),
    ("migration with offload", asked),
))
