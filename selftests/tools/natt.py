#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""NAT traversal with a real NAT between two daemons: A behind it, and A as the
gateway of somebody behind it.  Mappings change, keepalives come."""
import re
import socket
import struct
import time

import esplab as lab
import swan_lab as swan
from esplab import check
from routes import Look, have_module

# from 6.6 on the kernel takes an offloaded SA in UDP
CAN = lab.KVER >= (6, 6)
WHY = "the kernel refuses to offload ESP in UDP before 6.6; see the first test"


class Keepalives:
    """Packets of one byte 0xff on UDP port 4500, at B's NIC: of both directions"""

    def __init__(self):
        with lab.Ns(lab.PEER):
            self.s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            self.s.bind(("vb", 3))
        self.s.setblocking(False)

    def count(self):
        n = 0
        while True:
            try:
                p = self.s.recv(200)
            except BlockingIOError:
                return n
            if p[12:14] == b"\x08\x00" and p[23] == 17:
                o = 14 + (p[14] & 15) * 4
                ports = struct.unpack_from("!HHH", p, o)
                n += 4500 in ports[:2] and ports[2] == 9 and p[o + 8] == 0xff

    def close(self):
        self.s.close()


def client_up(hw="auto"):
    """A is behind B, which masquerades; C is the gateway."""
    swan.masquerade("rf", "meta l4proto udp", "to :10000-10999")
    a, c = swan.pair("nat-t-client", hw, b_ns="far")
    return a, c


def server_up():
    """C is behind B; A is the gateway."""
    swan.masquerade("vb", "meta l4proto udp", "to :10000-10999")
    return swan.pair("nat-t-server", b_ns="far")


def go(**args):
    swan.traffic(ns_b="far", **args)


def encap_ports(ns=None):
    """{(sport, dport)} of A's SAs"""
    return {tuple(map(int, x)) for x in re.findall(
        r"espinudp sport (\d+) dport (\d+)", lab.sh("ip xfrm state", ns=ns))}


def refused():
    """6.1: what the user is told, and that the configuration's advice is right."""
    if CAN:
        return "this kernel can"
    with swan.far_up():
        a, _ = client_up()
        code, text = a.ctl("--initiate --child nets --timeout %d" % (15 * lab.SLOW), None)
        n, off = swan.counted()
        check(not off and code, "%d states, %d offloaded: %s" % (n, off, text))
        lines = re.findall(r"\[\w+\] (.*(?:nvalid argument|unable to|can't be offloaded).*)", a.log())
        check(any("nvalid argument" in x or "can't be" in x for x in lines), a.log()[-1500:])
        lab.note("charon: %s" % "; ".join(dict.fromkeys(lines)))
        a, _ = client_up("no")
        a.up()
        check(swan.counted() == (2, 0), "%r" % (swan.counted(),))
        go()
    # by hand
    code, text = lab.status(
        "ip xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x7007 mode tunnel aead "
        "'rfc4106(gcm(aes))' 0x%s 128 encap espinudp 4500 4500 0.0.0.0 offload dev va dir out" % (
            "ab" * 20))
    check(code and ("can't be offloaded" in text or "Invalid argument" in text),
          "%d %s" % (code, text))
    lab.note("ip: %s" % text)
    return None


def behind():
    """A behind the NAT: found, in UDP, offloaded, and on the wire what was counted."""
    if not CAN:
        return WHY
    look = Look("vb")
    try:
        with swan.far_up():
            a, _ = client_up()
            a.up()
            check(a.said("behind NAT, sending keep alives"), "no NAT was found")
            swan.offloaded(2)
            check(encap_ports() == {(4500, 4500)}, "%r" % encap_ports())
            look.clear()
            go(tcp=300000)
            spis = {}

            def same():
                spis.update(swan.in_engine(60 // lab.SLOW)[1])
                look.read()
                return all(look.spis[s] == n for s, n in spis.items())

            # the last of TCP can come between one count and the other
            check(lab.wait_for(same, 3), "on the wire %r, by the SAs %r" % (look.spis, spis))
    finally:
        look.close()
    return None


def keepalives(server):
    """One byte a second each way; no SA takes them for packets."""
    def test():
        if not CAN:
            return WHY
        with swan.far_up():
            if server:
                _, c = server_up()
                c.up()
            else:
                a, _ = client_up()
                a.up()
            swan.offloaded(2)
            go()
            # the last packet of a connection comes when nobody waits for it
            time.sleep(0.5 * lab.SLOW)
            total, _ = swan.in_engine()
            seen = Keepalives()
            before = lab.xfrm_stat()
            time.sleep(4 * lab.SLOW)
            n = seen.count()
            seen.close()
            check(n >= 2, "%d keepalives in %d s" % (n, 4 * lab.SLOW))
            check(swan.in_engine()[0] == total, "an SA counted them")
            check(not lab.stat_diff(before), "%r" % lab.stat_diff(before))
            lab.note("%d keepalives" % n)
        return None
    return test


def remapped_far_away():
    """A's port on the outside changes: C learns it from A's packets; A's SAs are
    the same as before."""
    why = WHY if not CAN else have_module("nf_conntrack_netlink")
    if why:
        return why
    with swan.far_up():
        a, c = client_up()
        a.up()
        swan.offloaded(2)
        go()
        old = encap_ports("far")
        before = set(swan.in_engine()[1])
        swan.masquerade_again("rf", "meta l4proto udp", "to :20000-20999")
        check(lab.wait_for(lambda: not lab.ping("10.1.0.1", "10.2.0.1", [0], timeout=0.5)[0], 15),
              "no traffic after the mapping changed\n" + c.log()[-1500:])
        new = encap_ports("far")
        check(new != old and all(20000 <= d <= 20999 for s, d in new if d != 4500),
              "C's ports: %r, then %r" % (old, new))
        go()
        swan.in_engine()
        check(set(swan.in_engine()[1]) == before, "A's SAs are others")
    return None


def remapped():
    """A is the gateway: its inbound SA sees the new port, the kernel tells charon,
    charon installs the SA anew, offloaded."""
    why = WHY if not CAN else have_module("nf_conntrack_netlink")
    if why:
        return why
    with swan.far_up():
        a, c = server_up()
        c.up()
        swan.offloaded(2)
        go()
        old = encap_ports()
        check(all({s, d} & set(range(10000, 11000)) for s, d in old), "%r" % old)
        swan.in_engine()
        for n in range(3):
            low = 20000 + 1000 * n
            swan.masquerade_again("vb", "meta l4proto udp", "to :%d-%d" % (low, low + 999))
            # the one behind the NAT has to speak first
            check(lab.wait_for(lambda: not lab.ping("10.2.0.1", "10.1.0.1", [0], "far",
                                                    timeout=0.5)[0], 15),
                  "no traffic after change %d\n%s" % (n, a.log()[-1500:]))
            check(lab.wait_for(lambda low=low: all(
                {s, d} & set(range(low, low + 1000)) for s, d in encap_ports()), 5),
                  "A's SAs: %r, before %r" % (encap_ports(), old))
            swan.offloaded(2)
            time.sleep(0.2 * lab.SLOW)
            was = swan.mark()
            go()
            swan.in_engine(10, was)
        check(lab.wait_for(lambda: len(lab.kv("sas")) == 2, 20), "%r" % lab.kv("sas"))
    return None


def remapped_under_load():
    """The same while packets flow both ways: what is lost is what the NAT or the
    move lost, and the flow goes on."""
    why = WHY if not CAN else have_module("nf_conntrack_netlink")
    if why:
        return why
    with swan.far_up():
        _, c = server_up()
        c.up()
        swan.offloaded(2)
        up = lab.Flow("10.2.0.1", "10.1.0.1", "far", None, 100 // lab.SLOW)
        down = lab.Flow("10.1.0.1", "10.2.0.1", None, "far", 100 // lab.SLOW)
        for n in range(3):
            time.sleep(1.0 * lab.SLOW)
            swan.masquerade_again("vb", "meta l4proto udp", "to :%d-%d" % (
                30000 + n * 1000, 30999 + n * 1000))
        time.sleep(1.5 * lab.SLOW)
        for name, f in (("to A", up.stop()), ("from A", down.stop())):
            lab.note("%s: %d of %d, gap %d ms" % (name, f["got"], f["sent"], f["gap_ms"]))
            check(not f["dup"] and not f["bad"] and f["got"] > f["sent"] // 2 and
                  f["last"] >= f["sent"] - 20, "%s: %r" % (name, f))
        swan.offloaded(2)
        time.sleep(0.3 * lab.SLOW)
        was = swan.mark()
        go()
        swan.in_engine(10, was)
    return None


def main():
    swan.run([
        ("before 6.6: refused, and it is said", refused),
        ("behind a masquerading host", behind),
        ("keepalives sent", keepalives(False)),
        ("keepalives received", keepalives(True)),
        ("our mapping changes", remapped_far_away),
        ("the peer's mapping changes", remapped),
        ("the peer's mapping changes under load", remapped_under_load),
    ])


main()
