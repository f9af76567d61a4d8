#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The MT7621 as people use it: strongSwan between sites, over VLAN and IPv6, with NAT on
the way, rekeyed under load, with a firewall's flowtable, with a cable that is pulled, and
fifty tunnels at once; wan does ESP offload."""
import concurrent.futures
import re

import esplab as lab
import router_lab as router
import swan_lab as swan
from esplab import check
from router_lab import FAR, HERE, HERE6, LAN, THERE6
from router_pppoe import over_pppoe
from switch import cables, carrier

MANY = 50
INTERNET = "203.0.113.7"


def pair(conf, b_ns=lab.PEER, edit=router.for_engine):
    """Both daemons of a configuration, with certificates where it wants them"""
    a, b = swan.pair(conf, edit=edit, b_ns=b_ns, start=False)
    if "cert" in conf:
        swan.certificates(a, b)
    # both at once: a daemon takes seconds to start here.  The one that may call, once
    # the other has what it will be asked for.
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda d: d.start(load=False), (b, a)))
    for d in (b, a):
        d.ctl("--load-all --noprompt")
    return a, b


def site_to_site(conf, **hosts):
    """The trap makes the tunnel when the first packet comes."""
    def test(board):
        router.wan_up()
        pair(conf)
        router.answers()
        router.through_engine(board, least=50, **hosts)
    return test


def rekeyed(board):
    """New keys every 4 s, four times, and the IKE SA's meanwhile."""
    router.wan_up()
    a, _ = pair("rekey-fast")
    router.answers()
    swan.offloaded(2)

    def children():
        return len(re.findall(r"CHILD_SA nets\{\d+\} established", a.log()))

    first = children()
    with router.Load(60 // lab.SLOW) as load:
        check(lab.wait_for(lambda: children() >= first + 4, 40, 0.5),
              "%d CHILD_SAs" % (children() - first))
    got, lost, errors = load.explained()
    n, off = swan.counted()
    check(n == off, "%d states, %d offloaded" % (n, off))
    done = board.done()
    check(all(d >= g for d, g in zip(done, got)), "%r arrived, the engine did %r" % (got, done))
    ike = len(re.findall(r"IKE_SA rekey\[\d+\] (?:rekeyed|established)", a.log()))
    lab.note("%d CHILD_SAs, %d IKE_SAs; %r datagrams arrived, %d lost %r; engine %r" % (
        children(), ike, got, lost, errors, done))


def vlan(board):
    """The provider's VLAN 7: the configuration is the same, the SAs are on wan.7."""
    for at, dev in (("", "wan"), ("-n peer ", "p-wan")):
        lab.sh("ip %slink add link %s name %s.7 type vlan id 7" % (at, dev, dev))
    router.wan_up("wan.7", "p-wan.7")
    pair("router")
    router.answers()
    router.through_engine(board, "wan.7", 100)


# ---- a NAT on the way: B masquerades, "far" is the other end ----

def nat(out):
    swan.masquerade(out, "meta l4proto udp", "to :10000-10999")


def no_nat():
    lab.status("ip netns exec peer nft delete table ip nat")


def in_udp():
    states = "".join(swan.states())
    check("espinudp" in states, "not in UDP: %s" % states)


def nat_responder(board):
    """Who is behind a NAT calls the router."""
    router.wan_up()
    nat("p-wan")
    _, c = pair("nat-t-server", FAR)
    c.up()
    router.through_engine(board, least=50, tcp=100000)
    in_udp()


def nat_initiator(board):
    """The router is behind a NAT itself."""
    router.wan_up()
    nat("rf")
    a, _ = pair("nat-t-client", FAR)
    a.up()
    check(a.said("behind NAT, sending keep alives"), "no NAT was found")
    router.through_engine(board, least=50, tcp=100000)
    in_udp()


def road_warrior(board):
    """A client with a virtual address and a password, behind a NAT."""
    router.wan_up()
    nat("p-wan")
    _, c, vip = swan.road_warrior(FAR, router.for_engine)
    router.through_engine(board, least=50, dst=vip, tcp=100000)
    in_udp()
    c.ctl("--terminate --ike office --timeout 10")
    check(lab.wait_for(lambda: swan.counted() == (0, 0), 5), "SAs stay")


def ipv6(board):
    """IPv6 outside, both families inside."""
    router.wan_up()
    lab.ip_batch(["addr replace fd00:2::1/64 dev wan nodad",
                  "route replace fd00:b::/64 via fd00:2::2"])
    lab.ip_batch(["addr replace fd00:2::2/64 dev p-wan nodad",
                  "route replace fd00:a::/64 via fd00:2::1"], lab.PEER)
    pair("site-to-site-ipv6")
    router.answers(src=HERE6, dst=THERE6)
    swan.offloaded(2)
    # who sends more than fits is told so; then it knows
    for p, q, ns in ((HERE6, THERE6, LAN), (THERE6, HERE6, FAR)):
        lab.ping(p, q, [1450], ns, timeout=0.2)
    router.hosts_talk(HERE6, THERE6)
    router.hosts_talk(tcp=0, sizes=(0, 500, 1300))
    check(all(":" in s.split()[1] for s in swan.states()), "SAs over IPv4")
    lab.note("%d packets in the engine" % router.proven(board, least=100))


# ---- firewall ----

def counter(chain):
    """Packets that a rule with a counter has seen, the first of a chain"""
    m = re.search(r"counter packets (\d+)", lab.sh("nft list chain inet router " + chain))
    check(m, "no counter in chain " + chain)
    return int(m[1])


def received():
    """Packets at the host behind lan1; the switch's own counters come seconds late"""
    return int(lab.sh("cat /sys/class/net/p-lan1/statistics/rx_packets", ns=LAN))


def naive(text):
    """Without the rules that keep tunnels out of the flowtable"""
    head, tail = text.split("chain forward", 1)
    for rule in ("\t\trt ipsec exists accept\n", "\t\tmeta ipsec exists accept\n"):
        check(rule in tail, "firewall.nft has no " + rule.strip())
        tail = tail.replace(rule, "")
    return head + "chain forward" + tail.replace('iifname "br-lan" oifname $wan accept', "accept")


def flowtable(board):
    """What the LAN has with the Internet takes the short cut, what goes through a tunnel
    is encrypted all the same: with the firewall as it is, and with one that puts the
    tunnel's flows into the flowtable too."""
    router.wan_up()
    pair("router")
    router.answers()
    swan.offloaded(2)
    for edit in (None, naive):
        router.firewall(edit=edit)
        slow, all_ = counter("forward"), received()
        lab.tcp_both(HERE, INTERNET, 200000, ns_a=LAN, ns_b=lab.PEER)
        slow, all_ = counter("forward") - slow, received() - all_
        check(0 < slow < all_ // 2, "%d of %d packets to lan1's host went the long way" % (slow, all_))
        was = swan.mark()
        router.hosts_talk(tcp=200000, sizes=(0, 500, 1300))
        n = router.proven(board, least=50, since=was if edit else None)
        check(not counter("leak"), "%d packets wanted to leave in clear" % counter("leak"))
        lab.note("%s: %d of %d packets went the long way; %d in the engine" % (
            "all in the flowtable" if edit else "firewall.nft", slow, all_, n))


# ---- a peer that is gone, and many ----

def cable(board):
    """wan's cable is pulled under load: the SAs go, and come back with the cable."""
    router.wan_up()
    a, _ = pair("dpd")
    router.answers()
    router.through_engine(board, tcp=30000)
    old = set(lab.Xfrm().sas())
    cables(router.ALL_CABLES & ~1)
    check(lab.wait_for(lambda: not carrier("wan"), 5), "no cable, but a link")
    check(carrier("lan1"), "lan1 has lost its link")
    check(lab.wait_for(lambda: not old & set(lab.Xfrm().sas()), 30, 0.2),
          "the SAs of a dead peer stay: %s" % a.log()[-2000:])
    check(lab.wait_for(lambda: not [s for s in lab.kv("sas") if int(s["spi"], 16) in old], 20),
          "in the layer: %r" % lab.kv("sas"))
    board.start()
    cables(router.ALL_CABLES)
    check(lab.wait_for(lambda: carrier("wan"), 10), "a cable, but no link")
    router.answers(40)
    router.through_engine(board, least=30, what=" afterwards", tcp=100000)


def repeat(text):
    """The configuration's one child, so many times"""
    m = re.search(r"^\t\t\tnet1 \{\n.*?^\t\t\t\}\n", text, re.M | re.S)
    check(m, "no child net1")
    return router.for_engine(text.replace(m[0], "".join(
        m[0].replace("net1", "net%d" % n).replace(".1.0/24", ".%d.0/24" % n)
        for n in range(1, MANY + 1))))


def many(board):
    """A ping each way in every one"""
    lab.ip_batch(["addr replace 10.1.%d.10/32 dev lo" % n for n in range(1, MANY + 1)], LAN)
    lab.ip_batch(["addr replace 10.2.%d.10/32 dev lo" % n for n in range(1, MANY + 1)], FAR)
    router.wan_up()
    a, _ = pair("many-networks", edit=repeat)
    x = lab.Xfrm()
    check(lab.wait_for(lambda: sum(bool(s["offload"]) for s in x.sas().values()) == 2 * MANY,
                       60, 0.3), "%d of %d SAs are offloaded: %s" % (
                           *swan.counted()[::-1], a.log()[-1000:]))
    for n in range(1, MANY + 1):
        for p, q, ns in (("10.1.%d.10" % n, "10.2.%d.10" % n, LAN),
                         ("10.2.%d.10" % n, "10.1.%d.10" % n, FAR)):
            check(not lab.ping(p, q, [100], ns)[0], "no answer from %s" % q)
    total = router.proven(board, least=4 * MANY)
    spis = swan.in_engine(4 * MANY)[1]
    check(total == 4 * MANY and set(spis.values()) == {2},
          "%d packets; by SA %r" % (total, sorted(set(spis.values()))))
    a.ctl("--terminate --ike site-b --timeout 20")
    check(lab.wait_for(lambda: not lab.kv("sas"), 30), "%d stay" % len(lab.kv("sas")))


def without_nat(fn):
    def test(board):
        try:
            fn(board)
        finally:
            no_nat()
    return test


def main():
    router.run([
        ("site to site, pre-shared key", site_to_site("site-to-site-psk")),
        ("site to site, certificates, ESN", site_to_site("site-to-site-cert", tcp=50000)),
        ("new keys every few seconds, under load", rekeyed),
        ("PPPoE on wan", over_pppoe),
        ("VLAN on wan", vlan),
        ("called from behind a NAT", without_nat(nat_responder)),
        ("behind a NAT itself", without_nat(nat_initiator)),
        ("a road warrior behind a NAT", without_nat(road_warrior)),
        ("IPv6 outside, both inside", ipv6),
        ("firewall and flowtable", flowtable),
        ("wan's cable is pulled", cable),
        ("%d tunnels at once" % MANY, many),
    ])


if __name__ == "__main__":
    main()
