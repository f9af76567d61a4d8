#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Glue: which engine a port's SAs get by the device tree, and who is told.

The machine's four NICs are behind controllers of four kinds
(selftests/qemu/hw/espring/airoha_virt.c): one that no glue knows, and three whose
tree says more or less of the engine.  An engine of a higher rating than the
EIP-93's is there, too: what goes to the EIP-93 goes there because it is beside."""
import contextlib
import fnmatch
import os
import socket

import eip93lab
import esplab as lab
import routes
from esplab import check

NICS = (("va", None), ("ea", None), ("vb", lab.PEER), ("eb", lab.PEER))
GLUE = "esp_ring_airoha"
ENGINE, NODE = "eip93", "crypto@b000000"
RATED_HIGHER = {"engines": 1, "rating": 900}
CBC, GCM = "cbc128-sha1", "gcm128"


def slot(dev, ns):
    """The platform device that a NIC is on, by its path in sysfs."""
    path = lab.sh("readlink -f /sys/class/net/%s/device/.." % dev, ns=ns).strip()
    return path


def kind(dev, ns):
    """What is to be expected of a NIC: why, the engine's node, by the tree that is
    in memory."""
    node = slot(dev, ns) + "/of_node/"
    names = eip93lab.read_bytes(node + "compatible")
    if b"-eth" not in names:
        return "any", "-"
    if not os.path.exists(node + "esp-engine"):
        return "only-engine", NODE
    first = eip93lab.read_bytes(node + "esp-engine")[:4]
    for n in ("crypto@b000000", "control@b001000"):
        if eip93lab.read_bytes("/proc/device-tree/%s/phandle" % n) == first:
            return "esp-engine", n
    raise lab.Fail("%s: esp-engine names a strange node" % dev)


def kinds():
    found = {dev: kind(dev, ns) for dev, ns in NICS}
    check(len(set(found.values())) == 4, "not one of each kind: %r" % found)
    return found


def bound(dev):
    """(engine, why, node, glue) of a port; both directions must agree."""
    lines = lab.kv("ports", port=dev)
    got = {tuple(d[k] for k in ("engine", "why", "node", "glue")) for d in lines}
    check(len(lines) == 2 and len(got) == 1, "%s: %r" % (dev, lines))
    return got.pop()


def by_kind(dev, engine=ENGINE):
    """What debugfs has to say of a NIC"""
    why, node = kinds()[dev]
    if why == "any":
        return ("-", "any", "-", "-")
    return (engine, why, node, GLUE)


def named():
    """A NIC of A's that is beside an engine"""
    for dev in ("va", "ea"):
        if kinds()[dev][0] != "any":
            return dev
    raise lab.Fail("A has no such NIC")


def add(host, dev, ns, alg=CBC, flags=0):
    """An SA on a NIC; returns what the layer says of it."""
    spi = lab.next_spi()
    with lab.Ns(ns):
        idx = socket.if_nametoindex(dev)
    pair = dev[0]
    keys = tuple(os.urandom(n) for n in lab.ALGS[alg]["keys"])
    src, dst = (lab.b4(pair), lab.a4(pair)) if ns else (lab.a4(pair), lab.b4(pair))
    host.add_sa(src, dst, spi, lab.ALGS[alg], keys, offload=(idx, flags))
    got = lab.layer_sa(spi)
    check(got, "an SA on %s is not offloaded" % dev)
    return got


def engine_of(a, b, dev, alg=CBC):
    ns = dict(NICS)[dev]
    got = add(b if ns else a, dev, ns, alg)["engine"]
    a.flush()
    b.flush()
    return got


def without(a, b):
    """No glue: nobody says anything, and the rating decides."""
    for dev, _ in NICS:
        check(bound(dev) == ("-", "any", "-", "-"), "%s: %r" % (dev, bound(dev)))
        check(engine_of(a, b, dev) == "faulty0", "%s: not by rating" % dev)


def shown(_a, _b):
    lab.insmod(GLUE)
    for dev, _ in NICS:
        check(bound(dev) == by_kind(dev), "%s: %r, not %r" % (dev, bound(dev), by_kind(dev)))


def chosen(a, b):
    lab.insmod(GLUE)
    for dev, why in kinds().items():
        want = "faulty0" if why[0] == "any" else ENGINE
        got = engine_of(a, b, dev)
        check(got == want, "%s (%s): %s" % (dev, why[0], got))
        # what the engine beside cannot do goes to another
        check(engine_of(a, b, dev, GCM) == "faulty0", "%s: GCM" % dev)


def bind_wins(a, b):
    lab.insmod(GLUE)
    dev = named()
    lab.write(lab.PARAMS + "bind", dev + "=faulty0")
    try:
        want = ("faulty0", "bind") + by_kind(dev)[2:]
        check(bound(dev) == want, "%s: %r" % (dev, bound(dev)))
        check(engine_of(a, b, dev) == "faulty0", "the rule does not win")
    finally:
        lab.write(lab.PARAMS + "bind", "\n")
    check(engine_of(a, b, dev) == ENGINE, "the rule has gone")


def glue_goes(a, b):
    """SAs stay where they are, and nothing keeps the module."""
    lab.insmod(GLUE)
    dev = named()
    sa = add(a, dev, None)
    lab.rmmod(GLUE, 1)
    check(lab.layer_sa(int(sa["spi"], 16))["engine"] == ENGINE, "the SA moved")
    a.flush()
    check(bound(dev)[1] == "any" and engine_of(a, b, dev) == "faulty0", "without glue")
    lab.insmod(GLUE)
    check(engine_of(a, b, dev) == ENGINE, "with it again")


def traffic(a, b):
    """Packets through the engine beside; it goes, and its SAs with their traffic to
    the other; it is back for the next SA."""
    lab.insmod(GLUE)
    dev = named()
    t = lab.Tunnel(a, b, CBC, ("tunnel", 4, 4), pair=dev[0])
    check(t.offloaded() == (True, True), "not offloaded: %r" % t.warnings)

    def engines():
        return [lab.layer_sa(s)["engine"] for s in (t.out, t.inn)]

    check(engines() == [ENGINE] * 2, "%r" % engines())
    check(not lab.ping(*t.inner, [0, 100, 1300] * 5)[0], "pings")
    lab.rmmod("esp_ring_eip93")
    check(engines() == ["faulty0"] * 2, "after rmmod: %r" % engines())
    check(bound(dev) == by_kind(dev, "-"), "%r" % (bound(dev),))
    check(not lab.ping(*t.inner, [0, 100, 1300] * 5)[0], "pings after rmmod")
    eip93lab.insmod()
    check(bound(dev) == by_kind(dev), "%r" % (bound(dev),))
    t.del_sas(t.out, t.inn)
    t.new_sas()
    check(engines() == [ENGINE] * 2, "new SAs: %r" % engines())
    check(not lab.ping(*t.inner, [0, 100, 1300])[0], "pings at last")
    lab.tcp_both(*t.inner, 100000)
    for spi in (t.out, t.inn):
        sa = lab.layer_sa(spi)
        check(sa["packets"] > 30 and not lab.drops(sa), "%r" % sa)


@contextlib.contextmanager
def links(*lines):
    """Devices that are there for a while; the last word before the type is theirs."""
    made = []
    try:
        for line in lines:
            lab.sh("ip link " + line)
            if line.startswith("add "):
                made.append(line.split(" name ")[1].split()[0])
        yield
    finally:
        for dev in reversed(made):
            lab.status("ip link del " + dev)


def stacked(a, b):
    """What is stacked on a port has its engine; from several, the first that has
    one."""
    lab.insmod(GLUE)
    dev = named()
    want = by_kind(dev)
    with links("add link %s name v5 type vlan id 5" % dev,
               "add link v5 name v5.6 type vlan id 6",
               "add link v5.6 name mv5 type macvlan mode bridge",
               "add name br5 type bridge", "set v5 master br5",
               "add link %s name v9 type vlan id 9" % dev,
               "add name dum5 type dummy",
               "add link dum5 name v7 type vlan id 7",
               "add name br7 type bridge", "set v7 master br7"):
        for d in ("v5", "v5.6", "mv5", "br5", "v9"):
            check(bound(d) == want, "%s: %r" % (d, bound(d)))
        for d in ("v7", "br7", "dum5"):
            check(bound(d) == ("-", "any", "-", "-"), "%s: %r" % (d, bound(d)))
        lab.sh("ip link set v9 master br7")
        check(bound("br7") == want, "br7: %r" % (bound("br7"),))
        lab.sh("ip link set v9 nomaster")
        check(bound("br7")[1] == "any", "br7 stays bound")
        lab.sh("ip addr add 10.9.55.1/24 dev v5; ip link set v5 up")
        spi = lab.next_spi()
        keys = tuple(os.urandom(n) for n in lab.ALGS[CBC]["keys"])
        a.add_sa("10.9.55.1", "10.9.55.2", spi, lab.ALGS[CBC], keys,
                 offload=(socket.if_nametoindex("v5"), 0))
        check(lab.layer_sa(spi)["engine"] == ENGINE, "%r" % lab.layer_sa(spi))
    a.flush()
    b.flush()


def pppoe(a, _b):
    why = routes.have_module("pppoe")
    if why:
        return why
    lab.insmod(GLUE)
    dev = named()
    peer = dev[0] + "b"
    conf = "/tmp/glue.options"
    lab.write(conf, "noauth\nnoccp\nnodefaultroute\nlcp-echo-interval 0\n")
    lab.sh("modprobe pppoe")
    server = lab.sh("pppoe-server -I %s -L 10.9.97.2 -R 10.9.97.1 -N 1 -C ac -O %s >/tmp/glue.server "
                    "2>&1; pgrep -n pppoe-server" % (peer, conf), ns=lab.PEER).strip()
    try:
        code, text = lab.status(
            "timeout %d pppd plugin rp-pppoe.so nic-%s unit 7 file %s updetach noipdefault "
            "</dev/null 2>&1" % (20 * lab.SLOW, dev, conf))
        check(not code and lab.wait_for(lambda: lab.kv("ports", port="ppp7"), 5),
              "pppd: %r %s" % (code, text))
        check(bound("ppp7") == by_kind(dev), "ppp7: %r" % (bound("ppp7"),))
        spi = lab.next_spi()
        keys = tuple(os.urandom(n) for n in lab.ALGS[CBC]["keys"])
        a.add_sa("10.9.97.1", "10.9.97.2", spi, lab.ALGS[CBC], keys,
                 offload=(socket.if_nametoindex("ppp7"), 0))
        check(lab.layer_sa(spi)["engine"] == ENGINE, "%r" % lab.layer_sa(spi))
    finally:
        a.flush()
        lab.status("kill $(cat /run/ppp7.pid)")
        lab.status("kill " + server)
        lab.wait_for(lambda: not routes.exists("ppp7"), 10)
        lab.status("ip netns exec peer pkill -f '^pppoe |^/usr/sbin/pppoe |^pppd'")
    return None


def autoload(_a, _b):
    """The alias that the kernel gives a controller is one that the module has, of
    a device that is no controller it is not."""
    aliases = lab.sh("modinfo -F alias %s/%s.ko" % (lab.module_dir(), GLUE)).split()
    for dev, why in kinds().items():
        alias = lab.read(slot(dev, dict(NICS)[dev]) + "/modalias").strip()
        found = any(fnmatch.fnmatchcase(alias, a) for a in aliases)
        check(found == (why[0] != "any"), "%s: %s, %r" % (dev, alias, aliases))


def main():
    lab.load()
    lab.insmod("esp_ring_faulty", " ".join("%s=%s" % i for i in RATED_HIGHER.items()))
    eip93lab.insmod()
    lab.hosts_up()
    a, b = lab.both_hosts()

    def fresh(fn):
        def test():
            a.flush()
            b.flush()
            if lab.loaded(GLUE):
                lab.rmmod(GLUE)
            return fn(a, b)
        return test

    lab.run_tests([(n, fresh(f)) for n, f in (
        ("without glue", without),
        ("ports tell their engine, and why", shown),
        ("an SA goes to the engine beside", chosen),
        ("the parameter bind wins", bind_wins),
        ("the glue goes and comes", glue_goes),
        ("the engine goes and comes, under traffic", traffic),
        ("VLAN, QinQ, macvlan, bridge", stacked),
        ("PPPoE", pppoe),
        ("the module's aliases", autoload),
    )])


if __name__ == "__main__":
    main()
