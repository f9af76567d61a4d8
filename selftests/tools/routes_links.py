#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Routes by the device that the offloaded SA's packets take: the port itself and
what can be stacked on it."""
import contextlib
import re
import socket
import time

import esplab as lab
import routes
from esplab import check
from routes import SHAPES, addresses, answers, devices, traffic

PPP_A, PPP_B = "10.9.95.1", "10.9.95.2"


def both_shapes(case, dev, tags=None, shapes=SHAPES, **args):
    """Traffic in two shapes over what addresses() has set up."""
    for alg, shape in shapes:
        t = case.tunnel(alg, shape, dev=dev, **args)
        answers(t)
        traffic(t)
        case.used(t)
        if tags is not None:
            seen = {x for spi in (t.out, t.inn) for x in case.look.tags[spi]}
            # a NIC that takes the tag off shows one less to who looks
            check(seen <= {tags, tags[1:]}, "tags on the wire: %r" % seen)
        case.a.flush()
        case.b.flush()


def port(dev):
    def test(case):
        both_shapes(case, dev, pair=dev[0])
        # and what a stream of full packets makes of it
        t = case.tunnel(pair=dev[0])
        lab.tcp_both(*t.inner, 1000000 // lab.SLOW)
        case.used(t, least=400 // lab.SLOW)
    return test


def vlan(case):
    """A VLAN owns the address; then the SA is on the port below it."""
    up = [h + "link add link v%s name lan5 type vlan id 5" % h[0] for h in ("a: ", "b: ")]
    with devices(up, [h + "link del lan5" for h in ("a: ", "b: ")]):
        addresses("lan5", "lan5", 60)
        both_shapes(case, "lan5", (0x8100,))
        both_shapes(case, "va", (0x8100,), SHAPES[:1])


def qinq(case):
    up, down = [], []
    for h in ("a: ", "b: "):
        up += [h + "link add link v%s name s5 type vlan proto 802.1ad id 5" % h[0],
               h + "link set s5 up",
               h + "link add link s5 name c7 type vlan id 7"]
        down += [h + "link del c7", h + "link del s5"]
    with devices(up, down):
        addresses("c7", "c7", 61)
        both_shapes(case, "c7", (0x88a8, 0x8100))


def bridge(case):
    """br-lan of a router: ports without addresses, the address on the bridge."""
    with devices(["a: link add br-lan type bridge", "a: link add lan2 type dummy",
                  "a: link set lan2 up", "a: link set lan2 master br-lan",
                  "a: link set va master br-lan"],
                 ["a: link set va nomaster", "a: link del br-lan", "a: link del lan2",
                  "b: addr del 10.9.62.2/24 dev vb", "b: addr del fd09:62::2/64 dev vb"]):
        addresses("br-lan", "vb", 62)
        both_shapes(case, "br-lan")
        # and where the SA is on the bridge's port
        both_shapes(case, "va", None, SHAPES[:1])


def macvlan(case):
    with devices(["a: link add link va name mv0 type macvlan mode private"],
                 ["a: link del mv0",
                  "b: addr del 10.9.63.2/24 dev vb", "b: addr del fd09:63::2/64 dev vb"]):
        addresses("mv0", "vb", 63)
        both_shapes(case, "mv0")


# ---- bonds ----

@contextlib.contextmanager
def bond(mode, net):
    why = routes.have_module("bonding")
    if why:
        yield why
        return
    # the module makes a bond0 of its own unless told not to
    up = []
    for h in ("a: ", "b: "):
        up += [h + "link add bond7 type bond mode %s miimon 50%s" % (
                   mode, " lacp_rate fast" if mode == "802.3ad" and lab.SLOW == 1 else "")]
        # a virtual NIC does not know its speed, and LACP does not join unequal ones
        lab.sh("ethtool -s v%s speed 1000 duplex full" % h[0], ns=lab.PEER if h[0] == "b" else None)
        for nic in "ve":
            up += [h + "link set %s%s down" % (nic, h[0]),
                   h + "link set %s%s master bond7" % (nic, h[0])]
    with devices(up, ["a: link del bond7", "b: link del bond7"]):
        addresses("bond7", "bond7", net)
        check(lab.wait_for(lambda: lab.read("/sys/class/net/bond7/carrier").strip() == "1", 10),
              "bond7 has no carrier")
        yield None


def active():
    return lab.read("/sys/class/net/bond7/bonding/active_slave").strip()


def settle(case, secs=10):
    """Until packets get through at all, by an SA that is not looked at"""
    t = lab.Tunnel(case.a, case.b, offload=False)
    answers(t, secs)
    check(lab.wait_for(lambda: not lab.ping(*t.inner, [0] * 20, timeout=0.5)[0], secs),
          "packets get lost")
    case.start_same()


def switch(dev):
    """Both ends change to that port, as soon as its link is up."""
    for ns, d in (("", dev), ("-n peer ", dev[0] + "b")):
        check(lab.wait_for(lambda n=ns, x=d: not lab.status(
            "ip %slink set bond7 type bond active_slave %s" % (n, x))[0], 10, 0.2),
              "%s does not become active" % d)


def bond_backup(case):
    """SAs on the bond's two ports; the active one changes, the SAs do not."""
    with bond("active-backup", 64) as why:
        if why:
            return why
        check(lab.wait_for(lambda: active() == "va", 5), "active: %r" % active())
        settle(case)
        both_shapes(case, "va")
        t = case.tunnel(dev="va")
        traffic(t)
        before = case.used(t)
        for dev in ("ea", "va"):
            switch(dev)
            # one of the two was first; what was lost then was lost by the bond
            answers(t)
            traffic(t)
            now = case.used(t, wire=False, peer=False)
            check(all(now[w]["layer"] >= before[w]["layer"] + 10 for w in "oi"),
                  "%r, then %r" % (before, now))
            before = now
        for spi in (t.out, t.inn):
            check(case.look.by_dev["vb", spi] > 10 and case.look.by_dev["eb", spi] > 10,
                  "frames by NIC: %r" % case.look.by_dev)
    return None


def bond_offload(case):
    """SAs on the bond itself are refused: its own operations would hand them to the
    active port's, which are ours, but from 6.15 on it then says of every packet
    that the port encrypts it, and the packet leaves as plaintext behind an ESP
    header."""
    with bond("active-backup", 65) as why:
        if why:
            return why
        lab.wait_for(lambda: active() == "va", 5)
        settle(case)
        software_on_bond(case)
    return None


def software_on_bond(case):
    t = case.tunnel(dev="bond7", want=(False, False))
    check(lab.KVER < (6, 3) or all("of a bond" in w for w in t.warnings), "%r" % t.warnings)
    traffic(t)
    case.software(t.out)
    case.software(t.inn)
    case.no_errors()
    case.start_same()


def aggregated():
    """Whether at either end both ports are in the aggregate, and each end knows of
    itself and of the other that it is in sync, collecting and distributing, neither
    by default nor expired: before that a port of one may throw away what the
    other already sends."""
    if lab.read("/sys/class/net/bond7/bonding/ad_num_ports").strip() != "2":
        return False
    for ns in (None, lab.PEER):
        states = [int(n) for n in re.findall(
            r"port state: (\d+)", lab.sh("cat /proc/net/bonding/bond7", ns=ns))]
        if len(states) != 4 or any(n & 0xf8 != 0x38 for n in states):
            return False
    return True


def bond_lacp(case):
    """802.3ad: SAs on one of the bond's ports; on the bond they are refused."""
    with bond("802.3ad", 66) as why:
        if why:
            return why
        check(lab.wait_for(aggregated, 20, 0.5),
              "no aggregate of two: %s" % lab.read("/proc/net/bonding/bond7"))
        settle(case)
        try:
            software_on_bond(case)
        except lab.NlError as e:
            # 6.12: its bonding finds no active port in this mode
            lab.note("on the bond: %s" % e)
            case.start_same()
        both_shapes(case, "ea")
    return None


# ---- PPPoE ----

@contextlib.contextmanager
def pppoe():
    """A session of real daemons at both ends: ppp7 at A, ppp0 at B."""
    conf = "/tmp/pppoe.options"
    lab.write(conf, "noauth\nnoccp\nnodefaultroute\n+ipv6\nlcp-echo-interval 0\n")
    server = client = None
    try:
        lab.sh("modprobe pppoe")
        server = lab.sh("pppoe-server -I vb -L %s -R %s -N 1 -C ac -O %s >/tmp/pppoe.server "
                        "2>&1; pgrep -n pppoe-server" % (PPP_B, PPP_A, conf), ns=lab.PEER).strip()
        client = lab.status(
            "timeout %d pppd plugin rp-pppoe.so nic-va unit 7 file %s updetach noipdefault "
            "</dev/null >/tmp/pppoe.client 2>&1" % (20 * lab.SLOW, conf))
        check(not client[0] and lab.wait_for(lambda: routes.exists("ppp7"), 5),
              "pppd: %r %s" % (client, lab.read("/tmp/pppoe.client")[-800:]))
        dev = lab.wait_for(lambda: [x for x in lab.sh(
            "ls /sys/class/net", ns=lab.PEER).split() if x.startswith("ppp")], 5)
        check(dev, "no ppp device at B")
        for ns, d, me, other in (("", "ppp7", 1, 2), ("-n peer", dev[0], 2, 1)):
            lab.sh("ip %s addr add fd09:95::%d/128 peer fd09:95::%d dev %s nodad" % (
                ns, me, other, d))
        lab.sh("ip route replace 10.9.11.2/32 dev ppp7 src 10.9.11.1; "
               "ip -n peer route replace 10.9.11.1/32 dev %s src 10.9.11.2; "
               "ip -6 route replace fd09:11::2/128 dev ppp7 src fd09:11::1; "
               "ip -n peer -6 route replace fd09:11::1/128 dev %s src fd09:11::2" % (
                   dev[0], dev[0]))
        lab.OUTER[0] = lambda fam, pair="v": (PPP_A, PPP_B) if fam == 4 else (
            "fd09:95::1", "fd09:95::2")
        yield
    finally:
        lab.OUTER[0] = None
        lab.status("kill $(cat /run/ppp7.pid)")
        if server:
            lab.status("kill " + server)
        lab.wait_for(lambda: not routes.exists("ppp7"), 10)
        lab.status("ip netns exec peer pkill -f '^pppoe |^/usr/sbin/pppoe |^pppd'")
        lab.hosts_up()


def over_pppoe(case):
    why = routes.have_module("pppoe")
    if why:
        return why
    with pppoe():
        both_shapes(case, "ppp7", (0x8864,))
        # the session goes, the kernel deletes what is offloaded to its device
        case.tunnel(dev="ppp7")
        lab.status("kill $(cat /run/ppp7.pid)")
        check(lab.wait_for(lambda: not routes.exists("ppp7"), 10), "ppp7 stays")
        check(lab.wait_for(lambda: not lab.kv("sas") and not case.a.sas(), 20),
              "SAs outlive ppp7: %r" % lab.kv("sas"))
    return None


# ---- routing domains and name spaces ----

def vrf(case):
    """The port in a VRF, sockets bound to it."""
    why = routes.have_module("vrf")
    if why:
        return why
    with devices(["a: link add blue type vrf table 107", "a: link set blue up",
                  "a: addr add 10.9.11.1/32 dev blue",
                  "a: addr add fd09:11::1/128 dev blue nodad",
                  "a: link set va master blue"],
                 ["a: link set va nomaster", "a: link del blue",
                  "b: addr del 10.9.67.2/24 dev vb", "b: addr del fd09:67::2/64 dev vb"]):
        lab.sh("ip addr del 10.9.11.1/32 dev lo; ip addr del fd09:11::1/128 dev lo", ok=False)
        addresses("va", "vb", 67, table="table 107")
        with routes.bound_to("blue"):
            both_shapes(case, "va")
    return None


def xfrm_interface(case):
    """Outbound in the engine.  Inbound in software: 7.x refuses to offload an SA
    with if_id, before that the core would lose count of the interface."""
    with devices(["a: link add xf0 type xfrm dev va if_id 42",
                  "a: addr add 10.8.60.1/32 dev xf0", "a: link set xf0 up mtu 1400",
                  "a: route add 10.8.60.2/32 dev xf0 src 10.8.60.1",
                  "b: addr add 10.8.60.2/32 dev lo",
                  "b: route add 10.8.60.1/32 via 10.9.1.1 src 10.8.60.2"],
                 ["b: addr del 10.8.60.2/32 dev lo", "b: route del 10.8.60.1/32"]):
        args = {"policies": False, "sa_args": {"if_id": 42}, "sa_args_peer": {}}
        try:
            t = case.tunnel(want=(True, False), **args)
            check("xfrm interfaces" in t.warnings[0] or lab.KVER < (6, 3), "%r" % t.warnings)
        except lab.NlError as e:
            check(lab.KVER >= (6, 16) and "if_id" in e.msg, "%s" % e)
            lab.note("inbound: %s" % e.msg)
            case.start()
            t = case.tunnel(want=(True, False), dirs="o", **args)
        t.inner = p, q = "10.8.60.1", "10.8.60.2"
        for d, s in ((lab.OUT, (p, q)), (lab.IN, (q, p)), (lab.FWD, (q, p))):
            tm = t.outer if d == lab.OUT else t.outer[::-1]
            case.a.add_policy(*s, d, tm, "tunnel", if_id=42)
            case.b.add_policy(*s[::-1], d, tm[::-1], "tunnel")
        traffic(t)
        case.used(t, "o")
        case.software(t.inn)
        case.a.flush()
        case.b.flush()
        code, text = lab.status("timeout 20 ip link del xf0")
        check(not code, "the interface cannot be deleted: %d %s" % (code, text))


def moved(case):
    """A port with SAs and traffic goes to another name space and works there; SAs
    of the name space it left are gone, with a software one left alone."""
    t = case.tunnel()
    plain = lab.Tunnel(case.a, case.b, policies=False, offload=False)
    traffic(t)
    case.used(t)
    lab.sh("ip netns add room")
    try:
        with lab.Load(t) as load:
            time.sleep(0.3 * lab.SLOW)
            lab.sh("ip link set va netns room")
            time.sleep(0.3 * lab.SLOW)
        check(load.a["got"] > 5, "no traffic before the move: %r" % load.a)
        left = case.a.sas()
        check(t.out not in left and t.inn not in left, "offloaded SAs stay behind")
        check(plain.out in left and plain.inn in left, "software SAs are gone")
        check(lab.wait_for(lambda: not lab.kv("sas"), 20), "in the layer: %r" % lab.kv("sas"))
        feature = lab.sh("ethtool -k va", ns="room")
        check("esp-hw-offload: on" in feature, "the feature is off in the new name space")
        in_room(case)
    finally:
        lab.status("ip -n room link set va netns 1")
        lab.status("ip netns del room")
        check(lab.wait_for(lambda: routes.exists("va"), 10), "va is gone")
        case.start()
        lab.hosts_up()
    t = case.tunnel()
    traffic(t)
    case.used(t)


def in_room(case):
    """The same tunnel from the port's new name space."""
    x = lab.Xfrm("room")
    lab.ip_batch(["link set lo up", "link set va up", "addr add 10.9.1.1/24 dev va",
                  "addr add 10.9.11.1/32 dev lo",
                  "route add 10.9.11.2/32 via 10.9.1.2 src 10.9.11.1",
                  "neigh replace 10.9.1.2 lladdr %s dev va nud permanent" % lab.mac(
                      "vb", lab.PEER)], "room")
    # stays with the name space: nothing leaves in the clear
    x.add_block("10.9.0.0/16", "10.9.0.0/16")
    case.b.flush()
    with lab.Ns("room"):
        idx = socket.if_nametoindex("va")
    real = socket.if_nametoindex
    socket.if_nametoindex = lambda name: idx if name == "va" else real(name)
    try:
        t = lab.Tunnel(x, case.b)
    finally:
        socket.if_nametoindex = real
    check(t.offloaded() == (True, True), "not offloaded there: %r" % t.warnings)
    bad, _ = lab.ping(*t.inner, [0, 500, 1300, 3000] * 3, "room", timeout=5)
    check(not bad, "pings from the new name space: %r" % bad)
    lab.tcp_both(*t.inner, 30000, ns_a="room")
    there = routes.Case(x, case.b, case.look)
    got = there.agreed(t, "oi", False)
    check(all(len(set(n.values())) == 1 and n["layer"] > 20 for n in got.values()), "%r" % got)
    x.flush()


def main():
    routes.run([
        ("the port itself, virtio-net", port("va")),
        ("VLAN", vlan),
        ("bridge with the address", bridge),
        ("bond, active-backup, SAs on a port", bond_backup),
        ("bond, active-backup, SAs on the bond", bond_offload),
        ("bond, 802.3ad", bond_lacp),
        ("PPPoE", over_pppoe),
        ("VRF", vrf),
        ("xfrm interface", xfrm_interface),
        ("a port moves to another name space", moved),
    ], [
        ("the port itself, e1000e", port("ea")),
        ("QinQ", qinq),
        ("macvlan", macvlan),
    ])


main()
