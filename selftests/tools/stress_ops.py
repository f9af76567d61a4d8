# SPDX-License-Identifier: GPL-2.0-only
"""What an administrator, or somebody who would like to be one, can say to xfrm: an
endless sequence of netlink messages that only its seed decides.

An Ops makes messages about the SAs of some tunnels, right and wrong ones; send()
says them and swallows what the kernel answers.
"""
import random
import socket
import struct

import labsa
from labbase import KVER, SLOW
import xfrmnl
from xfrmnl import A_OFFLOAD, OFF_INBOUND, OFF_PACKET, attr

ALLOCSPI, EXPIRE, NEWAE, GETAE, GETSADINFO = 0x16, 0x18, 0x1e, 0x1f, 0x23
A_LASTUSED, A_SA_DIR = 15, 33
# struct xfrm_usersa_info: selector 56, id 24, saddr 16, then 8 limits
LIMITS = 96
# Until 7.0 xfrm_state_migrate() warns when it throws its copy of a state away, whose
# km.state is not DEAD: where it cannot be used, or there is one already.  That needs
# no offload, and a debug kernel stops there.
OLD_MIGRATE = KVER < (7, 0)


class Way:
    """One direction of a tunnel, as A sees it."""

    def __init__(self, n, out):
        self.n, self.out = n, out
        self.fam = 6 if n == 2 else 4
        self.alg = ("gcm128", "cbc128-sha1", "chacha", "cbc256-sha256")[n]
        self.esn = n == 3
        self.reqid = 40 + n
        self.spi = (0x40000 if out else 0x50000) + n
        a, b = labsa.outer(4)
        self.src, self.dst = (a, b) if out else (b, a)
        # no secret: both hosts make the same
        rng = random.Random(self.spi)
        self.keys = tuple(rng.randbytes(k) for k in labsa.ALGS[self.alg]["keys"])

    def inner(self):
        base = "fd09:%d::%d" if self.fam == 6 else "10.9.%d.%d"
        a, b = base % (40 + self.n, 1), base % (40 + self.n, 2)
        return (a, b) if self.out else (b, a)


WAYS = [Way(n, out) for n in range(4) for out in (True, False)]


class Recorder(xfrmnl.Xfrm):
    """Keeps the message instead of sending it."""

    def __init__(self):     # pylint: disable=super-init-not-called
        self.last, self.warning, self.policies = None, "", set()

    def request(self, kind, data, flags=0):
        self.last = (kind, data, flags)
        return []


class Ops:
    """Messages, as (what it is, type, body, flags), for ever."""

    def __init__(self, seed, devices, fuzz=True):
        self.rng = random.Random(seed)
        self.devices = devices
        self.rec = Recorder()
        weights = [(self.add, 40), (self.update, 12), (self.delete, 14), (self.flush, 2),
                   (self.get, 6), (self.expire, 5), (self.migrate, 4), (self.spi, 3),
                   (self.events, 3), (self.policy, 8)]
        if fuzz:
            weights.append((self.garbage, 12))
        self.kinds, self.weights = zip(*weights)

    def __iter__(self):
        return self

    def __next__(self):
        return self.rng.choices(self.kinds, self.weights)[0]()

    # ---- offload attributes ----

    def offload(self, way):
        """(what, attribute or none); half of them are right"""
        r = self.rng
        right = 0 if way.out else OFF_INBOUND
        kind = r.choices(
            ("right", "none", "other device", "wrong direction", "packet", "no device",
             "by route", "any flags", "short", "long", "twice"),
            (50, 8, 10, 8, 4, 3, 4, 4, 3, 3, 3))[0]
        dev = r.choice(self.devices) if kind in ("other device", "any flags") else \
            self.devices[0]
        flags, index = right, dev
        if kind == "none":
            return kind, None
        if kind == "wrong direction":
            flags ^= OFF_INBOUND
        elif kind == "packet":
            flags |= OFF_PACKET
        elif kind == "any flags":
            flags = r.randrange(256)
        elif kind == "no device":
            index = r.choice((-1, 0x7fffffff, 99999))
        elif kind == "by route":
            index = 0
        body = (index, flags)
        if kind == "short":
            return kind, (body, r.randrange(0, 8), 1)
        if kind == "long":
            return kind, (body, r.choice((9, 12, 64)), 1)
        return kind, (body, 8, 2 if kind == "twice" else 1)

    @staticmethod
    def offload_attr(spec):
        """The bytes: a device is looked up when the message is sent."""
        (index, flags), size, times = spec
        if isinstance(index, str):
            try:
                index = socket.if_nametoindex(index)
            except OSError:
                index = 99998
        data = struct.pack("=iB3x", index, flags).ljust(size, b"\xa5")[:size]
        return attr(A_OFFLOAD, data) * times

    # ---- states ----

    def state(self, way, replace):
        r = self.rng
        args = {"mode": "tunnel", "reqid": way.reqid, "esn": way.esn,
                "window": r.choice((0, 32, 64, 1024))}
        alg, keys = labsa.ALGS[way.alg], way.keys
        odd = r.choices(
            ("plain", "limits", "mode", "no esn", "encap", "if_id", "mark", "tfc", "dir",
             "alg", "key", "icv", "window", "proto", "family"),
            (60, 10, 4, 2, 4, 3, 2, 2, 3, 4, 2, 2, 2, 2, 2))[0]
        what = odd
        extra = b""
        src, dst = way.src, way.dst
        if odd == "mode":
            args["mode"] = r.choice(("transport", "beet"))
        elif odd == "no esn":
            args["esn"] = not way.esn
        elif odd == "encap":
            args["encap"] = (r.choice((2, 2, 1, 7, 0, 65535)), 4500, 4500)
        elif odd == "if_id":
            args["if_id"] = r.choice((1, 7, 0xffffffff))
        elif odd == "mark":
            args["mark"] = (r.randrange(4), r.choice((0, 3, 0xffffffff)))
        elif odd == "tfc":
            args["tfcpad"] = r.choice((1, 1500, 0xffffffff))
        elif odd == "dir":
            extra = attr(A_SA_DIR, bytes([r.choice((0, 1, 2, 3, 255))]))
        elif odd == "alg":
            # one that encrypts: the host looks for what can be read on the wire
            alg = labsa.ALGS[r.choice(sorted(n for n in labsa.ALGS
                                             if not n.startswith(("null", "gmac"))))]
            keys = tuple(r.randbytes(k) for k in alg["keys"])
        elif odd == "key":
            keys = tuple(r.randbytes(r.choice((0, 1, 7, 64, 200))) for k in keys)
        elif odd == "icv":
            alg = dict(alg, icv=r.choice((0, 8, 127, 4096, 0xffffffff)))
        elif odd == "window":
            args["window"] = r.choice((33, 4096, 1 << 16))
        elif odd == "proto":
            args["proto"] = r.choice((51, 108, 0, 255))
        elif odd == "family":
            src, dst = labsa.outer(6)
        self.rec.add_sa(src, dst, way.spi, alg, keys, replace=replace, extra=extra,
                        offload=None, **args)
        kind, data, flags = self.rec.last
        if odd == "limits":
            data = bytearray(data)
            # bytes and packets, then seconds since it was added and used
            for i, v in ((1, 0), (3, r.choice((0, 1, 30))), (2, 10), (5, r.choice((0, 1, 2))),
                         (7, r.choice((0, 1)))):
                struct.pack_into("=Q", data, LIMITS + 8 * i, v or xfrmnl.INF)
            data = bytes(data)
        off, spec = self.offload(way)
        return "%s 0x%x, %s, offload %s" % ("update" if replace else "add", way.spi, what,
                                            off), kind, data, flags, spec

    def add(self):
        return self.state(self.rng.choice(WAYS), False)

    def update(self):
        return self.state(self.rng.choice(WAYS), True)

    def delete(self):
        w = self.rng.choice(WAYS)
        self.rec.del_sa(w.dst, w.spi)
        return ("delete 0x%x" % w.spi,) + self.rec.last + (None,)

    def flush(self):
        proto = self.rng.choice((0, 50, 50, 51, 255))
        return "flush %d" % proto, xfrmnl.FLUSHSA, bytes([proto, 0, 0, 0]), 0, None

    def sa_id(self, way):
        return xfrmnl.addr(way.dst) + struct.pack(">I", way.spi) + \
            struct.pack("=HB1x", socket.AF_INET, 50)

    def get(self):
        w = self.rng.choice(WAYS)
        if self.rng.random() < 0.3:
            return "dump", xfrmnl.GETSA, b"", 0x300, None
        return "get 0x%x" % w.spi, xfrmnl.GETSA, self.sa_id(w), 0, None

    def expire(self):
        """As if its time were over, soft or hard."""
        w = self.rng.choice(WAYS)
        hard = self.rng.randrange(2)
        self.rec.add_sa(w.src, w.dst, w.spi, labsa.ALGS[w.alg], w.keys, mode="tunnel",
                        reqid=w.reqid)
        return "expire 0x%x, hard %d" % (w.spi, hard), EXPIRE, \
            self.rec.last[1][:224] + bytes([hard]) + b"\0" * 7, 0, None

    def migrate(self):
        w = self.rng.choice(WAYS)
        p, q = w.inner()
        old, e = (w.src, w.dst), labsa.outer(4, "e")
        new = e if w.out else e[::-1]
        if self.rng.randrange(2):
            old, new = new, old
        if OLD_MIGRATE:
            # to an address where hardly ever is a state already
            new = new[0], "100.%d.%d.%d" % (self.rng.randrange(64, 128),
                                            self.rng.randrange(256), self.rng.randrange(256))
        kind, spec = self.offload(w)
        self.rec.migrate(xfrmnl.selector(p, q), xfrmnl.OUT if w.out else xfrmnl.IN, old, new,
                         "tunnel", w.reqid)
        if self.rng.randrange(2):
            kind, spec = "none", None
        return ("migrate 0x%x, offload %s" % (w.spi, kind),) + self.rec.last + (spec,)

    def spi(self):
        """Ask for a number, as a daemon does before it adds an inbound SA."""
        w = self.rng.choice(WAYS)
        # not to be found by migrate(): it has no algorithms that a copy could use
        self.rec.add_sa(w.src, w.dst, 0, labsa.ALGS[w.alg], w.keys, mode="tunnel",
                        reqid=w.reqid + 100 * OLD_MIGRATE)
        return "allocspi for 0x%x" % w.spi, ALLOCSPI, self.rec.last[1][:224] + \
            struct.pack("=II", w.spi, w.spi + self.rng.randrange(2)), 0, None

    def events(self):
        w = self.rng.choice(WAYS)
        body = self.sa_id(w) + xfrmnl.addr(w.src) + struct.pack("=II", 0, w.reqid)
        if self.rng.randrange(2):
            return "getae 0x%x" % w.spi, GETAE, body, 0, None
        replay = struct.pack("=III", self.rng.randrange(1 << 20), self.rng.randrange(1 << 20),
                             0xffffffff)
        return "newae 0x%x" % w.spi, NEWAE, body + attr(10, replay), 0x100, None

    def policy(self):
        """Without it the flow is blocked; it comes back by one of the next."""
        w = self.rng.choice(WAYS)
        p, q = w.inner()
        if self.rng.random() < 0.3:
            return "policy delete %d" % w.n, xfrmnl.DELPOLICY, xfrmnl.selector(p, q) + \
                struct.pack("=IB3x", 0, xfrmnl.OUT if w.out else xfrmnl.IN), 0, None
        self.rec.add_policy(p, q, xfrmnl.OUT if w.out else xfrmnl.IN, (w.src, w.dst), "tunnel",
                            w.reqid, update=True)
        return ("policy %d" % w.n,) + self.rec.last + (None,)

    def garbage(self):
        """A message about a state, and some of it overwritten, cut or lengthened.
        Never one about a policy: that might let plaintext through."""
        r = self.rng
        make = r.choice((self.add, self.add, self.update, self.delete, self.get, self.expire,
                         self.spi, self.events))
        what, kind, data, flags, spec = make()
        while "encap" in what:
            # a port that nobody knows would look like plaintext on the wire
            what, kind, data, flags, spec = make()
        # now, not when it is sent: the offload attribute is spoilt too
        if spec:
            data += attr(A_OFFLOAD, struct.pack("=iB3x", r.randrange(8), spec[0][1] & 255))
        data = bytearray(data)
        for _ in range(r.choice((1, 1, 2, 8))):
            if data:
                data[r.randrange(len(data))] = r.randrange(256)
        way = r.randrange(4)
        if way == 0:
            del data[r.randrange(len(data) + 1):]
        elif way == 1:
            data += r.randbytes(r.randrange(1, 64))
        return "garbage from " + what, kind, bytes(data), flags, None


class Sender:
    """Says messages in one name space; errors are no matter, silence neither."""

    def __init__(self, ns=None):
        with xfrmnl.Ns(ns):
            self.s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, xfrmnl.NETLINK_XFRM)
        self.s.settimeout(20 * SLOW)
        self.s.bind((0, 0))
        self.seq = 0

    def send(self, kind, data, flags, spec):
        """The kernel's error number, 0, or -1 for no answer."""
        if spec:
            data += Ops.offload_attr(spec)
        self.seq += 1
        self.s.send(struct.pack("=IHHII", len(data) + 16, kind, flags | 5, self.seq, 0) + data)
        try:
            while True:
                buf = self.s.recv(1 << 17)
                while len(buf) >= 16:
                    ln, typ, _, seq, _ = struct.unpack_from("=IHHII", buf)
                    if seq == self.seq and typ == 2:
                        return -struct.unpack_from("=i", buf, 16)[0]
                    if seq == self.seq and typ == 3:
                        return 0
                    buf = buf[max((ln + 3) & ~3, 16):]
        except (TimeoutError, socket.timeout):
            return -1
