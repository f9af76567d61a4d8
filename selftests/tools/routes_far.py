# SPDX-License-Identifier: GPL-2.0-only
"""Further hosts for the route tests: a client behind A, and a far end behind the
peer, which is then a router."""
import contextlib

import esplab as lab
import routes

# the policies that block what is in the clear are for 10.9.0.0/16
CLIENT = "10.8.80.2"


class Path:
    """What traffic() and Load want of a tunnel: who talks to whom."""

    def __init__(self, src, dst):
        self.inner = (src, dst)


@contextlib.contextmanager
def client(t, mtu=1500):
    """A host behind A, in name space "cli"; the tunnel's policies are for it."""
    lab.sh("ip netns add cli; ip link add la type veth peer name eth0 netns cli")
    routes.sysctl("ipv4/ip_forward", 1)
    try:
        lab.ip_batch(["addr add 10.8.80.1/24 dev la", "link set la up mtu %d" % mtu])
        lab.ip_batch(["link set lo up", "addr add %s/24 dev eth0" % CLIENT,
                      "link set eth0 up mtu %d" % mtu, "route add default via 10.8.80.1"], "cli")
        lab.ip_batch(["route add 10.8.80.0/24 via 10.9.1.1 src %s" % t.inner[1]], lab.PEER)
        server = t.inner[1]
        for x, way in ((t.a, 0), (t.b, 1)):
            pairs = [((CLIENT, server), t.outer, lab.IN if way else lab.OUT),
                     ((server, CLIENT), t.outer[::-1], lab.OUT if way else lab.IN),
                     ((server, CLIENT), t.outer[::-1], lab.FWD)]
            for sel, tmpl, d in pairs[:2 if way else 3]:
                x.add_policy(*sel, d, tmpl, "tunnel", update=True)
        yield Path(CLIENT, server)
    finally:
        t.a.flush()
        t.b.flush()
        routes.sysctl("ipv4/ip_forward", 0)
        lab.status("ip link del la; ip netns del cli")
        lab.status("ip -n peer route del 10.8.80.0/24")


@contextlib.contextmanager
def far(case, v6, beyond, here):
    """A tunnel to name space "far", behind the peer: the link to there has one
    MTU, the peer's on our side another.  Software ESP at the far end."""
    lab.sh("ip netns add far; ip -n peer link add rf type veth peer name eth0 netns far")
    net = ("fd08:50::", 64) if v6 else ("10.8.50.", 24)
    x = lab.Xfrm("far")
    for name in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
        routes.sysctl(name, 1, lab.PEER)
    # the inner addresses are the far end's now
    fam = 6 if v6 else 4
    b_inner, bits = lab.inner(4)[1], 32
    # a router's own packets are not to be blocked
    host, gate = ("fd08:51::1", "fd08:51::2") if v6 else ("10.8.51.1", "10.8.51.2")
    try:
        routes.a_and_b([
            "a: addr add %s/%d dev va" % (host, net[1]),
            "b: addr add %s/%d dev vb" % (gate, net[1]),
            "a: neigh replace %s lladdr %s dev va nud permanent" % (gate, lab.mac("vb", lab.PEER)),
            "b: neigh replace %s lladdr %s dev vb nud permanent" % (host, lab.mac("va"))])
        lab.ip_batch(["addr add %s1/%d dev rf%s" % (*net, " nodad" if v6 else ""),
                      "link set rf up mtu %d" % beyond,
                      "addr del %s/%d dev lo" % (b_inner, bits),
                      "link set vb mtu %d" % here], lab.PEER)
        lab.ip_batch(["link set lo up", "addr add %s2/%d dev eth0%s" % (
                          *net, " nodad" if v6 else ""),
                      "addr add %s/32 dev lo" % b_inner, "link set eth0 up mtu %d" % beyond], "far")
        six = "-6 " if v6 else ""
        lab.sh("ip -n far %sroute add default via %s1" % (six, net[0]))
        if v6:
            # for the inner addresses any way will do: the policy sends them on
            lab.sh("ip -n far route add default dev eth0")
        lab.sh("ip %sroute add %s2 via %s" % (six, net[0], gate))
        lab.OUTER[0] = lambda *_: (host, net[0] + "2")
        x.flush_all()
        near = case.b
        case.b = x
        try:
            # the wire and errors are looked at on A and the peer
            t = case.tunnel("gcm128", ("tunnel", fam, 4))
            yield t
        finally:
            case.a.flush()
            x.flush()
            case.b = near
    finally:
        lab.OUTER[0] = None
        lab.status("ip netns del far; ip -n peer link del rf")
        lab.sh("ip %sroute del %s2 via %s" % (six, net[0], gate), ok=False)
        lab.sh("ip -n peer link set vb mtu 1500")
        routes.undo(["a: addr del %s/%d dev va" % (host, net[1]),
                     "b: addr del %s/%d dev vb" % (gate, net[1])])
        for name in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
            routes.sysctl(name, 0, lab.PEER)
        lab.hosts_up()
