#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Glue on an MT7621: the ports of mtk_eth_soc and, by DSA, of the switch behind it.
The board's tree names the engine (QEMU puts it there, see mt7621_boot.c).

Of an integrated kernel the layer is a part; there mtk_eth_soc has attached itself, so
that there is no time without glue.

Another engine of a higher rating is there, too, and host "n-wan" behind wan."""
import fnmatch
import os
import socket

import eip93lab
import esplab as lab
from esplab import check
from glue import bound

GLUE, ENGINE, OTHER = "esp_ring_mediatek", "eip93", "faulty0"
HOST = "n-wan"
WAN = ("203.0.113.1", "203.0.113.2")
SOCKETS = ("wan", "lan1", "lan2", "lan3", "lan4")
CONTROLLER = "/sys/bus/platform/devices/1e100000.ethernet"
NATIVE = lab.builtin("esp_ring")
BOUND = (ENGINE, "esp-engine", "crypto@1e004000", "mtk_soc_eth" if NATIVE else GLUE)
ANY = ("-", "any", "-", "-")


def glue():
    if not NATIVE:
        lab.insmod(GLUE)


def conduit():
    """The controller's own net_device"""
    found = [d for d in os.listdir(CONTROLLER + "/net") if d not in SOCKETS]
    check(found, "mtk_eth_soc has no net_device")
    return found[0]


def engine_of(a, dev, alg="cbc128-sha1"):
    spi = lab.next_spi()
    keys = tuple(os.urandom(n) for n in lab.ALGS[alg]["keys"])
    a.add_sa(*WAN, spi, lab.ALGS[alg], keys, offload=(socket.if_nametoindex(dev), 0))
    got = lab.layer_sa(spi)
    a.flush()
    check(got, "%s: not offloaded" % dev)
    return got["engine"]


def shown(_a, _b):
    for dev in () if NATIVE else SOCKETS + (conduit(), "va"):
        check(bound(dev) == ANY, "without glue %s: %r" % (dev, bound(dev)))
    glue()
    for dev in SOCKETS + (conduit(),):
        check(bound(dev) == BOUND, "%s: %r" % (dev, bound(dev)))
    check(bound("va") == ANY, "va: %r" % (bound("va"),))


def stacked(_a, _b):
    glue()
    try:
        lab.sh("ip link add link wan name wan.5 type vlan id 5; ip link add br5 type bridge; "
               "ip link set lan1 master br5; ip link set lan2 master br5; "
               "ip link add link br5 name br5.6 type vlan id 6")
        for dev in ("wan.5", "br5", "br5.6"):
            check(bound(dev) == BOUND, "%s: %r" % (dev, bound(dev)))
    finally:
        lab.status("ip link set lan1 nomaster; ip link set lan2 nomaster; "
                   "ip link del br5.6; ip link del br5; ip link del wan.5")


def chosen(a, _b):
    check(NATIVE or engine_of(a, "wan") == OTHER, "without glue: not by rating")
    glue()
    for dev in SOCKETS:
        check(engine_of(a, dev) == ENGINE, "%s: not the engine beside" % dev)
    check(engine_of(a, "wan", "gcm128") == OTHER, "what it cannot do")
    check(engine_of(a, "va") == OTHER, "va is beside no engine")


def traffic(a, b):
    """Both ways through wan, every packet in the engine beside."""
    glue()
    check("esp-hw-offload: on" in lab.sh("ethtool -k wan"), "wan has no offload")
    lab.OUTER[0] = lambda fam, pair="v": WAN
    try:
        t = lab.Tunnel(a, b, "cbc128-sha1", ("transport", 4, 4), dev="wan")
    finally:
        lab.OUTER[0] = None
    check(t.offloaded() == (True, True), "not offloaded: %r" % t.warnings)
    check(lab.wait_for(lambda: not lab.ping(*WAN, [0])[0], 5), "no ping")
    bad = lab.ping(*WAN, [0, 100, 1300] * 10)[0]
    check(not bad, "pings: %r" % bad)
    for spi in (t.out, t.inn):
        sa = lab.layer_sa(spi)
        check(sa["engine"] == ENGINE and sa["packets"] >= 31 and not sa["software"] and
              not lab.drops(sa), "%r" % sa)


def autoload(_a, _b):
    alias = lab.read(CONTROLLER + "/modalias").strip()
    mine = lab.sh("modinfo -F alias %s/%s.ko" % (lab.module_dir(), GLUE)).split()
    check(any(fnmatch.fnmatchcase(alias, m) for m in mine), "%s: %r" % (alias, mine))


def set_up():
    lab.load()
    lab.insmod("esp_ring_faulty", "rating=900")
    eip93lab.insmod()
    lab.sh("ip netns add %s; ip link set p-wan netns %s; ip -n %s link set lo up; "
           "ip -n %s link set p-wan up; ip -n %s addr add %s/24 dev p-wan" % (
               HOST, HOST, HOST, HOST, HOST, WAN[1]))
    lab.sh("ip link set %s up; ip link set wan up; ip addr replace %s/24 dev wan" % (
        conduit(), WAN[0]))
    check(lab.wait_for(lambda: lab.read("/sys/class/net/wan/carrier").strip() == "1", 20),
          "wan has no link")
    a, b = lab.Xfrm(), lab.Xfrm(HOST)
    for x in (a, b):
        x.flush_all()
    return a, b


def main():
    a, b = set_up()

    def fresh(fn):
        def test():
            a.flush_all()
            b.flush_all()
            if lab.loaded(GLUE):
                lab.rmmod(GLUE)
            return fn(a, b)
        return test

    def leave():
        a.flush_all()
        b.flush_all()
        for m in (GLUE, "esp_ring_faulty", "esp_ring_soft", "esp_ring_eip93", "esp_ring"):
            lab.rmmod(m)
        lab.sh("ip addr flush dev wan; ip netns del " + HOST)

    lab.run_tests([(n, fresh(f)) for n, f in (
        ("ports tell their engine, and why", shown),
        ("VLAN and bridge over ports of the switch", stacked),
        ("an SA goes to the engine beside", chosen),
        ("packets through wan", traffic),
        ("the module's aliases", autoload),
    ) if not NATIVE or f != autoload] + [("all modules can go", leave)])


main()
