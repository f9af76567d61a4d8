#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Ports: which devices advertise the offload, what changes that, and what is said
when an SA is not offloaded."""
import errno
import os
import socket
import struct

import esplab as lab
import xfrmnl
from esplab import check

FEATURE = "esp-hw-offload"


def features(dev="'*'", ns=None):
    """{device: on, off, or fixed}, of all devices by one program."""
    found, name = {}, None
    for line in lab.sh("ethtool -k %s" % dev, ns=ns).splitlines():
        if line.startswith("Features for "):
            name = line.split()[-1].rstrip(":")
        elif line.strip().startswith(FEATURE + ":"):
            found[name] = "fixed" if "fixed" in line else line.split(":")[1].split()[0]
    return found


def feature(dev, ns=None):
    """That of one."""
    return features(dev, ns).get(dev, "unknown")


def toggle(dev, on):
    lab.sh("ethtool -K %s %s %s" % (dev, FEATURE, "on" if on else "off"))


DEVICES = [
    ("veth0", "ip link add veth0 type veth peer name veth1"),
    ("vlan5", "ip link add link va name vlan5 type vlan id 5"),
    ("br0", "ip link add br0 type bridge"),
    ("mv0", "ip link add link ea name mv0 type macvlan mode bridge"),
    ("dum0", "ip link add dum0 type dummy"),
]


def make_devices():
    for dev, cmd in DEVICES:
        if not os.path.exists("/sys/class/net/" + dev):
            lab.sh(cmd)


def del_devices():
    for dev, _ in DEVICES:
        lab.status("ip link del " + dev)


def all_ports():
    return ["va", "ea"] + [d for d, _ in DEVICES]


def kinds(_a, _b):
    make_devices()
    got = features()
    for dev in all_ports():
        check(got[dev] == "on", "%s: %s" % (dev, got[dev]))
        check(lab.kv("ports", port=dev)[0]["feature"] == "on", "%s in debugfs" % dev)
    check(feature("lo") == "fixed" and not lab.kv("ports", port="lo"), "lo is a port")


def not_ours(_a, _b):
    """Devices with operations of their own."""
    if lab.status("modprobe netdevsim")[0]:
        return "no netdevsim in this kernel"
    lab.write("/sys/bus/netdevsim/new_device", "7 1")
    try:
        d = lab.wait_for(lambda: [x for x in os.listdir("/sys/class/net") if os.path.exists(
            "/sys/class/net/%s/device/new_port" % x)])
        check(d, "no netdevsim device")
        check(not lab.kv("ports", port=d[0]), "%s is a port of ours" % d[0])
        # added with its own engine, which says so in its own debugfs
        lab.sh("ip addr add 10.9.77.1/24 dev %s; ip link set %s up" % (d[0], d[0]))
    finally:
        lab.write("/sys/bus/netdevsim/del_device", "7")
    return None


def toggles(_a, _b):
    make_devices()
    for dev in all_ports():
        toggle(dev, False)
        check(feature(dev) == "off", "%s stays on" % dev)
        check(lab.kv("ports", port=dev)[0]["feature"] == "off", "%s in debugfs" % dev)
        lab.status("ethtool -K %s gro off" % dev)
        lab.sh("ip link set %s mtu 1400" % dev)
        check(feature(dev) == "off", "%s: on again by itself" % dev)
        toggle(dev, True)
        lab.status("ethtool -K %s gro on" % dev)
        lab.sh("ip link set %s mtu 1500" % dev)
        check(feature(dev) == "on", "%s: off again by itself" % dev)
    # features of what is below make the others' be computed again
    lab.status("ethtool -K va sg off; ethtool -K va sg on; ethtool -K ea sg off; ethtool -K ea sg on")
    got = features()
    for dev in all_ports():
        check(got[dev] == "on", "%s lost it with its lower device's features" % dev)


def patterns(_a, _b):
    make_devices()
    for text, wanted in (("va", {"va"}), ("v*", {"va", "veth0", "vlan5"}),
                         ("*,!va", set(all_ports()) - {"va"}),
                         ("* !v* veth0", {"ea", "br0", "mv0", "dum0", "veth0"}),
                         ("nothing", set()), ("*", set(all_ports()))):
        lab.write(lab.PARAMS + "ports", text)
        got = features()
        for d in all_ports():
            check(got[d] == ("on" if d in wanted else "fixed"), "%r: %s is %s" % (text, d, got[d]))
    # a device that comes later
    lab.write(lab.PARAMS + "ports", "*,!new*")
    lab.sh("ip link add new0 type dummy; ip link add old0 type dummy")
    try:
        check(feature("new0") == "fixed" and feature("old0") == "on", "new devices")
        lab.sh("ip link set new0 name ok0; ip link set old0 name new1")
        check(lab.wait_for(lambda: feature("ok0") == "on" and feature("new1") == "fixed"),
              "renamed: %s %s" % (feature("ok0"), feature("new1")))
    finally:
        for d in ("new0", "old0", "ok0", "new1"):
            lab.status("ip link del " + d)
        lab.write(lab.PARAMS + "ports", "*")
    check("*" == lab.read(lab.PARAMS + "ports").strip(), "the parameter reads back")


def deselected_with_sas(a, b):
    """A port that is not wanted any more keeps the SAs that it has."""
    t = lab.Tunnel(a, b)
    lab.write(lab.PARAMS + "ports", "*,!va")
    try:
        check(t.offloaded() == (True, True), "the SAs left")
        check(not lab.ping(*t.inner, [0, 100])[0], "no traffic")
        check(lab.layer_sa(t.out)["packets"] == 2, "%r" % lab.layer_sa(t.out))
        u = lab.Tunnel(a, b, policies=False)
        check(u.offloaded() == (False, False), "a new one is offloaded")
    finally:
        lab.write(lab.PARAMS + "ports", "*")


def off_with_sas(a, b):
    """Turned off: SAs that are there stay, new ones run in software and are told
    why; both pass traffic."""
    t = lab.Tunnel(a, b)
    toggle("va", False)
    try:
        check(t.offloaded() == (True, True), "the SAs left")
        check(not lab.ping(*t.inner, [0, 100])[0], "no traffic")
        check(lab.layer_sa(t.out)["packets"] == 2, "%r" % lab.layer_sa(t.out))
        t.del_sas(t.out, t.inn)
        t.new_sas()
        check(t.offloaded() == (False, False), "a new one is offloaded")
        told(t.warnings, "esp-hw-offload is off")
        check(not lab.ping(*t.inner, [0, 100])[0], "no traffic in software")
    finally:
        toggle("va", True)
    t.del_sas(t.out, t.inn)
    t.new_sas()
    check(t.offloaded() == (True, True), "not offloaded after it is on again")


def told(warnings, text):
    """The reason: extack from 6.3 on, the log before that."""
    if lab.KVER >= (6, 3):
        check(all(text in w for w in warnings), "told %r" % warnings)
    else:
        check(text in lab.sh("dmesg | tail -n 20"), "nothing in the log")


def renamed(a, b):
    if lab.KVER < (6, 2):
        return "a device that is up cannot be renamed"
    t = lab.Tunnel(a, b)
    lab.sh("ip link set va name wan0")
    try:
        check(lab.wait_for(lambda: lab.kv("ports", port="wan0")), "no port wan0")
        check(t.offloaded() == (True, True), "the SAs left")
        check(not lab.ping(*t.inner, [0, 100])[0], "no traffic")
        check(lab.wait_for(lambda: lab.layer_sa(t.out)["port"] == "wan0"),
              "%r" % lab.layer_sa(t.out))
        check("dev wan0" in lab.sh("ip xfrm state"), "ip xfrm state does not say wan0")
    finally:
        lab.sh("ip link set wan0 name va")
    return None


def shown(a, b):
    """What a user sees of an offloaded SA."""
    lab.Tunnel(a, b, "gcm128", ("tunnel", 4, 4))
    text = lab.sh("ip xfrm state")
    for way in ("in", "out"):
        want = "crypto offload parameters: dev va dir %s" % way
        check(want in text, "no %r in: %s" % (want, text))


STATE = ("ip xfrm state add src 10.9.1.1 dst 10.9.1.2 proto esp spi 0x%x mode transport "
         "aead 'rfc4106(gcm(aes))' 0x%s 128 %s offload %s dev va dir out")


def ip_words(a, _b):
    """ip xfrm prints the reason: refused in packet mode, a warning in software."""
    key = "ab" * 20
    code, text = lab.status(STATE % (lab.next_spi(), key, "", "packet"))
    if lab.KVER >= (6, 3):
        check(code and "packet offload is not supported" in text, "%d %s" % (code, text))
    check(not a.sas() or lab.KVER < (6, 3), "a state is there")
    a.flush()
    toggle("va", False)
    try:
        code, text = lab.status(STATE % (lab.next_spi(), key, "", ""))
        check(not code, text)
        if lab.KVER >= (6, 3):
            check("esp-hw-offload is off" in text, "ip said %r" % text)
    finally:
        toggle("va", True)
    code, text = lab.status(STATE % (lab.next_spi(), key, "", ""))
    check(not code and not text, "ip said %r" % text)


def packet_mode(a, b):
    if lab.KVER < (6, 2):
        return "this kernel has no packet offload"
    idx = socket.if_nametoindex("va")
    for flags in (xfrmnl.OFF_PACKET, xfrmnl.OFF_PACKET | xfrmnl.OFF_INBOUND):
        try:
            a.add_sa(lab.a4(), lab.b4(), lab.next_spi(), lab.ALGS["gcm128"],
                     (os.urandom(20),), offload=(idx, flags))
            check(False, "accepted")
        except lab.NlError as e:
            check(e.errno == errno.EOPNOTSUPP, "%s" % e)
            check("packet offload is not supported" in e.msg, "told %r" % e.msg)
    return None


def bound_to_nothing(a, b):
    lab.write(lab.PARAMS + "bind", "va=nobody")
    try:
        t = lab.Tunnel(a, b)
        check(t.offloaded() == (False, False), "offloaded")
        told(t.warnings, "bound to is not registered")
        check(not lab.ping(*t.inner, [0, 100])[0], "no traffic")
    finally:
        lab.write(lab.PARAMS + "bind", "\n")


def no_engine(a, b):
    lab.rmmod("esp_ring_soft")
    try:
        t = lab.Tunnel(a, b)
        check(t.offloaded() == (False, False), "offloaded")
        told(t.warnings, "no engine is registered")
        check(not lab.ping(*t.inner, [0, 100])[0], "no traffic")
    finally:
        lab.insmod("esp_ring_soft")


def rules_checked(_a, _b):
    for name, bad in (("bind", "va"), ("bind", "va="), ("high_prio", "spi=5"),
                      ("high_prio", "mark=x"), ("completion_cpus", "soft.*=99"),
                      ("completion_cpus", "soft"), ("balance", "best"),
                      ("bind", "a=" + "x" * 40), ("ports", "x" * 600)):
        try:
            lab.write(lab.PARAMS + name, bad)
            check(False, "%s=%s is taken" % (name, bad[:20]))
        except OSError:
            pass
    for name, good in (("bind", "va=soft,eth*=x"), ("high_prio", "mark=0x10/0xf0 reqid=7"),
                       ("completion_cpus", "soft.*=1, x.encrypt=0"),
                       ("balance", "round-robin")):
        old = lab.read(lab.PARAMS + name)
        lab.write(lab.PARAMS + name, good)
        check(lab.read(lab.PARAMS + name).strip() == good, "%s reads %r" % (
            name, lab.read(lab.PARAMS + name)))
        lab.write(lab.PARAMS + name, old or "\n")


def tcp_encap(a, b):
    """ESP in TCP is not for us: software, or refused by the kernel itself."""
    try:
        w = a.add_sa(lab.a4(), lab.b4(), lab.next_spi(), lab.ALGS["gcm128"],
                     (os.urandom(20),), encap=(7, 4500, 4500),
                     offload=(socket.if_nametoindex("va"), 0))
    except lab.NlError as e:
        return "the kernel refuses it: %s" % e
    check(not any(s["offload"] for s in a.sas().values()), "offloaded")
    told([w], "only UDP encapsulation")
    return None


def bypass(s):
    """What a daemon does: its socket's own packets are exempt from policies.  In
    transport mode they would match."""
    v6 = s.family == socket.AF_INET6
    for way in (xfrmnl.IN, xfrmnl.OUT):
        sel = b"\0" * 40 + struct.pack("=HBBB3xiI", s.family, 0, 0, 0, 0, 0)
        pol = sel + xfrmnl.LFT + b"\0" * 32 + struct.pack("=IIBBBB4x", 0, 0, way, 0, 0, 0)
        s.setsockopt(socket.IPPROTO_IPV6 if v6 else socket.IPPROTO_IP,
                     35 if v6 else 17, pol)     # IPV6_XFRM_POLICY, IP_XFRM_POLICY


def udp_encap(a, b):
    """NAT traversal by hand; 6.1 refuses to offload such an SA at all."""
    socks = []
    try:
        for ns, fam, addr in ((None, socket.AF_INET, "0.0.0.0"), (None, socket.AF_INET6, "::"),
                              (lab.PEER, socket.AF_INET, "0.0.0.0"),
                              (lab.PEER, socket.AF_INET6, "::")):
            with lab.Ns(ns):
                s = socket.socket(fam, socket.SOCK_DGRAM)
                if fam == socket.AF_INET6:
                    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                s.bind((addr, 4500))
                bypass(s)
                s.setsockopt(socket.IPPROTO_UDP, 100, 2)    # UDP_ENCAP_ESPINUDP
                socks.append(s)
        for shape in (("tunnel", 4, 4), ("transport", 4, 4), ("tunnel", 6, 4)):
            a.flush()
            b.flush()
            try:
                t = lab.Tunnel(a, b, "gcm128", shape, sa_args={"encap": (2, 4500, 4500)})
            except lab.NlError as e:
                check(lab.KVER < (6, 6) and e.errno == errno.EINVAL, "%s" % e)
                return "this kernel: %s" % (e.msg or e)
            check(t.offloaded() == (True, True), "not offloaded: %r" % t.warnings)
            was = {n: lab.xfrm_stat(n) for n in (None, lab.PEER)}
            bad = lab.ping(*t.inner, [0, 1, 500, 1300, 3000])[0]
            check(not bad, "%s: pings %r, %r %r" % (
                lab.shape_name(shape), bad, [lab.stat_diff(o, n) for n, o in was.items()],
                lab.kv("sas")))
            lab.tcp_both(*t.inner, 50000)
            o, i = lab.layer_sa(t.out), lab.layer_sa(t.inn)
            check(o["encap"] == 1 and o["packets"] > 20 and i["packets"] > 20, "%r" % o)
            check(not lab.drops(o) and not lab.drops(i), "%r %r" % (o, i))
    finally:
        for s in socks:
            s.close()
    return None


def xfrm_interface(a, b):
    """An xfrm interface on an offloading port: outbound.  7.x takes no inbound
    if_id; before that the core puts a reference to the wrong device where input
    is asynchronous (on 6.1 the interface could never be deleted), so we refuse."""
    if lab.status("ip link add xf0 type xfrm dev va if_id 42")[0]:
        return "no xfrm interfaces"
    try:
        lab.sh("ip addr add 10.8.60.1/32 dev xf0; ip link set xf0 up mtu 1400; "
               "ip route add 10.8.60.2/32 dev xf0 src 10.8.60.1")
        lab.sh("ip -n peer addr add 10.8.60.2/32 dev lo; "
               "ip -n peer route add 10.8.60.1/32 via 10.9.1.1 src 10.8.60.2")
        try:
            t = lab.Tunnel(a, b, "gcm128", ("tunnel", 4, 4), policies=False,
                           sa_args={"if_id": 42}, sa_args_peer={})
            told(t.warnings[:1], "inbound SAs of xfrm interfaces")
        except lab.NlError as e:
            check(lab.KVER >= (6, 16) and "if_id" in e.msg, "%s" % e)
            lab.note("inbound: %s" % e.msg)
            a.flush()
            b.flush()
            t = lab.Tunnel(a, b, "gcm128", ("tunnel", 4, 4), policies=False,
                           sa_args={"if_id": 42}, sa_args_peer={}, dirs="o")
        check(t.offloaded() == (True, False), "%r" % (t.offloaded(),))
        p, q = "10.8.60.1", "10.8.60.2"
        for d, s in ((lab.OUT, (p, q)), (lab.IN, (q, p)), (lab.FWD, (q, p))):
            tm = t.outer if d == lab.OUT else t.outer[::-1]
            a.add_policy("%s/32" % s[0], "%s/32" % s[1], d, tm, "tunnel", if_id=42)
            tm = t.outer[::-1] if d == lab.OUT else t.outer
            b.add_policy(s[1], s[0], d, tm, "tunnel")
        check(not lab.ping(p, q, [0, 100, 1200] * 5)[0], "pings")
        lab.tcp_both(p, q, 50000)
        check(lab.layer_sa(t.out)["packets"] > 30, "%r" % lab.layer_sa(t.out))
    finally:
        a.flush()
        b.flush()
        code, text = lab.status("timeout 20 ip link del xf0")
        check(not code, "the interface cannot be deleted: %d %s" % (code, text))
        lab.status("ip -n peer addr del 10.8.60.2/32 dev lo")
        lab.status("ip -n peer route del 10.8.60.1/32")
    return None


def stacked_path(a, b):
    """The SA is offloaded to the device that owns the address, whatever is below:
    a bridge over va, a VLAN over va."""
    for kind in ("vlan", "bridge"):
        if kind == "vlan":
            lab.sh("ip link add link va name top type vlan id 9; "
                   "ip -n peer link add link vb name top type vlan id 9")
        else:
            lab.sh("ip link add top type bridge; ip link set va master top; "
                   "ip -n peer link add top type dummy")
        try:
            dev_b = "top" if kind == "vlan" else "vb"
            lab.sh("ip addr add 10.9.90.1/24 dev top; ip link set top up; ip link set va up; "
                   "ip -n peer addr add 10.9.90.2/24 dev %s; ip -n peer link set %s up" % (
                       dev_b, dev_b))
            lab.sh("ip neigh replace 10.9.90.2 lladdr %s dev top nud permanent; "
                   "ip -n peer neigh replace 10.9.90.1 lladdr %s dev %s nud permanent" % (
                       lab.mac(dev_b, lab.PEER), lab.mac("top"), dev_b))
            old = lab.OUTER[0]
            lab.OUTER[0] = lambda fam, pair="v": ("10.9.90.1", "10.9.90.2")
            try:
                t = lab.Tunnel(a, b, "gcm128", ("transport", 4, 4), dev="top")
            finally:
                lab.OUTER[0] = old
            check(t.offloaded() == (True, True), "%s: not offloaded" % kind)
            check(lab.wait_for(lambda: not lab.ping(*t.inner, [0])[0], 5), "%s: no ping" % kind)
            check(not lab.ping(*t.inner, [0, 500, 1300, 3000])[0], "%s: pings" % kind)
            lab.tcp_both(*t.inner, 60000)
            check(lab.layer_sa(t.out)["packets"] > 30 and
                  lab.layer_sa(t.inn)["packets"] > 30, "%r" % lab.kv("sas"))
        finally:
            a.flush()
            b.flush()
            lab.status("ip link set va nomaster; ip link del top; ip -n peer link del top; "
                       "ip -n peer addr del 10.9.90.2/24 dev vb")


def ppp(a, b):
    """PPP over a pair of pseudo terminals, between the two hosts."""
    if lab.status("modprobe ppp_async")[0]:
        return "no PPP"
    cmd = ("pppd nodetach noauth local nocrtscts lock noipv6 10.9.95.2:10.9.95.1 "
           "nodefaultroute noccp")
    code, _ = lab.status(
        "timeout 20 pppd pty \"ip netns exec peer %s notty\" noauth local noipv6 noccp "
        "nodefaultroute 10.9.95.1:10.9.95.2 unit 7 updetach </dev/null >/tmp/ppp.log 2>&1" % cmd.replace("nodetach ", "").
        replace("lock ", ""))
    if code or not lab.wait_for(lambda: os.path.exists("/sys/class/net/ppp7"), 5):
        return "pppd does not come up"
    try:
        check(feature("ppp7") == "on", "ppp7: %s" % feature("ppp7"))
        old = lab.OUTER[0]
        lab.OUTER[0] = lambda fam, pair="v": ("10.9.95.1", "10.9.95.2")
        try:
            t = lab.Tunnel(a, b, "gcm128", ("transport", 4, 4), dev="ppp7")
        finally:
            lab.OUTER[0] = old
        check(t.offloaded() == (True, True), "not offloaded")
        check(lab.wait_for(lambda: not lab.ping(*t.inner, [0])[0], 5), "no ping")
        check(not lab.ping(*t.inner, [0, 500, 1300])[0], "pings")
        check(lab.layer_sa(t.out)["packets"] >= 4, "%r" % lab.layer_sa(t.out))
    finally:
        lab.status("kill $(cat /run/ppp7.pid)")
    check(lab.wait_for(lambda: not os.path.exists("/sys/class/net/ppp7"), 10), "ppp7 stays")
    check(lab.wait_for(lambda: not lab.kv("sas"), 20), "SAs outlive it")
    return None


def main():
    lab.load()
    lab.hosts_up()
    a, b = lab.both_hosts()

    def fresh(fn):
        def test():
            lab.load()
            a.flush()
            b.flush()
            return fn(a, b)
        return test

    def unload():
        """No feature bit, no operations left behind."""
        a.flush()
        b.flush()
        make_devices()
        lab.Tunnel(a, b)
        a.flush()
        b.flush()
        for m in ("esp_ring_soft", "esp_ring"):
            lab.rmmod(m)
        got = features()
        for dev in all_ports():
            check(got[dev] == "fixed", "%s: %s" % (dev, got[dev]))
        # on once more, and with devices that it finds
        lab.load()
        got = features()
        for dev in all_ports():
            check(got[dev] == "on", "%s: %s, loaded again" % (dev, got[dev]))
        for m in ("esp_ring_soft", "esp_ring"):
            lab.rmmod(m)
        del_devices()

    lab.run_tests([(n, fresh(f)) for n, f in (
        ("kinds of devices", kinds),
        ("devices with offload of their own", not_ours),
        ("ethtool on and off, and it sticks", toggles),
        ("parameter ports", patterns),
        ("deselected with SAs", deselected_with_sas),
        ("turned off with SAs", off_with_sas),
        ("renamed with SAs", renamed),
        ("ip xfrm state shows it", shown),
        ("ip xfrm tells why not", ip_words),
        ("packet mode is refused", packet_mode),
        ("bound to an engine that is not there", bound_to_nothing),
        ("no engine", no_engine),
        ("parameters are checked", rules_checked),
        ("ESP in TCP", tcp_encap),
        ("ESP in UDP", udp_encap),
        ("xfrm interface", xfrm_interface),
        ("VLAN and bridge over the port", stacked_path),
        ("PPP", ppp),
    )] + [("nothing is left behind", unload)])


main()
