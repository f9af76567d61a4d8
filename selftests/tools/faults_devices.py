# SPDX-License-Identifier: GPL-2.0-only
"""Ports and their links go away while packets flow."""
import os
import time

import esplab as lab
import xfrmnl
from esplab import check
from faults_lab import alive


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


TESTS = [
    ("link down and up under load", link_down),
    ("veth removed under load", device_removed("veth")),
    ("VLAN removed under load", device_removed("vlan")),
    ("macvlan removed under load", device_removed("macvlan")),
    ("bridge removed under load", device_removed("bridge")),
    ("removed after its feature went off", feature_off_then_removed),
    ("name space destroyed under load", netns_destroyed),
    ("port moved to another name space under load", netns_move),
]
