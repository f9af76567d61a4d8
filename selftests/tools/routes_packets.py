#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Routes by the shape of the packets: options, extension headers, sizes, fragments,
and what routers say about them."""
import errno
import select
import socket
import time

import esplab as lab
import routes
from esplab import check
from routes import answers, traffic
from routes_far import far, client

IP_OPTIONS, IP_MTU_DISCOVER, IP_RECVOPTS, IP_RETOPTS = 4, 10, 6, 7
V6_HOPOPTS, V6_DSTOPTS = 54, 59
V6_RECVHOPOPTS, V6_RECVDSTOPTS = 53, 58
DO, DONT = 2, 0

# record route with room for three addresses, a router alert, no operation
OPTIONS = {"record route": bytes((7, 15, 4)) + bytes(12) + b"\x00",
           "router alert": bytes((148, 4, 0, 0)),
           "all 40 bytes": bytes([1] * 39) + b"\x00"}


def options(case):
    """IPv4 options of the inner packet, and of the outer one in transport mode.  Not
    BEET mode, whose options header loses packets in software too."""
    for shape in (("tunnel", 4, 4), ("transport", 4, 4)):
        t = case.tunnel("gcm128", shape)
        for name, opts in OPTIONS.items():
            x, y = lab.udp_pair(*t.inner)
            for s in (x, y):
                s.setsockopt(socket.IPPROTO_IP, IP_OPTIONS, opts)
            y.setsockopt(socket.IPPROTO_IP, IP_RECVOPTS, 1)
            bad = lab.udp_both(x, y, [0, 100, 1300, 2500])
            check(not bad, "%s, %s: sizes %r" % (lab.shape_name(shape), name, bad))
            x.send(b"once more")
            data, anc, _, _ = y.recvmsg(100, 200)
            got = [d for lvl, kind, d in anc if lvl == socket.IPPROTO_IP and
                   kind in (IP_RECVOPTS, IP_RETOPTS)]
            check(data == b"once more" and got and got[0][0] == opts[0],
                  "%s, %s: arrived with %r" % (lab.shape_name(shape), name, anc))
            x.close()
            y.close()
        case.used(t, least=12)
        case.start_same()


def ext(*tlvs):
    """An options header without its next header: padded to 8 bytes"""
    body = b"".join(tlvs)
    pad = -(len(body) + 2) % 8
    body += b"" if not pad else b"\0" if pad == 1 else bytes((1, pad - 2)) + bytes(pad - 2)
    return bytes((0, (len(body) + 2) // 8 - 1)) + body


def extension_headers(case):
    """Hop-by-hop and destination options, of the inner packet and, in transport
    mode, around and behind ESP."""
    # experimental options that a receiver skips
    unknown = bytes((0x1e, 10)) + bytes(range(10))
    long = bytes((0x3e, 60)) + bytes(60)
    for shape in (("tunnel", 6, 6), ("transport", 6, 6), ("tunnel", 4, 6)):
        t = case.tunnel("gcm128", shape)
        for name, opts in (("hop by hop", ((V6_HOPOPTS, unknown),)),
                           ("destination", ((V6_DSTOPTS, long),)),
                           ("both", ((V6_HOPOPTS, unknown), (V6_DSTOPTS, unknown)))):
            x, y = lab.udp_pair(*t.inner)
            for s in (x, y):
                for kind, tlv in opts:
                    s.setsockopt(socket.IPPROTO_IPV6, kind, ext(tlv))
            y.setsockopt(socket.IPPROTO_IPV6, V6_RECVHOPOPTS, 1)
            y.setsockopt(socket.IPPROTO_IPV6, V6_RECVDSTOPTS, 1)
            bad = lab.udp_both(x, y, [0, 100, 1200, 2500])
            check(not bad, "%s, %s: sizes %r" % (lab.shape_name(shape), name, bad))
            x.send(b"once more")
            data, anc, _, _ = y.recvmsg(100, 400)
            kinds = {kind for lvl, kind, d in anc if lvl == socket.IPPROTO_IPV6}
            check(data == b"once more" and kinds == {k for k, _ in opts},
                  "%s, %s: arrived with %r" % (lab.shape_name(shape), name, anc))
            x.close()
            y.close()
        case.used(t, least=12)
        case.start_same()


def fragments(case):
    """Cut before ESP (every piece a packet of the SA's), or after it."""
    # after: a transport SA has the whole datagram, the wire has pieces
    for shape in (("transport", 4, 4), ("transport", 6, 6)):
        t = case.tunnel("gcm128", shape)
        x, y = lab.udp_pair(*t.inner)
        if shape[1] == 4:
            x.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, DONT)
        sizes = [3000, 5000, 20000]
        check(not lab.udp_both(x, y, sizes), "UDP fragmented after ESP")
        got = case.used(t, least=3)
        check(got["o"]["layer"] == len(sizes), "%s: %r for %d datagrams" % (
            lab.shape_name(shape), got, len(sizes)))
        check(case.look.fragments > 30, "%d fragments on the wire" % case.look.fragments)
        x.close()
        y.close()
        case.start_same()
    # before: what a router forwards comes in pieces already
    t = case.tunnel("gcm128", ("tunnel", 4, 4))
    with client(t, 1000) as path:
        bad, _ = lab.ping(*path.inner, [3000, 5000, 20000], "cli", timeout=5)
        check(not bad, "pings in fragments: %r" % bad)
        got = case.used(t, "o", least=28)
        check(not case.look.fragments or got["o"]["layer"] >= 28, "%r" % got)
        case.start_same()
    # and both: pieces of a tunnel whose outer packets do not fit
    lab.sh("ip link set va mtu 1300; ip -n peer link set vb mtu 1300")
    try:
        t = case.tunnel("gcm128", ("tunnel", 4, 4))
        traffic(t, udp=(1, 1240, 1300, 6000))
        case.used(t)
        case.start_same()
        t = case.tunnel("cbc128-sha1", ("tunnel", 6, 6))
        traffic(t, udp=(1, 1230, 1300, 6000))
        case.used(t)
    finally:
        lab.sh("ip link set va mtu 1500; ip -n peer link set vb mtu 1500")
        lab.hosts_up()


def jumbo(dev, mtu):
    def test(case):
        lab.sh("ip link set %sa mtu %d; ip -n peer link set %sb mtu %d" % (dev, mtu, dev, mtu))
        try:
            check(lab.wait_for(lambda: "LOWER_UP" in lab.sh("ip link show %sa" % dev) and
                               "LOWER_UP" in lab.sh("ip link show %sb" % dev, ns=lab.PEER), 15),
                  "no link at MTU %d" % mtu)
            for alg, shape in routes.SHAPES:
                t = case.tunnel(alg, shape, pair=dev)
                answers(t)
                traffic(t, (0, 1500, 4000, mtu - 200, 2 * mtu), 300000 // lab.SLOW,
                        (1, 3000, mtu - 150, mtu + 500))
                case.used(t, least=20)
                check(min(case.look.sizes.values()) > mtu - 300, "largest on the wire: %r" % case.look.sizes)
                case.start_same()
        finally:
            lab.sh("ip link set %sa mtu 1500; ip -n peer link set %sb mtu 1500" % (dev, dev))
            lab.hosts_up()
    return test


# ---- path MTU ----

def pmtu_out(v6):
    """A router between the hosts has a smaller link behind it and says so to us:
    the sender gets the MTU that is left inside of ESP, at once and exactly."""
    def test(case):
        with far(case, v6, 1300, 1500) as t:
            x, y = lab.udp_pair(*t.inner, ns_b="far")
            x.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, DO)
            first = lab.mtu(x)
            check(1400 < first < 1500, "MTU at the start: %d" % first)
            told(x, first - 28)
            now = lab.mtu(x)
            check(1190 < now < 1280, "MTU after that: %d" % now)
            for n in (now - 28, now - 29):
                x.send(bytes(n))
                check(select.select([y], [], [], 3 * lab.SLOW)[0] and len(y.recv(2000)) == n,
                      "%d bytes do not arrive" % n)
            try:
                x.send(bytes(now - 27))
                check(False, "one byte more is taken")
            except OSError as e:
                check(e.errno == errno.EMSGSIZE, "%s" % e)
            x.close()
            y.close()
            lab.tcp_both(*t.inner, 100000 // lab.SLOW, ns_b="far")
            case.used(t, wire=False, peer=False, least=60 // lab.SLOW)
    return test


def told(s, size):
    """What is sent gets lost, until it is refused."""
    def refused():
        try:
            s.send(bytes(size))
        except OSError as e:
            check(e.errno == errno.EMSGSIZE, "%s" % e)
            return True
        return False

    check(lab.wait_for(refused, 5, 0.1), "nobody said that %d bytes are too big" % size)
    # a router may have answered to more than one
    time.sleep(0.1 * lab.SLOW)
    s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)


def pmtu_in(v6):
    """The same seen from the other end: we have the small link, the peer must
    learn it from a router, and our inbound SA sees no packet that is too big."""
    def test(case):
        with far(case, v6, 1500, 1300) as t:
            x, y = lab.udp_pair(*t.inner[::-1], ns_a="far", ns_b=None)
            x.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, DO)
            first = lab.mtu(x)
            told(x, first - 28)
            now = lab.mtu(x)
            check(1190 < now < 1280, "MTU after that: %d" % now)
            x.send(bytes(now - 28))
            check(select.select([y], [], [], 3 * lab.SLOW)[0] and len(y.recv(2000)) == now - 28,
                  "the largest does not arrive")
            x.close()
            y.close()
            lab.tcp_both(*t.inner, 100000 // lab.SLOW, ns_b="far")
            case.used(t, wire=False, peer=False, least=60 // lab.SLOW)
            case.look.read()
            check(case.look.sizes[t.inn] <= 1300, "on our link: %d" % case.look.sizes[t.inn])
    return test


def pmtu_client(case):
    """A client of ours sends too much for the tunnel: we are the router that says
    so, with the number that fits."""
    t = case.tunnel("gcm128", ("tunnel", 4, 4))
    with client(t) as path:
        x, y = lab.udp_pair(*path.inner, ns_a="cli")
        x.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, DO)
        check(lab.mtu(x) == 1500, "the client's MTU at the start: %d" % lab.mtu(x))
        told(x, 1472)
        now = lab.mtu(x)
        # 20 + 8 + 8 before, padding to 4, 2 and the ICV behind
        check(now == 1500 - 20 - 16 - t.alg["icv"] // 8 - 2, "told %d" % now)
        x.send(bytes(now - 28))
        check(select.select([y], [], [], 3 * lab.SLOW)[0] and len(y.recv(2000)) == now - 28,
              "what fits does not arrive")
        x.close()
        y.close()
        lab.tcp_both(*path.inner, 100000 // lab.SLOW, ns_a="cli")
        case.used(t, least=60 // lab.SLOW)
        check(max(case.look.sizes.values()) <= 1500 and not case.look.fragments,
              "largest %r, %d fragments" % (case.look.sizes, case.look.fragments))


def main():
    routes.run([
        ("IPv4 options", options),
        ("IPv6 extension headers", extension_headers),
        ("fragments before and after ESP", fragments),
        ("jumbo frames, virtio-net", jumbo("v", 9000)),
        ("path MTU of the peer's side, IPv4", pmtu_out(False)),
        ("path MTU of our side, IPv4", pmtu_in(False)),
        ("too big from a client", pmtu_client),
    ], [
        ("jumbo frames, e1000e", jumbo("e", 9000)),
        ("path MTU of the peer's side, IPv6", pmtu_out(True)),
        ("path MTU of our side, IPv6", pmtu_in(True)),
    ])


main()
