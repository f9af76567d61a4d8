# SPDX-License-Identifier: GPL-2.0-only
"""What the route tests share: a look at all wires, addresses on any pair of
devices, and the claim that the engine did every packet of an SA.

A route is good when four parties counted the same packets of an SA: the
sender's SA, the layer, the wire and the receiver's SA; when none of them ran in
software; and when no host counted an error.
"""
import collections
import contextlib
import ctypes
import errno
import os
import socket
import struct
import sys

import esplab as lab
from esplab import check

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from wire import readable       # noqa: E402  pylint: disable=wrong-import-position

ESP, UDP, FRAGMENT = 50, 17, 44
V6_EXTENSIONS = (0, 43, 60)


# ---- the wires ----

def strip(frame):
    """(ethernet type, network layer) behind VLAN tags and PPPoE, and how many
    of the two"""
    kind, pos, tags = struct.unpack_from("!H", frame, 12)[0], 14, []
    while kind in (0x8100, 0x88a8):
        tags.append(kind)
        kind = struct.unpack_from("!H", frame, pos + 2)[0]
        pos += 4
    if kind == 0x8864:
        tags.append(kind)
        ppp = struct.unpack_from("!H", frame, pos + 6)[0]
        kind = {0x21: 0x0800, 0x57: 0x86dd}.get(ppp, ppp)
        pos += 8
    return kind, frame[pos:], tags


def network(frame):
    """(protocol, its header and what follows, offset of the fragment, more) of an
    IP packet, else None"""
    kind, p, _ = strip(frame)
    if kind == 0x0800:
        field = struct.unpack_from("!H", p, 6)[0]
        return p[9], p[(p[0] & 15) * 4:], field & 0x1fff, field & 0x2000
    if kind != 0x86dd:
        return None
    proto, pos, offset, more = p[6], 40, 0, 0
    while proto in V6_EXTENSIONS or proto == FRAGMENT:
        if proto == FRAGMENT:
            field = struct.unpack_from("!H", p, pos + 2)[0]
            offset, more = field >> 3, field & 1
            proto, pos = p[pos], pos + 8
            if offset:
                break
        else:
            proto, pos = p[pos], pos + 8 * (p[pos + 1] + 1)
    return proto, p[pos:], offset, more


# BPF: load the packet's type; if it is PACKET_OUTGOING all of it, else nothing
OUTGOING = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *x) for x in (
    (0x20, 0, 0, 0xfffff004), (0x15, 0, 1, 4), (0x06, 0, 0, 0xffff), (0x06, 0, 0, 0))), 32)


class Look:
    """Every frame of the peer's NICs, counted by SPI; and what leaves A's, which is
    to be ciphertext.  (The peer may have decrypted in place what is seen there.)"""

    def __init__(self, *devs):
        self.wires = {d: lab.Wire(d) for d in devs}
        self.clear()

    def clear(self):
        for w in self.wires.values():
            self.of(w)
        self.spis = collections.Counter()
        # the same for one NIC; SPI -> tags that its packets had
        self.by_dev = collections.Counter()
        self.tags = {}
        self.fragments = 0
        self.sent = self.outgoing()
        # of the largest IP packet
        self.sizes = collections.Counter()

    def outgoing(self):
        """Sockets that see it; new ones, since a NIC may have been elsewhere"""
        for s in getattr(self, "sent", ()):
            s.close()
        got = []
        for dev in ("va", "ea"):
            s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            s.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)
            # SO_ATTACH_FILTER: what comes in, decapsulated, would hold its SA
            s.setsockopt(socket.SOL_SOCKET, 26, struct.pack(
                "HP", len(OUTGOING) // 8, ctypes.addressof(OUTGOING)))
            s.bind((dev, 3))
            s.setblocking(False)
            got.append(s)
        return got

    def readable(self):
        """How many of A's packets since the last look are readable"""
        n = 0
        for s in self.sent:
            while True:
                try:
                    p = s.recv(1 << 16)
                except BlockingIOError:
                    break
                except OSError:
                    continue        # it was down, and is told once
                ip = network(p)
                n += bool(ip and ip[0] == ESP and not ip[2] and readable(ip[1]))
        return n

    def read(self):
        for dev, w in self.wires.items():
            for p in self.of(w):
                self.one(dev, p)

    @staticmethod
    def of(wire):
        """The frames; a NIC that was down meanwhile is told once."""
        try:
            got = wire.frames()
        except OSError as e:
            check(e.errno == errno.ENETDOWN, "%s: %s" % (wire.dev, e))
            got = wire.frames()
        return [p for _, p in got]

    def one(self, dev, p):
        n = network(p)
        if not n:
            return
        proto, body, offset, more = n
        if offset and proto in (ESP, UDP, FRAGMENT):
            self.fragments += 1
            return
        if proto == UDP and len(body) >= 16 and 4500 in struct.unpack_from("!HH", body):
            body = body[8:]
            if body[:4] == b"\0\0\0\0":
                return
        elif proto != ESP:
            return
        spi = struct.unpack_from("!I", body)[0]
        self.spis[spi] += 1
        self.by_dev[dev, spi] += 1
        self.tags.setdefault(spi, set()).add(tuple(strip(p)[2]))
        self.sizes[spi] = max(self.sizes[spi], len(p) - 14)
        self.fragments += bool(more)

    def close(self):
        for w in list(self.wires.values()) + self.sent:
            w.close()


# ---- counting ----

class Case:
    """One test's SAs and counters from a clean start."""

    def __init__(self, a, b, look):
        self.a, self.b, self.look = a, b, look
        self.stat = {}

    def start(self):
        self.a.flush()
        self.b.flush()
        lab.OUTER[0] = None
        self.mark()

    def start_same(self):
        """Without SAs, on the devices that are there."""
        self.a.flush()
        self.b.flush()
        self.mark()

    def mark(self):
        """From here on errors are counted, and frames."""
        self.look.clear()
        self.stat = {ns: lab.xfrm_stat(ns) for ns in (None, lab.PEER)}

    def tunnel(self, alg="gcm128", shape=("tunnel", 4, 4), want=(True, True), **args):
        # The peer's own ESP (cryptd, on 6.12) can be more than 32 packets out of order.
        args.setdefault("window", 1024)
        t = lab.Tunnel(self.a, self.b, alg, shape, **args)
        check(t.offloaded() == want, "offloaded: %r, told %r" % (t.offloaded(), t.warnings))
        self.mark()
        return t

    def counts(self, t, ways="oi", wire=True, peer=True):
        """By direction: what each party says of it."""
        x = self.a.sas()
        y = self.b.sas() if peer else {}
        self.look.read()
        got = {}
        for way, spi in (("o", t.out), ("i", t.inn)):
            if way not in ways:
                continue
            d = lab.layer_sa(spi)
            check(d, "SPI 0x%08x is not in debugfs" % spi)
            n = {"layer": d["packets"], "A's SA": x[spi]["packets"]}
            # the peer's SA counts a GSO packet once
            if peer and way == "o" and spi in y:
                n["B's SA"] = y[spi]["packets"]
            if wire:
                n["wire"] = self.look.spis[spi]
            got[way] = n
            check(not d["software"] and not lab.drops(d), "software or dropped: %r" % d)
        return got

    def agreed(self, *args):
        """counts(), when the last packet is where it goes"""
        got = {}

        def equal():
            got.update(self.counts(*args))
            return all(len(set(n.values())) == 1 for n in got.values())

        lab.wait_for(equal, 3, 0.05)
        return got

    def used(self, t, ways="oi", wire=True, peer=True, least=10, allow=()):
        """All packets of the SA went through the engine."""
        got = self.agreed(t, ways, wire, peer)
        for way, n in got.items():
            check(len(set(n.values())) == 1 and n["layer"] >= least,
                  "%s: packets differ, or are fewer than %d: %r" % (
                      {"o": "out", "i": "in"}[way], least, n))
        self.no_errors(allow)
        return got

    def no_errors(self, allow=()):
        n = self.look.readable()
        check(not n, "%d packets in clear behind an ESP header" % n)
        for ns, was in self.stat.items():
            diff = {k: v for k, v in lab.stat_diff(was, ns).items() if k not in allow}
            check(not diff, "xfrm_stat of %s: %r" % (ns or "A", diff))

    def diagnosis(self):
        """What a person asks first when packets are missing"""
        x, y = self.a.sas(), self.b.sas()
        lines = ["errors at A %r, at B %r" % tuple(
            lab.stat_diff(was, ns) for ns, was in self.stat.items())]
        for d in lab.kv("sas"):
            spi = int(d["spi"], 16)
            n = {k: v for k, v in d.items() if v and (k.startswith("drop") or k in (
                "packets", "software", "inflight", "linearised"))}
            lines.append("%s %s, reqid %d: layer %r, A's SA %r, B's SA %r, wire %d" % (
                d["spi"], d["queue"], d["reqid"], n, x.get(spi, {}).get("packets"),
                y.get(spi, {}).get("packets"), self.look.spis[spi]))
        return "\n".join(lines)

    def software(self, spi, least=10):
        """The SA works, and the layer does not know it."""
        x = self.a.sas()[spi]
        check(not x["offload"] and not lab.layer_sa(spi), "SPI 0x%08x is offloaded" % spi)
        check(x["packets"] >= least, "only %d packets" % x["packets"])


def traffic(t, sizes=(0, 1, 500, 1300, 3000), tcp=30000, udp=(1, 700, 2500)):
    """Both ways; small enough for an emulated machine, with fragments."""
    src, dst = t.inner
    for p, q, ns in ((src, dst, None), (dst, src, lab.PEER)):
        bad, _ = lab.ping(p, q, sizes, ns)
        check(not bad, "pings %s to %s: %r" % (p, q, bad))
    if udp:
        x, y = lab.udp_pair(src, dst)
        bad = lab.udp_both(x, y, udp)
        x.close()
        y.close()
        check(not bad, "UDP %s: %r" % (dst, bad))
    if tcp:
        lab.tcp_both(src, dst, tcp)


def answers(t, secs=5):
    """A device may need a moment: carrier, a bridge's port, LACP."""
    check(lab.wait_for(lambda: not lab.ping(*t.inner, [0], timeout=0.3)[0], secs),
          "no answer from %s" % t.inner[1])


# ---- devices ----

def a_and_b(lines):
    """(lines of ip -batch for A, for B): "a: ..." and "b: ..." """
    for ns, word in ((None, "a: "), (lab.PEER, "b: ")):
        batch = [x[3:] for x in lines if x.startswith(word)]
        # a batch of ip knows no "-6"
        plain = [x for x in batch if not x.startswith("-6 ")]
        if plain:
            lab.ip_batch(plain, ns)
        for x in batch:
            if x.startswith("-6 "):
                lab.sh("ip %s %s" % ("-n " + ns if ns else "", x))


def undo(lines):
    for ns, word in ((None, "a: "), (lab.PEER, "b: ")):
        batch = [x[3:] for x in lines if x.startswith(word)]
        if batch:
            lab.ip_batch(batch, ns, force=True)


def addresses(dev_a, dev_b, net, neigh=True, table=""):
    """10.9.NET.1 and .2, fd09:NET::1 and ::2 on two devices, with neighbours, and
    the inner networks behind them.  Sets what a Tunnel takes for outer()."""
    v4, v6 = ("10.9.%d.1" % net, "10.9.%d.2" % net), ("fd09:%d::1" % net, "fd09:%d::2" % net)
    mac = (lab.mac(dev_a), lab.mac(dev_b, lab.PEER)) if neigh else None
    lines = []
    for me, word, dev in ((0, "a: ", dev_a), (1, "b: ", dev_b)):
        lines += [word + "link set %s up" % dev,
                  word + "addr replace %s/24 dev %s" % (v4[me], dev),
                  word + "addr replace %s/64 dev %s nodad" % (v6[me], dev)]
        if neigh:
            lines += [word + "neigh replace %s lladdr %s dev %s nud permanent" % (
                x[1 - me], mac[1 - me], dev) for x in (v4, v6)]
        i4, i6 = lab.inner(4), lab.inner(6)
        where = table if me == 0 else ""
        lines += [word + "route replace %s/32 via %s dev %s src %s %s" % (
                      i4[1 - me], v4[1 - me], dev, i4[me], where),
                  word + "-6 route replace %s/128 via %s dev %s src %s %s" % (
                      i6[1 - me], v6[1 - me], dev, i6[me], where)]
    a_and_b(lines)
    lab.OUTER[0] = lambda fam, pair="v": v4 if fam == 4 else v6


@contextlib.contextmanager
def devices(up, down):
    """Makes devices ("a: link add ..."), and puts the hosts back afterwards."""
    try:
        a_and_b(up)
        yield
    finally:
        lab.OUTER[0] = None
        undo(down)
        lab.hosts_up()


@contextlib.contextmanager
def bound_to(dev):
    """Sockets of A are bound to a device: what `ip vrf exec` does."""
    real = socket.socket

    class Bound(real):
        def __init__(self, *args, **kw):
            super().__init__(*args, **kw)
            if self.family in (socket.AF_INET, socket.AF_INET6):
                # in the peer's name space there is no such device
                with contextlib.suppress(OSError):
                    self.setsockopt(socket.SOL_SOCKET, 25, dev.encode() + b"\0")

    socket.socket = Bound
    try:
        yield
    finally:
        socket.socket = real


def sysctl(name, value, ns=None):
    with lab.Ns(ns):
        # /proc/sys/net is that of the thread's name space
        lab.write("/proc/sys/net/" + name, str(value))


def ports(first, last):
    """What connections of both hosts get"""
    for ns in (None, lab.PEER):
        sysctl("ipv4/ip_local_port_range", "%d %d" % (first, last), ns)


def exists(dev):
    return os.path.exists("/sys/class/net/" + dev)


def have_module(name):
    """Says why not, for a kernel of few parts as the debug one is."""
    code, text = lab.status("modprobe " + name)
    return None if not code else "this kernel has no %s: %s" % (name, text.splitlines()[-1])


# ---- a file of tests ----

SHAPES = (("gcm128", ("tunnel", 4, 4)), ("cbc128-sha1", ("transport", 6, 6)))
if lab.SLOW > 1:
    # every route once is enough where it takes five times as long
    SHAPES = SHAPES[:1]


def run(tests, not_slow=()):
    """tests: (name, function of a Case); those in not_slow only where an emulated
    machine is not made five times slower by a debug kernel"""
    tests = list(tests) + (list(not_slow) if lab.SLOW == 1 else [])
    lab.load()
    lab.hosts_up()
    # ports that tshark knows no protocol for: it would take our bytes for one, and
    # a malformed packet for one that it could not decrypt
    ports(60010, 60999)
    a, b = lab.both_hosts()
    look = Look("vb", "eb")
    case = Case(a, b, look)

    def fresh(fn):
        def test():
            case.start()
            try:
                return fn(case)
            except lab.Fail as e:
                raise lab.Fail("%s\n%s" % (e, case.diagnosis())) from e
            finally:
                a.flush()
                b.flush()
        return test

    def unload():
        case.start()
        look.close()
        ports(32768, 60999)
        for m in ("esp_ring_soft", "esp_ring"):
            lab.rmmod(m)

    lab.run_tests([(n, fresh(f)) for n, f in tests] +
                  [("unloads after all that", unload)])
