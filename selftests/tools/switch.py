#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The in-tree mtk_eth_soc, mt7530 and DSA on the emulated MT7621: sockets wan and lan1 to
lan4, a host in a name space of its own at each.

What is sent in clear to wan is within 203.0.113.0/24, where run.py allows it."""
import glob
import json
import os
import re
import time

import esplab as lab
from esplab import check, sh

PORTS = ("wan", "lan1", "lan2", "lan3", "lan4")
LANS = PORTS[1:]
CONTROL = 0x1e312000            # selftests/qemu/hw/espring/mt7530_ctl.c
MAGIC, CABLES = 0, 4


def network(port):
    """A port's own /24."""
    return "203.0.113" if port == "wan" else "10.50.%d" % PORTS.index(port)


def host(port):
    """The name space behind it."""
    return "n-" + port


def cables(value=None):
    """Which are plugged in, a bit each."""
    if value is not None:
        sh("busybox devmem 0x%x 32 %d" % (CONTROL + CABLES, value))
    return int(sh("busybox devmem 0x%x 32" % (CONTROL + CABLES)), 0)


def clean():
    """No addresses, bridges, VLANs; hosts with a NIC that is up."""
    for name in ("br0",):
        if os.path.isdir("/sys/class/net/" + name):
            sh("ip link del " + name)
    for p in PORTS:
        for up in glob.glob("/sys/class/net/%s.*" % p):
            sh("ip link del " + os.path.basename(up))
        sh("ip link set %s nomaster" % p)
        sh("ip addr flush dev " + p)
        sh("ip link set %s mtu 1500" % p)
        sh("ip link set %s up" % p)
        sh("ip netns del " + host(p), ok=False)
    for p in PORTS:
        # the device comes back some time after its name space has gone
        check(lab.wait_for(lambda d="p-" + p: os.path.isdir("/sys/class/net/" + d), 10),
              "no NIC behind " + p)
        sh("ip netns add " + host(p))
        sh("ip link set p-%s netns %s" % (p, host(p)))
        for line in ("link set lo up", "link set p-%s up" % p):
            sh("ip -n %s %s" % (host(p), line))
    for p in PORTS:
        check(lab.wait_for(lambda d=p: carrier(d), 10), p + ": no link")


def carrier(dev):
    """Whether it has one."""
    try:
        return lab.read("/sys/class/net/%s/carrier" % dev).strip() == "1"
    except OSError:
        return False


def address(port, text, dev=None):
    """An address of the host behind a port."""
    sh("ip -n %s addr add %s dev %s" % (host(port), text, dev or "p-" + port))


def ping(to, port=None, count=3, size=56, more="", good=True):
    """From the host behind a port, or from the router."""
    code, out = lab.status("%sping -n -i 0.2 -W %d -c %d -s %d %s %s" % (
        "ip netns exec %s " % host(port) if port else "", lab.SLOW, count, size, more, to))
    got = re.search(r"(\d+) received", out)
    check((got and int(got.group(1)) == count) if good else code,
          "ping %s from %s: %s" % (to, port or "the router", out[-300:]))


def driver_counts(dev):
    """ethtool -S."""
    return {k: int(v) for k, v in re.findall(r"(\w+): (\d+)", sh("ethtool -S " + dev))}


def packets(dev):
    """Frames that a device has received, for the conduit those of the switch."""
    return int(lab.read("/sys/class/net/%s/statistics/rx_packets" % dev))


def bridge(more=""):
    """lan1 to lan4 in br0, and the hosts' addresses in its network."""
    clean()
    sh("ip link add br0 type bridge " + more)
    sh("ip link set br0 up")
    for n, p in enumerate(LANS, 1):
        sh("ip link set %s master br0" % p)
        address(p, "10.60.0.%d/24" % n)
    sh("ip addr add 10.60.0.254/24 dev br0")
    check(lab.wait_for(lambda: all(state(p) == "forwarding" for p in LANS), 40),
          "states: " + ", ".join(state(p) for p in LANS))


def state(port):
    """Of the spanning tree."""
    return json.loads(sh("bridge -j link show dev " + port))[0]["state"]


# ---- tests ----

def there():
    ids = {lab.read("/sys/class/net/%s/phys_switch_id" % p).strip() for p in PORTS}
    check(len(ids) == 1, "not one switch: %r" % ids)
    check(int(sh("busybox devmem 0x%x 32" % CONTROL), 0) == 0x30333537, "no control page")
    clean()
    for p in PORTS:
        said = sh("ethtool " + p)
        check("Speed: 1000Mb/s" in said and "Duplex: Full" in said, said)
    macs = [lab.read("/sys/class/net/%s/address" % p).strip() for p in PORTS]
    check(macs == ["52:54:00:e5:71:%02x" % i for i in range(5)], "addresses: %r" % macs)


def each():
    clean()
    for p in PORTS:
        sh("ip addr add %s.1/24 dev %s" % (network(p), p))
        address(p, network(p) + ".2/24")
    for p in PORTS:
        before = driver_counts(p)
        ping(network(p) + ".2", size=1472, more="-M do")
        after = driver_counts(p)
        check(after["RxDrop"] == before["RxDrop"], "drops at " + p)


def apart():
    """Ports without a bridge do not forward, whatever the destination."""
    clean()
    for n, p in enumerate(LANS, 1):
        address(p, "10.60.0.%d/24" % n)
    ping("10.60.0.2", "lan1", good=False)
    for n, p in ((1, "lan1"), (2, "lan2")):
        other = sh("cat /sys/class/net/p-lan%d/address" % (3 - n), ns=host("lan%d" % (3 - n)))
        sh("ip -n %s neigh replace 10.60.0.%d lladdr %s dev p-%s" % (
            host(p), 3 - n, other.strip(), p))
    ping("10.60.0.2", "lan1", good=False)


def offloaded():
    bridge()
    for n, p in enumerate(LANS, 1):
        ping("10.60.0.%d" % (n % 4 + 1), p)
        ping("10.60.0.254", p, size=1472, more="-M do")
    before = packets("eth0")
    ping("10.60.0.2", "lan1", count=20)
    seen = packets("eth0") - before
    check(seen < 10, "the switch forwards, yet eth0 saw %d of 40 packets" % seen)
    mac = sh("cat /sys/class/net/p-lan1/address", ns=host("lan1")).strip()
    fdb = [e for e in json.loads(sh("bridge -j fdb show dev lan1")) if e["mac"] == mac]
    check(fdb, "%s is not in lan1's table" % mac)


def ageing():
    bridge("ageing_time 300")
    mac = sh("cat /sys/class/net/p-lan1/address", ns=host("lan1")).strip()
    ping("10.60.0.2", "lan1")
    check(mac in sh("bridge fdb show dev lan1"), "not learned")
    sh("ip -n %s link set p-lan1 down" % host("lan1"))
    check(lab.wait_for(lambda: mac not in sh("bridge fdb show dev lan1"), 10), "not forgotten")
    sh("ip -n %s link set p-lan1 up" % host("lan1"))


def static():
    """An address that is not where the table says is not reached.  Sticky: a bridge
    moves a static address too, when its owner is heard elsewhere."""
    bridge()
    mac = sh("cat /sys/class/net/p-lan2/address", ns=host("lan2")).strip()
    ping("10.60.0.2", "lan1")
    sh("bridge fdb replace %s dev lan3 master static sticky" % mac)
    ping("10.60.0.2", "lan1", good=False)
    sh("bridge fdb del %s dev lan3 master" % mac)
    ping("10.60.0.1", "lan2")


def isolated():
    bridge()
    for p in ("lan1", "lan2"):
        sh("bridge link set dev %s isolated on" % p)
    ping("10.60.0.2", "lan1", good=False)
    ping("10.60.0.3", "lan1")
    ping("10.60.0.254", "lan1")
    sh("bridge link set dev lan2 isolated off")
    ping("10.60.0.2", "lan1")


def spanning_tree():
    """Two sockets joined by a bridge that knows no spanning tree: one must block."""
    bridge("stp_state 1 forward_delay 200 hello_time 100 max_age 600")
    ping("10.60.0.2", "lan1")
    ns = host("lan3")
    sh("ip -n %s link set p-lan4 netns %s" % (host("lan4"), ns))
    sh("ip -n %s link add loop type bridge" % ns)
    for d in ("p-lan4", "p-lan3", "loop"):
        if d != "loop":
            sh("ip -n %s link set %s master loop" % (ns, d))
        sh("ip -n %s link set %s up" % (ns, d))
    check(lab.wait_for(lambda: "blocking" in (state("lan3"), state("lan4")), 20),
          "no loop was found: %s %s" % (state("lan3"), state("lan4")))
    time.sleep(1)
    ping("10.60.0.2", "lan1")
    old = int(sh("cat /sys/class/net/p-lan1/statistics/rx_packets", ns=host("lan1")))
    time.sleep(2)
    more = int(sh("cat /sys/class/net/p-lan1/statistics/rx_packets", ns=host("lan1"))) - old
    check(more < 50, "a storm: %d packets in 2 s" % more)
    sh("ip -n %s link set p-lan4 nomaster" % ns)
    check(lab.wait_for(lambda: all(state(p) == "forwarding" for p in LANS), 40),
          "still blocked without the loop")


def vlans():
    bridge("vlan_filtering 1 vlan_default_pvid 0")
    for dev, vid, flags in (("lan1", 10, "pvid untagged"), ("lan2", 10, ""), ("lan2", 20, ""),
                            ("lan3", 20, "pvid untagged"), ("lan4", 10, "untagged"),
                            ("br0", 10, "self"), ("br0", 20, "self")):
        sh("bridge vlan add dev %s vid %d %s" % (dev, vid, flags))
    for p in LANS:
        sh("ip -n %s addr flush dev p-%s" % (host(p), p))
    for vid in (10, 20):
        sh("ip -n %s link add link p-lan2 name p-lan2.%d type vlan id %d" % (
            host("lan2"), vid, vid))
        sh("ip -n %s link set p-lan2.%d up" % (host("lan2"), vid))
        address("lan2", "10.70.%d.2/24" % vid, "p-lan2.%d" % vid)
        sh("ip link add link br0 name br0.%d type vlan id %d" % (vid, vid))
        sh("ip addr add 10.70.%d.254/24 dev br0.%d" % (vid, vid))
        sh("ip link set br0.%d up" % vid)
    address("lan1", "10.70.10.1/24")
    address("lan1", "10.70.20.1/24")
    address("lan3", "10.70.20.3/24")
    ping("10.70.10.2", "lan1")
    ping("10.70.20.2", "lan3")
    ping("10.70.10.254", "lan1", size=1472, more="-M do")
    ping("10.70.20.254", "lan3")
    ping("10.70.20.254", "lan2", size=1472, more="-M do")
    ping("10.70.20.3", "lan1", good=False)
    sh("bridge vlan del dev lan1 vid 10")
    ping("10.70.10.2", "lan1", good=False)
    # a port of its own beside it, and a VLAN on that
    sh("ip addr add 203.0.113.1/25 dev wan")
    address("wan", "203.0.113.2/25")
    sh("ip link add link wan name wan.100 type vlan id 100")
    sh("ip addr add 203.0.113.129/25 dev wan.100")
    sh("ip link set wan.100 up")
    sh("ip -n %s link add link p-wan name p-wan.100 type vlan id 100" % host("wan"))
    sh("ip -n %s link set p-wan.100 up" % host("wan"))
    address("wan", "203.0.113.130/25", "p-wan.100")
    ping("203.0.113.2")
    ping("203.0.113.130", size=1472, more="-M do")
    sh("ip link set br0 type bridge vlan_filtering 0")
    ping("203.0.113.130")


def flaps():
    clean()
    sh("ip addr add 203.0.113.1/24 dev wan")
    address("wan", "203.0.113.2/24")
    irqs = interrupts()
    for _ in range(5):
        cables(0x1e)
        check(lab.wait_for(lambda: not carrier("wan"), 5), "no cable, but a link")
        check(carrier("lan1"), "lan1 lost its link")
        ping("203.0.113.2", count=1, good=False)
        cables(0x1f)
        check(lab.wait_for(lambda: carrier("wan"), 10), "a cable, but no link")
        ping("203.0.113.2")
    check(interrupts() - irqs >= 10, "%d interrupts" % (interrupts() - irqs))


def interrupts():
    """Of the switch."""
    return sum(int(n) for line in lab.read("/proc/interrupts").splitlines()
               if re.search(r"mt7530(-|$| )|mdio-bus:1f$", line)
               for n in re.findall(r"\s(\d+)(?=\s)", line.split(":", 1)[1])[:os.cpu_count()])


def speeds():
    clean()
    sh("ip addr add 203.0.113.1/24 dev wan")
    address("wan", "203.0.113.2/24")
    for advertise, speed in (("0x008", "100Mb/s"), ("0x002", "10Mb/s"), ("0x03f", "1000Mb/s")):
        sh("ethtool -s wan autoneg on advertise " + advertise)
        check(lab.wait_for(lambda s=speed: "Speed: " + s in sh("ethtool wan"), 10),
              "%s: %s" % (speed, sh("ethtool wan")))
        check(lab.wait_for(lambda: carrier("wan"), 5), "no link")
        ping("203.0.113.2")


def mtu():
    clean()
    # the switch could take more than the frame engine, which adds a tag
    most = min(json.loads(sh("ip -j -d link show " + dev))[0]["max_mtu"] - tag
               for dev, tag in (("wan", 0), ("eth0", 4)))
    sh("ip addr add 203.0.113.1/24 dev wan")
    address("wan", "203.0.113.2/24")
    for size in (1400, 1504, 1560, most):
        code, why = lab.status("ip link set wan mtu %d" % size)
        check(not code, "%d: %s" % (size, why))
        sh("ip -n %s link set p-wan mtu %d" % (host("wan"), size))
        ping("203.0.113.2", size=size - 28, more="-M do")
    check(lab.status("ip link set wan mtu %d" % (most + 1))[0], "more than the most")
    lab.note("the most is %d" % most)


def streams():
    """TCP both ways over wan: every byte right, as the checksums are the engine's."""
    clean()
    sh("ip addr add 203.0.113.1/24 dev wan")
    address("wan", "203.0.113.2/24")
    sh("ip netns exec %s iperf3 -s -D -1" % host("wan"))
    time.sleep(1)
    said = json.loads(sh("iperf3 -J -c 203.0.113.2 -t 3"))
    lab.note("%.0f Mbit/s of TCP on the emulated CPU" % (
        said["end"]["sum_received"]["bits_per_second"] / 1e6))
    check(said["end"]["sum_received"]["bytes"] > 100000, "hardly anything arrived")


TESTS = (
    ("the ports are there, each with its address and a link", there),
    ("the router and the host behind each port reach each other", each),
    ("ports without a bridge are apart", apart),
    ("a bridge of lan1 to lan4, forwarded by the switch", offloaded),
    ("addresses age", ageing),
    ("an address that is set by hand", static),
    ("isolated ports", isolated),
    ("a loop, and the spanning tree", spanning_tree),
    ("VLANs", vlans),
    ("cables that are pulled and put in again", flaps),
    ("100, 10 and 1000 Mbit/s", speeds),
    ("MTUs", mtu),
    ("TCP", streams),
)

if __name__ == "__main__":
    lab.run_tests(TESTS)
