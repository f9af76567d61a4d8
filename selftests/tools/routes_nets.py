#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Routes through other tunnels, of forwarded traffic, by policy, mark, flowtable
and queueing discipline."""
import contextlib
import os
import re
import socket
import time

import esplab as lab
import routes
from esplab import check
from routes import addresses, answers, devices, traffic
from routes_far import Path, client


@contextlib.contextmanager
def gro_off():
    lab.sh("ethtool -K va gro off")
    try:
        yield
    finally:
        lab.sh("ethtool -K va gro on")


# ---- a second tunnel ----

def two_transforms(case):
    """ESP in ESP by one policy with two templates; both SAs are offloaded.

    esp4_offload takes a packet before it has a route, and the core drops such a
    one at its second SA (XfrmInError), in software too: GRO is off for this.
    """
    with gro_off():
        nested(case)


def nested(case):
    inner = case.tunnel("gcm128", ("tunnel", 4, 4), policies=False, reqid=1)
    outer = case.tunnel("cbc128-sha1", ("transport", 4, 4), policies=False, reqid=2)
    p, q = inner.inner
    o, i = inner.outer
    tmpl = ("tmpl src %s dst %s proto esp reqid 1 mode tunnel "
            "tmpl src %s dst %s proto esp reqid 2 mode transport")
    rules = []
    for word, (src, dst), (a, b), ways in (("a: ", (p, q), (o, i), ("out",)),
                                           ("a: ", (q, p), (i, o), ("in", "fwd")),
                                           ("b: ", (q, p), (i, o), ("out",)),
                                           ("b: ", (p, q), (o, i), ("in", "fwd"))):
        for way in ways:
            rules.append(word + "xfrm policy add src %s dst %s dir %s " % (src, dst, way) +
                         tmpl % (a, b, a, b))
    routes.a_and_b(rules)
    try:
        traffic(inner)
        got = case.used(inner, wire=False)
        around = case.used(outer)
        check(all(got[w]["layer"] == around[w]["layer"] for w in "oi"),
              "inner and outer SA differ: %r %r" % (got, around))
    finally:
        for r in rules:
            routes.undo([re.sub(r" tmpl .*", "", r).replace(" add ", " del ")])


def over_esp(kind, v6=False):
    """A tunnel device whose outer packets are what ESP protects."""
    def test(case):
        why = routes.have_module(kind if kind == "vxlan" else "ip6_gre" if v6 else "ip_gre")
        if why:
            return why
        t = case.tunnel("gcm128", ("transport", 6, 6) if v6 else ("transport", 4, 4))
        o, i = t.outer
        up = []
        for h, x, y in (("a: ", o, i), ("b: ", i, o)):
            words = "vxlan id 7 dstport 4789" if kind == "vxlan" else \
                "ip6gre encaplimit none" if v6 else "gre"
            up += [h + "link add tun7 type %s local %s remote %s dev v%s" % (
                       words, x, y, h[0]),
                   h + "link set tun7 up mtu 1300",
                   h + "addr add 10.8.97.%d/24 dev tun7" % (1 if h[0] == "a" else 2)]
        with devices(up, ["a: link del tun7", "b: link del tun7"]):
            path = Path("10.8.97.1", "10.8.97.2")
            answers(path)
            traffic(path, tcp=200000 // lab.SLOW)
            case.used(t, least=60 // lab.SLOW)
            case.a.flush()
        return None
    return test


def within(kind):
    """ESP inside GRE or VXLAN that is in the clear; the tunnel device's packets
    carry nothing but ESP."""
    def test(case):
        why = routes.have_module("vxlan" if kind == "vxlan" else "ip_gre")
        if why:
            return why
        up = []
        for h, me in (("a: ", 1), ("b: ", 2)):
            up += [h + "addr add 203.0.113.%d/24 dev v%s" % (me, h[0]),
                   h + "link add tun8 type %s local 203.0.113.%d remote 203.0.113.%d dev v%s" % (
                       "vxlan id 8 dstport 4789" if kind == "vxlan" else "gretap",
                       me, 3 - me, h[0])]
        with devices(up, ["a: link del tun8", "b: link del tun8",
                          "a: addr del 203.0.113.1/24 dev va",
                          "b: addr del 203.0.113.2/24 dev vb"]):
            addresses("tun8", "tun8", 68)
            look = routes.Look("tun8")
            try:
                for dev in ("tun8", "va"):
                    case.start_same()
                    t = case.tunnel(dev=dev)
                    look.clear()
                    answers(t)
                    traffic(t)
                    got = case.used(t, wire=False)
                    look.read()
                    check(look.spis[t.out] == got["o"]["layer"] and
                          look.spis[t.inn] == got["i"]["layer"],
                          "%r, inside the tunnel %r" % (got, look.spis))
            finally:
                case.a.flush()
                case.b.flush()
                look.close()
        return None
    return test


def esp_in_gre_in_esp(case):
    """Two offloaded SAs, one inside the other, with a device between.

    Without GRO: esp4_offload forgets what a packet has been through when it finds
    it a second time (XfrmInTmplMismatch), in software too.
    """
    why = routes.have_module("ip_gre")
    if why:
        return why
    with gro_off():
        return gre_between(case)


def gre_between(case):
    around = case.tunnel("cbc128-sha1", ("transport", 4, 4), reqid=9)
    o, i = around.outer
    up = []
    for h, x, y in (("a: ", o, i), ("b: ", i, o)):
        up += [h + "link add tun9 type gretap local %s remote %s dev v%s" % (x, y, h[0])]
    with devices(up, ["a: link del tun9", "b: link del tun9"]):
        addresses("tun9", "tun9", 69)
        lab.sh("ethtool -K tun9 gro off")
        t = lab.Tunnel(case.a, case.b, "gcm128", ("tunnel", 4, 4), dev="tun9", reqid=10)
        check(t.offloaded() == (True, True), "the inner SA is not offloaded")
        answers(t)
        traffic(t)
        got, out = case.used(t, wire=False), case.used(around)
        check(all(out[w]["layer"] >= got[w]["layer"] for w in "oi"), "%r %r" % (got, out))
        case.start_same()
    return None


# ---- forwarded ----

def from_client(path, tcp=60000, sizes=(0, 500, 1300, 3000)):
    src, dst = path.inner
    for p, q, ns in ((src, dst, "cli"), (dst, src, lab.PEER)):
        bad, _ = lab.ping(p, q, sizes, ns)
        check(not bad, "pings %s to %s: %r" % (p, q, bad))
    x, y = lab.udp_pair(src, dst, ns_a="cli")
    bad = lab.udp_both(x, y, [1, 700, 2500])
    check(not bad, "UDP: %r" % bad)
    x.close()
    y.close()
    lab.tcp_both(src, dst, tcp, ns_a="cli")


def forwarded(case):
    """What a router does: another host's packets, and none of its own."""
    t = case.tunnel("gcm128", ("tunnel", 4, 4))
    with client(t) as path:
        from_client(path, 500000 // lab.SLOW)
        case.used(t, least=100 // lab.SLOW)
        # its own at the same time
        traffic(t)
        case.used(t, least=100 // lab.SLOW)


def grouped(case):
    """The same where a router takes packets of a flow together: they are parted again
    before ESP, and each is a packet of the SA."""
    t = case.tunnel("cbc128-sha1", ("tunnel", 4, 4))
    with client(t) as path:
        devs = ("la", "va")
        try:
            for dev in devs:
                lab.sh("ethtool -K %s gro on rx-udp-gro-forwarding on" % dev)
            from_client(path, 500000 // lab.SLOW)
            case.used(t, least=100 // lab.SLOW)
        finally:
            for dev in devs:
                lab.status("ethtool -K %s rx-udp-gro-forwarding off" % dev)


def nft(rules, ns=None):
    lab.sh("nft -f -", stdin=rules, ns=ns)


def offloaded_flows():
    """Flows in a flowtable, as conntrack marks them."""
    try:
        return lab.read("/proc/net/nf_conntrack").count("[OFFLOAD]")
    except OSError:
        return None


def flowtable(case):
    """Forwarded TCP by nftables' flowtable: what it lets pass by the forward chain
    still goes through ESP, and the engine."""
    for m in ("nf_flow_table", "nft_flow_offload", "nf_flow_table_inet"):
        why = routes.have_module(m)
        if why:
            return why
    t = case.tunnel("gcm128", ("tunnel", 4, 4))
    with client(t) as path:
        nft("table inet f { flowtable ft { hook ingress priority 0; devices = { la, va }; };"
            " chain passing { type filter hook forward priority 0; counter; "
            "meta l4proto tcp flow add @ft; }; }")
        try:
            seen = []

            def watch():
                if len(seen) < 20:
                    seen.append(offloaded_flows())

            n = 1000000 // lab.SLOW
            lab.tcp_both(*path.inner, n, ns_a="cli", while_=watch)
            got = case.used(t, least=100 // lab.SLOW)
            chain = int(re.search(r"counter packets (\d+)", lab.sh("nft list table inet f"))[1])
            total = got["o"]["layer"] + got["i"]["layer"]
            lab.note("%d packets, %d of them through the forward chain; offloaded flows %r" % (
                total, chain, max((x for x in seen if x is not None), default=None)))
            check(chain < total, "nothing went by the flowtable: %d of %d" % (chain, total))
        finally:
            lab.status("nft delete table inet f")
    return None


def marks(case):
    """nftables gives packets a mark, the mark chooses the SA: of two tunnels
    between the same hosts each gets its own."""
    one = case.tunnel("gcm128", ("tunnel", 4, 4), policies=False, reqid=1,
                      sa_args={"mark": (0x10, 0xf0)}, sa_args_peer={})
    two = case.tunnel("cbc128-sha1", ("tunnel", 4, 4), policies=False, reqid=2,
                      sa_args={"mark": (0x20, 0xf0)}, sa_args_peer={})
    # addresses that may leave without a mark: the policies that block would see
    # the packet before nftables does
    p, q = "10.8.82.1", "10.8.82.2"
    with devices(["a: addr add %s/32 dev lo" % p, "b: addr add %s/32 dev lo" % q,
                  "a: route add %s via 10.9.1.2 src %s" % (q, p),
                  "b: route add %s via 10.9.1.1 src %s" % (p, q)],
                 ["a: addr del %s/32 dev lo" % p, "b: addr del %s/32 dev lo" % q,
                  "a: route del " + q, "b: route del " + p]):
        by_mark(case, one, two, p, q)


def by_mark(case, one, two, p, q):
    for t, mark in ((one, 0x10), (two, 0x20)):
        case.a.add_policy(p, q, lab.OUT, t.outer, "tunnel", t.reqid, mark=(mark, 0xf0))
        for d in (lab.IN, lab.FWD):
            case.a.add_policy(q, p, d, t.outer[::-1], "tunnel", t.reqid, mark=(mark, 0xf0))
    for d in (lab.IN, lab.FWD):
        case.b.add_policy(p, q, d, one.outer, "tunnel", 0)
    case.b.add_policy(q, p, lab.OUT, one.outer[::-1], "tunnel", 1)
    # inbound, ESP packets get the mark by their SPI, as the state is looked up with it
    nft("table ip m { chain out { type route hook output priority -150; ip daddr %s "
        "udp dport 7001 meta mark set 0x10; ip daddr %s udp dport 7002 meta mark set 0x20; }; "
        "chain inn { type filter hook prerouting priority -150; "
        "esp spi 0x%x meta mark set 0x10; esp spi 0x%x meta mark set 0x20; }; }" % (
            q, q, one.inn, two.inn))
    # GRO of esp4_offload looks the state up before any nftables has seen the packet
    with gro_off():
        for port, mine, other in ((7001, one, two), (7002, two, one)):
            case.b.add_policy(q, p, lab.OUT, one.outer[::-1], "tunnel", mine.reqid, update=True)
            before = {w: n["layer"] for w, n in case.counts(other).items()}
            x, y = lab.udp_pair(p, q, dport=port)
            bad = lab.udp_both(x, y, [10, 500, 1300] * 5)
            x.close()
            y.close()
            check(not bad, "UDP to port %d: %r" % (port, bad))
            case.used(mine, least=15)
            check({w: n["layer"] for w, n in case.counts(other).items()} == before,
                  "port %d: the other SA was used" % port)
    lab.status("nft delete table ip m")


def priority_by_mark(case):
    """The layer's own rule: an SA with a mark goes in front."""
    old = lab.read(lab.PARAMS + "high_prio")
    lab.write(lab.PARAMS + "high_prio", "mark=0x10/0xf0")
    try:
        t = case.tunnel(sa_args={"mark": (0x10, 0xf0)}, sa_args_peer={}, policies=False)
        check(lab.layer_sa(t.out)["prio"] in (1, "high"), "%r" % lab.layer_sa(t.out))
    finally:
        lab.write(lab.PARAMS + "high_prio", old or "\n")


# ---- policy routes ----

@contextlib.contextmanager
def routeless():
    """Gives a function that counts packets whose route went while they were held.

    xfrm chooses the route before a transform.  When a route is replaced, the kernel
    lets it discard what still has it after a grace period of RCU: that is what an
    engine, or the kernel's own asynchronous crypto, held for longer than that.
    """
    lines = [x.split() for x in lab.read("/proc/kallsyms").splitlines()]
    at = [int(x[0], 16) for x in lines if x[2] == "dst_discard_out"]
    d = "/sys/kernel/tracing/instances/routeless"
    event = d + "/events/skb/kfree_skb/"
    if not at or not os.path.exists("/sys/kernel/tracing/events/skb/kfree_skb"):
        yield lambda: 0
        return
    os.mkdir(d)
    try:
        # its return address
        lab.write(event + "filter", "location > 0x%x && location <= 0x%x" % (at[0], at[0] + 64))
        lab.write(event + "enable", "1")
        yield lambda: lab.read(d + "/trace").count(" kfree_skb: ")
    finally:
        lab.write(event + "enable", "0")
        os.rmdir(d)


def rerouted(case):
    """Endpoints on lo; a rule's table says which port leads there, and changes
    under load.  The SA is offloaded to a port that is not the one, half the time."""
    up = ["a: addr add 10.9.81.1/32 dev lo", "b: addr add 10.9.81.2/32 dev lo",
          "a: rule add to 10.9.81.2 lookup 110", "b: rule add to 10.9.81.1 lookup 110",
          "a: route add 10.9.81.2 via 10.9.1.2 dev va src 10.9.81.1 table 110",
          "b: route add 10.9.81.1 via 10.9.1.1 dev vb src 10.9.81.2 table 110"]
    down = ["a: addr del 10.9.81.1/32 dev lo", "b: addr del 10.9.81.2/32 dev lo",
            "a: rule del to 10.9.81.2 lookup 110", "b: rule del to 10.9.81.1 lookup 110",
            "a: route flush table 110", "b: route flush table 110"]
    with devices(up, down), routeless() as gone:
        lab.OUTER[0] = lambda fam, pair="v": ("10.9.81.1", "10.9.81.2")
        # across the NICs the two directions are no one's order
        t = case.tunnel("gcm128", ("tunnel", 4, 4), dev="va", window=1024)
        flow = [lab.Flow(*t.inner, None, lab.PEER, 100), lab.Flow(*t.inner[::-1], lab.PEER, None, 100)]
        for n in range(4):
            time.sleep(0.6 * lab.SLOW)
            nic, net = ("e", 2) if n % 2 == 0 else ("v", 1)
            routes.a_and_b([
                "a: route replace 10.9.81.2 via 10.9.%d.2 dev %sa src 10.9.81.1 table 110" % (net, nic),
                "b: route replace 10.9.81.1 via 10.9.%d.1 dev %sb src 10.9.81.2 table 110" % (net, nic)])
        time.sleep(0.3 * lab.SLOW)
        ends = [f.stop() for f in flow]
        held = gone()
        # A received packet borrows its route; xfrm_input() drops it if that has gone.
        late = {ns: lab.stat_diff(was, ns).get("XfrmInError", 0) for ns, was in case.stat.items()}
        outward, inward = held + late[lab.PEER], late[None]
        if outward or inward:
            lab.note("%d packets were in an engine when their route went, %d and %d on their "
                     "way to xfrm_input()" % (held, *late.values()))
        check(sum(f["lost"] for f in ends) == outward + inward, "so many had no route any more: "
              "%d of an engine, %r of those received; lost are %r" % (
                  held, late, [f["lost"] for f in ends]))
        for f, name in zip(ends, ("A to B", "B to A")):
            check(not f["refused"] and not f["dup"] and f["got"] > 50, "%s: %r" % (name, f))
        case.used(t, ("" if outward else "o") + ("" if inward else "i"), least=50,
                  allow=("XfrmInError",))
        layer, b = lab.layer_sa(t.out)["packets"], case.b.sas()[t.out]["packets"]
        check(layer - b == outward, "the engine had %d, B %d" % (layer, b))
        for spi in (t.out, t.inn):
            n = [case.look.by_dev[d, spi] for d in ("vb", "eb")]
            check(min(n) >= 10, "frames on the two NICs: %r" % n)
        case.a.flush()
        case.b.flush()


# ---- queueing disciplines ----

def qdisc_packets(dev):
    """(packets sent, dropped) of the root qdisc"""
    m = re.search(r"Sent \d+ bytes (\d+) pkt \(dropped (\d+)", lab.sh("tc -s qdisc show dev %s root" % dev))
    return int(m[1]), int(m[2])


def shaped(commands, rate=0):
    """A qdisc on the port sees the finished ESP packets: all of them, and classes
    can be chosen by what the inner packet was marked with."""
    def test(case):
        for c in commands:
            code, text = lab.status("tc %s" % c)
            if code and ("nknown" in text or "not found" in text or "No such file" in text):
                lab.status("tc qdisc del dev va root")
                return "this kernel has no such qdisc: %s" % text.splitlines()[-1]
            check(not code, "tc %s: %s" % (c, text))
        try:
            for alg, shape in routes.SHAPES:
                t = case.tunnel(alg, shape)
                before = qdisc_packets("va")
                start = time.monotonic()
                n = (400000 if rate else 200000) // lab.SLOW
                lab.tcp_both(*t.inner, n)
                secs = time.monotonic() - start
                lab.ping(*t.inner, [0, 700, 1300])
                # a slow link makes fq_codel drop
                got = case.used(t, wire=not rate, peer=not rate, least=100 // lab.SLOW)
                if rate:
                    time.sleep(0.5 * lab.SLOW)
                case.look.read()
                sent, lost = (x - y for x, y in zip(qdisc_packets("va"), before))
                got = case.counts(t, wire=False, peer=False)
                # beside ESP there is a neighbour discovery now and then
                check(0 <= sent + lost - got["o"]["layer"] <= 2 and (rate or not lost) and
                      0 <= sent - case.look.spis[t.out] <= 2,
                      "the qdisc sent %d and dropped %d of %d; %d on the wire" % (
                          sent, lost, got["o"]["layer"], case.look.spis[t.out]))
                if rate:
                    # what the bucket held at the start is not waited for
                    least = (n * 8 - 200000) / rate
                    check(secs > least, "%.2f s for %d bytes, at least %.2f at that rate" % (
                        secs, n, least))
                case.start_same()
        finally:
            lab.status("tc qdisc del dev va root")
        return None
    return test


HTB = ["qdisc replace dev va root handle 1: htb default 20",
       "class add dev va parent 1: classid 1:1 htb rate 3mbit burst 15k",
       "class add dev va parent 1:1 classid 1:10 htb rate 1mbit ceil 3mbit burst 15k",
       "class add dev va parent 1:1 classid 1:20 htb rate 2mbit ceil 3mbit burst 15k",
       "qdisc add dev va parent 1:20 handle 20: fq_codel"]


def htb_by_mark(case):
    """A firewall mark of the inner packet stays with it through ESP and the engine,
    and a filter on the port sends it to a class."""
    for c in HTB + ["filter add dev va parent 1: protocol ip handle 0x7 fw flowid 1:10"]:
        code, text = lab.status("tc %s" % c)
        if code:
            lab.status("tc qdisc del dev va root")
            return "this kernel: %s" % text.splitlines()[-1]
    try:
        t = case.tunnel()
        x, y = lab.udp_pair(*t.inner)
        for mark, cls in ((7, "1:10"), (0, "1:20")):
            x.setsockopt(socket.SOL_SOCKET, 36, mark)
            before = class_packets(cls)
            # not 100 bytes: tshark takes one of those for RTCP and finds it malformed
            bad = lab.udp_both(x, y, [110] * 20)
            check(not bad, "mark %d: lost %d" % (mark, len(bad)))
            n = class_packets(cls) - before
            check(n == 20, "mark %d: %d of 20 packets in class %s" % (mark, n, cls))
        x.close()
        y.close()
        case.used(t)
    finally:
        lab.status("tc qdisc del dev va root")
    return None


def class_packets(cls):
    text = lab.sh("tc -s class show dev va")
    m = re.search(r"class htb %s .*?Sent \d+ bytes (\d+) pkt" % re.escape(cls), text, re.S)
    return int(m[1])


def main():
    routes.run([
        ("ESP in ESP, one policy with two templates", two_transforms),
        ("GRE over ESP", over_esp("gre")),
        ("VXLAN over ESP", over_esp("vxlan")),
        ("ESP over VXLAN", within("vxlan")),
        ("ESP in GRE in ESP", esp_in_gre_in_esp),
        ("forwarded traffic, and local beside it", forwarded),
        ("forwarded traffic, taken together by GRO", grouped),
        ("nftables: flowtable", flowtable),
        ("nftables: marks choose the SA", marks),
        ("a mark gives an SA priority", priority_by_mark),
        ("a policy route changes the port under load", rerouted),
        ("fq_codel on the port", shaped(["qdisc replace dev va root fq_codel"])),
        ("HTB with fq_codel on the port", shaped(HTB, 3e6)),
        ("HTB class by the inner packet's mark", htb_by_mark),
    ], [
        ("GRE over ESP, IPv6", over_esp("gre", True)),
        ("VXLAN over ESP, IPv6", over_esp("vxlan", True)),
        ("ESP over GRE", within("gretap")),
    ])


main()
