#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Data through offloaded SAs, both ways, against the kernel's own ESP.

    data.py full|thin|edges [first last]

full: every mode x family x algorithm x ESN; thin: every algorithm x ESN and
every mode x family x ESN, once each.  first and last choose a part of the table
of algorithms, so that machines can share it.  edges: what is not one of the
table.
"""
import errno
import os
import random
import select
import socket
import sys
import time

import esplab as lab
from esplab import ALGS, SHAPES, check


def counters_agree(t, a, b, before, wire=None, peer_gso=False):
    """Everybody has counted the same packets: both hosts' SAs, the layer, the
    wire.  before: xfrm_stat of both hosts; peer_gso: the peer's SA counts a GSO
    packet as one."""
    def state():
        x, y = a.sas(), b.sas()
        lo, li = lab.layer_sa(t.out), lab.layer_sa(t.inn)
        check(lo and li, "an SA is not in debugfs")
        return {"out": (x[t.out]["packets"], lo["packets"], y[t.out]["packets"]),
                "in": (li["packets"] if peer_gso else y[t.inn]["packets"],
                       li["packets"], x[t.inn]["packets"])}, lo, li

    def agreed():
        return all(len(set(v)) == 1 for v in state()[0].values())

    lab.wait_for(agreed, 2, 0.02)
    counts, lo, li = state()
    check(all(len(set(v)) == 1 and v[0] for v in counts.values()),
          "packets (sender's SA, layer, receiver's SA) differ: %r" % counts)
    for d in (lo, li):
        check(not lab.drops(d) and not d["software"], "drops or software: %r" % d)
    for ns, old in before.items():
        diff = lab.stat_diff(old, ns)
        check(not diff, "xfrm_stat of %s: %r" % (ns or "A", diff))
    if wire is not None:
        for spi, way in ((t.out, "out"), (t.inn, "in")):
            n = sum(1 for p in wire if p[0] == spi)
            check(n == counts[way][0], "%s: %d on the wire, %d counted" % (
                way, n, counts[way][0]))
    return lo, li


def check_wire(t, wire, ordered):
    """Each number once; and the first so many packets, one at a time, in order.

    Where two CPUs send on an SA at once (TCP: the closing process and the
    softirq that acknowledges) the kernel takes the numbers before any driver or
    engine sees the packets, and either may be first on the wire.
    """
    for spi in (t.out, t.inn):
        seqs = [p[1] for p in wire if p[0] == spi]
        check(len(set(seqs)) == len(seqs), "a sequence number came twice: %r" % seqs)
        seqs = [p[1] for p in wire[:ordered] if p[0] == spi]
        check(seqs and all(x < y for x, y in zip(seqs, seqs[1:])),
              "sequence numbers on the wire do not increase: %r" % seqs)
        if lab.counter_mode(t.alg):
            ivs = [p[2][:8] for p in wire if p[0] == spi]
            check(len(set(ivs)) == len(ivs), "an IV came twice")


def combination(a, b, wire, alg, esn, shape):
    a.flush()
    b.flush()
    wire.frames()
    before = {None: lab.xfrm_stat(), lab.PEER: lab.xfrm_stat(lab.PEER)}
    try:
        t = lab.Tunnel(a, b, alg, shape, esn=esn)
    except lab.NlError as e:
        # without integrity there is nothing that ESN could be part of
        if alg.endswith("-none") and esn:
            check(refused_everywhere(a, alg, shape, esn),
                  "refused only when offloaded: %s" % e)
            return False
        raise
    check(t.offloaded() == (True, True), "not offloaded: %r" % t.warnings)
    p, q = t.inner
    x, y = lab.udp_pair(p, q)
    edge = lab.mtu(x) - (48 if x.family == socket.AF_INET6 else 28)
    check(1300 < edge < 1480, "MTU of the path: %d" % edge)

    sizes = [0, 1, 2, 3, 13, 56, 255, edge - 1, edge]
    for src, dst, ns in ((p, q, None), (q, p, lab.PEER)):
        bad, _ = lab.ping(src, dst, sizes, ns)
        check(not bad, "ping %s: sizes %r" % (dst, bad))
    bad = lab.udp_both(x, y, [0, 7, 100, 512, edge - 3, edge - 2, edge - 1, edge])
    check(not bad, "UDP: sizes %r" % bad)
    seen = wire.esp()
    ordered = len(seen)
    lab.tcp_both(p, q, 24000)
    seen += wire.esp()
    # what comes late is seen late
    lo, li = counters_agree(t, a, b, before)
    seen += wire.esp()
    n = 2 * len(sizes) + 8
    check(lo["packets"] > n and li["packets"] > n, "only %r" % lo)
    counters_agree(t, a, b, before, seen)
    check_wire(t, seen, ordered)

    # fragments, before or after ESP as the mode has it
    bad = lab.udp_both(x, y, [edge + 1, 3000, 8999])
    check(not bad, "fragmented UDP: sizes %r" % bad)
    bad, _ = lab.ping(p, q, [edge + 8, 4000])
    check(not bad, "fragmented ping: sizes %r" % bad)
    counters_agree(t, a, b, before)
    for s in (x, y):
        s.close()
    return True


def refused_everywhere(a, alg, shape, esn):
    o, i = lab.outer(shape[1])
    keys = tuple(os.urandom(n) for n in ALGS[alg]["keys"])
    try:
        a.add_sa(o, i, lab.next_spi(), ALGS[alg], keys, mode=shape[0], esn=esn,
                 window=32)
    except lab.NlError:
        return True
    return False


def table(full, first, last):
    names = list(ALGS)[first:last]
    tests = []
    lab.load()
    lab.hosts_up("v")
    a, b = lab.both_hosts()
    wire = lab.Wire()
    # the peer's SAs count a GSO packet as one; ours count what is on the wire
    lab.sh("ip link set vb gso_max_segs 1", ns=lab.PEER)
    for esn in (False, True):
        for n, alg in enumerate(names, first):
            # the rotation brings every shape to every value of ESN three times
            shapes = SHAPES if full else [SHAPES[(n + 5 * esn) % len(SHAPES)]]

            def test(alg=alg, esn=esn, shapes=shapes):
                bad, ran = [], 0
                for shape in shapes:
                    try:
                        ran += combination(a, b, wire, alg, esn, shape)
                    except lab.Fail as e:
                        bad.append("%s: %s" % (lab.shape_name(shape), e))
                check(not bad, "\n".join(bad))
                return None if ran else "the kernel has no such SA"

            label = alg + (" ESN" if esn else "")
            if full:
                label += ", %d modes and families" % len(shapes)
            else:
                label += ", " + lab.shape_name(shapes[0])
            tests.append((label, test))
    return tests


# ---- edges ----

def esn_wrap(a, b, wire):
    """The low half wraps while packets flow: none is lost, none repeats an IV."""
    for shape in (("tunnel", 4, 4), ("transport", 6, 6)):
        for alg in ("gcm128", "cbc128-sha1", "ctr256-sha256"):
            a.flush()
            b.flush()
            wire.frames()
            t = lab.Tunnel(a, b, alg, shape, esn=True, window=128,
                           seq=(3 << 32) + 0xfffffff0)
            before = {None: lab.xfrm_stat(), lab.PEER: lab.xfrm_stat(lab.PEER)}
            for src, dst, ns in ((*t.inner, None), (*t.inner[::-1], lab.PEER)):
                bad, order = lab.ping(src, dst, [64] * 50, ns)
                check(not bad and order, "%s: %d pings lost" % (alg, len(bad)))
            counters_agree(t, a, b, before)
            check(a.sas()[t.out]["oseq"] >> 32 == 4, "no wrap: %r" % a.sas()[t.out])
            check(a.sas()[t.inn]["seq"] >> 32 == 4, "no wrap: %r" % a.sas()[t.inn])
            if lab.counter_mode(t.alg):
                seen = wire.esp()
                for spi in (t.out, t.inn):
                    ivs = [p[2][:8] for p in seen if p[0] == spi]
                    check(len(ivs) == 100 and len(set(ivs)) == 100, "IV twice")


def seq_end(a, b):
    """Without ESN the SA ends with its last number: no packet, no IV again."""
    t = lab.Tunnel(a, b, "gcm128", ("tunnel", 4, 4), seq=0xfffffff0)
    before = lab.xfrm_stat()
    p, q = t.inner
    x, y = lab.udp_pair(p, q)
    sent = 0
    for _ in range(30):
        try:
            sent += bool(x.send(b"x" * 50))
        except OSError:
            pass
    time.sleep(0.5)
    got = 0
    while select.select([y], [], [], 0)[0]:
        y.recv(100)
        got += 1
    check(got == 15, "%d of the last 15 packets arrived" % got)
    check(lab.stat_diff(before).get("XfrmOutStateSeqError", 0) == 15,
          "XfrmOutStateSeqError: %r" % lab.stat_diff(before))
    for s in (x, y):
        s.close()


def windows(a, b):
    """Replay windows up to the kernel's maximum, and one more."""
    for esn in (False, True):
        for window in (32, 64, 1024, 4096):
            a.flush()
            b.flush()
            t = lab.Tunnel(a, b, "gcm128", ("transport", 4, 4), esn=esn, window=window)
            check(t.offloaded() == (True, True), "window %d: software" % window)
            check(window == 32 or a.sas()[t.inn]["window"] == window, "not so large")
            bad, _ = lab.ping(*t.inner, [40] * 5)
            check(not bad, "window %d, ESN %d" % (window, esn))
    try:
        lab.Tunnel(a, b, "gcm128", ("transport", 4, 4), esn=True, window=4097)
    except lab.NlError:
        return
    check(False, "a window of 4097 is accepted")


def bulk(a, b, pair):
    """A large transfer through GSO and GRO, and its packets to the number."""
    shape = ("tunnel", 4, 4)
    # virtio-net on a hub has no checksum offload and so no GSO
    gso = "generic-segmentation-offload: on" in lab.sh("ethtool -k %sa" % pair)
    check(gso or pair == "v", "no GSO on %sa" % pair)
    for esn, alg in ((True, "gcm128"), (False, "cbc128-sha1")):
        a.flush()
        b.flush()
        before = {None: lab.xfrm_stat(), lab.PEER: lab.xfrm_stat(lab.PEER)}
        # the peer's GRO path reorders a little (see facts/tried.md): a window
        # that is larger than any of that
        t = lab.Tunnel(a, b, alg, shape, pair, esn=esn, window=1024)
        lab.tcp_both(*t.inner, 3000000 // lab.SLOW, timeout=60)
        lo, _ = counters_agree(t, a, b, before, peer_gso=True)
        queue = lab.kv("queues", engine="soft", queue="encrypt")[0]
        check(queue["high_water"] > 1, "never two packets at once: %r" % queue)
        check(lo["bytes"] // lo["packets"] > 700, "TCP in small packets: %r" % lo)


def exceptions(a, b):
    """Cloned, fragmented and tailroom-less skbs are handled, and counted."""
    t = lab.Tunnel(a, b, "gcm128", ("transport", 4, 4))
    x, y = lab.udp_pair(*t.inner)
    # a datagram of several pages becomes a list of fragments in front of ESP
    check(not lab.udp_both(x, y, [9000, 20000]), "lost")
    o = lab.layer_sa(t.out)
    check(o["linearised"] >= 2, "linearised=%d" % o["linearised"])
    # a packet socket looks at the plain packets, TCP keeps a clone of its data
    lab.tcp_both(*t.inner, 100000)
    o = lab.layer_sa(t.out)
    check(o["linearised"] + o["uncloned"] + o["expanded"] > 2, "nothing: %r" % o)
    check(not lab.drops(o), "drops: %r" % o)
    for s in (x, y):
        s.close()


def port_counters(a, b):
    """What SAs counted stays with the port when they go."""
    was = lab.kv("ports", port="va", queue="encrypt")[0]
    t = lab.Tunnel(a, b, "gcm128", ("transport", 4, 4))
    check(not lab.ping(*t.inner, [10] * 20)[0], "ping")
    one = lab.layer_sa(t.out)
    a.flush()
    b.flush()

    def now():
        p = lab.kv("ports", port="va", queue="encrypt")[0]
        return p["packets"] - was["packets"] == 20 and p["sas"] == 0

    check(one["packets"] == 20, "%r" % one)
    check(lab.wait_for(now, 10), "%r" % lab.kv("ports", port="va", queue="encrypt"))


def small_mtu(a, b):
    """A packet that is too long for the path with ESP is answered so, and the
    next one of the right size goes through."""
    lab.ip_batch(["link set va mtu 1300"])
    try:
        t = lab.Tunnel(a, b, "cbc128-sha1", ("tunnel", 6, 4))
        x, y = lab.udp_pair(*t.inner)
        x.setsockopt(socket.IPPROTO_IP, 10, 2)      # IP_PMTUDISC_DO
        n = lab.mtu(x) - 28
        check(n < 1272, "MTU %d" % n)
        try:
            x.send(b"x" * (n + 1))
            check(False, "a packet beyond the MTU was taken")
        except OSError as e:
            check(e.errno == errno.EMSGSIZE, "%s" % e)
        check(not lab.udp_both(x, y, [n, n - 1]), "lost at the MTU")
    finally:
        lab.ip_batch(["link set va mtu 1500"])


def edges():
    lab.load()
    lab.hosts_up()
    a, b = lab.both_hosts()

    def fresh(fn, *args):
        def test():
            a.flush()
            b.flush()
            return fn(a, b, *args)
        return test

    def wired():
        w = lab.Wire()
        try:
            return fresh(esn_wrap, w)()
        finally:
            w.close()

    def unload():
        a.flush()
        b.flush()
        for m in ("esp_ring_soft", "esp_ring"):
            lab.note("rmmod %s: %.1f s" % (m, lab.rmmod(m)))

    return [
        ("the low half of an ESN wraps", wired),
        ("the last sequence number without ESN", fresh(seq_end)),
        ("replay windows from 32 to 4096", fresh(windows)),
        ("bulk TCP on virtio-net", fresh(bulk, "v")),
        ("bulk TCP on e1000e", fresh(bulk, "e")),
        ("nonlinear and shared packets are counted", fresh(exceptions)),
        ("counters of SAs stay with the port", fresh(port_counters)),
        ("path MTU", fresh(small_mtu)),
        ("unloads after all that", unload),
    ]


def main():
    random.seed(os.urandom(8))
    what = sys.argv[1]
    part = [int(x) for x in sys.argv[2:4]] or [0, len(ALGS)]
    sys.argv[1:] = sys.argv[4:] if what != "edges" else sys.argv[2:]
    if what == "edges":
        lab.run_tests(edges())
    else:
        lab.run_tests(table(what == "full", *part))


main()
