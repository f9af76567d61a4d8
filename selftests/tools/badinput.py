#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""What nobody should send: each case goes to an offloaded SA and to one in
software.  Both must deliver the same, and count the same in xfrm_stat.

The peer's own ESP makes valid packets; a route over a dummy device keeps them
from the wire, and a packet socket sends what becomes of them.  Packets that are
bad inside (padding, next header) are made here, with NULL encryption.
"""
import hashlib
import hmac
import os
import select
import socket
import struct
import time

import esplab as lab
from esplab import check

MARK = b"valid payload "


class Source:
    """Valid packets of the peer's SA, and a way to send any frame to A."""

    def __init__(self):
        lab.sh("ip -n peer link add cap0 type dummy; ip -n peer link set cap0 up mtu 1500")
        with lab.Ns(lab.PEER):
            self.cap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            self.cap.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)
            self.cap.bind(("cap0", 3))
            self.tx = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            self.tx.bind(("vb", 0))
        self.cap.setblocking(False)
        # all that the peer sends to A from here on
        v4, v6 = lab.a4(), lab.a6()
        lab.ip_batch(["neigh replace %s lladdr %s dev cap0 nud permanent" % (x, lab.mac("va"))
                      for x in (v4, v6)] +
                     ["route replace %s/32 dev cap0 src %s" % (v4, lab.b4())], lab.PEER)
        lab.sh("ip -n peer -6 route replace %s/128 dev cap0 src %s" % (v6, lab.b6()))
        self.eth = bytes.fromhex((lab.mac("va") + lab.mac("vb", lab.PEER)).replace(":", ""))

    def drain(self):
        out = []
        while True:
            try:
                p = self.cap.recv(1 << 16)
            except BlockingIOError:
                return out
            if lab.esp_of(p):
                out.append(p)

    def make(self, t, n, size=60):
        """n captured frames of one UDP datagram each, to t's .rx socket"""
        self.drain()
        frames = []
        for i in range(n):
            t.tx.send(MARK + struct.pack("!I", i) + b"." * size)
            if i % 64 == 63:
                frames += self.drain()
        lab.wait_for(lambda: frames.extend(self.drain()) or len(frames) >= n, 3)
        check(len(frames) == n, "%d frames of %d were made" % (len(frames), n))
        return frames

    def send(self, frames):
        for f in frames:
            self.tx.send(self.eth + f[12:])


def outer_len(frame):
    return 14 + (20 if frame[12:14] == b"\x08\x00" else 40)


def with_esp(frame, esp):
    """The same outer header around another ESP packet"""
    h = outer_len(frame)
    p = bytearray(frame[:h])
    if h == 34:
        struct.pack_into("!H", p, 16, 20 + len(esp))
        struct.pack_into("!H", p, 24, 0)
        struct.pack_into("!H", p, 24, lab.csum(bytes(p[14:34])))
    else:
        struct.pack_into("!H", p, 18, len(esp))
    return bytes(p) + esp


def fragments(frame, size):
    """IPv4 fragments of a frame"""
    body, out = frame[34:], []
    for off in range(0, len(body), size):
        p = bytearray(frame[:34])
        struct.pack_into("!H", p, 16, 20 + len(body[off:off + size]))
        struct.pack_into("!H", p, 20, off // 8 | (0x2000 if off + size < len(body) else 0))
        struct.pack_into("!H", p, 24, 0)
        struct.pack_into("!H", p, 24, lab.csum(bytes(p[14:34])))
        out.append(bytes(p) + body[off:off + size])
    return out


def flip(frame, at, bit=0):
    p = bytearray(frame)
    p[outer_len(frame) + at] ^= 1 << bit
    return bytes(p)


class Case(lab.Tunnel):
    """A tunnel with a UDP socket at A that sees what is delivered."""

    def __init__(self, *args, **kw):
        super().__init__(*args, **kw)
        self.rx, self.tx = lab.udp_pair(*self.inner)

    def delivered(self, wait=0.1):
        out = []
        while select.select([self.rx], [], [], wait)[0]:
            out.append(self.rx.recv(1 << 16))
        return out

    def rx_waits(self, secs):
        return bool(select.select([self.rx], [], [], secs * lab.SLOW)[0])

    def close(self):
        self.rx.close()
        self.tx.close()


def both(a, b, src, make, alg, shape, esn=False, window=None, want=None):
    """make(frames' source, tunnel) -> list of frames.  Sends them to an offloaded
    SA, then to one in software; returns the results after comparing them."""
    results = []
    for offload in (True, False):
        a.flush()
        b.flush()
        t = Case(a, b, alg, shape, esn=esn, window=window, offload=offload)
        try:
            frames = make(src, t)
            stat = lab.xfrm_stat()
            src.send(frames)
            n = len(frames)
            got = t.delivered()
            if len(got) != want or not want:
                got += t.delivered(0.2 * lab.SLOW)
            diff = lab.stat_diff(stat)
            sa = a.sas()[t.inn]
            layer = lab.layer_sa(t.inn)
            check(bool(layer) == offload, "offloaded: %r" % layer)
            if layer:
                # what the layer dropped is what the kernel counts as such
                lab.wait_for(lambda: lab.drops(lab.layer_sa(t.inn)) ==
                             lab.stat_diff(stat).get("XfrmInStateProtoError", 0), 2)
                layer = lab.layer_sa(t.inn)
                diff = lab.stat_diff(stat)
                check(lab.drops(layer) == diff.get("XfrmInStateProtoError", 0),
                      "layer %r, kernel %r" % (layer, diff))
            # and the SA still works
            # with a number beyond those that were made up
            src.send(src.make(t, 150 if alg.startswith("null") else 1, 61)[-1:])
            after = t.rx_waits(2) and t.delivered(0.05) or []
            check(len(after) == 1, "a valid packet afterwards: %d delivered" % len(after))
            results.append({"got": got, "stat": diff, "failed": sa["failed"],
                            "layer": layer, "sent": n})
        finally:
            t.close()
    x, y = results
    check(sorted(x["got"]) == sorted(y["got"]), "delivered: %d offloaded, %d in software"
          % (len(x["got"]), len(y["got"])))
    check(x["stat"] == y["stat"], "xfrm_stat: %r offloaded, %r in software" % (
        x["stat"], y["stat"]))
    # software finds a wrong length by its ICV; we say so before we look at that
    check(x["failed"] <= y["failed"] <= x["failed"] + x["layer"]["drop_length"],
          "integrity failures: %d and %d, %r" % (x["failed"], y["failed"], x["layer"]))
    if want is not None:
        check(len(x["got"]) == want, "%d of %d delivered, not %d" % (
            len(x["got"]), x["sent"], want))
    return x


SOME = [("gcm128", ("transport", 4, 4), False), ("cbc128-sha1", ("tunnel", 6, 6), True),
        ("chacha", ("tunnel", 4, 4), True), ("null-sha256", ("transport", 6, 6), False),
        ("ccm128-8", ("beet", 4, 4), False), ("gmac128", ("tunnel", 6, 4), False),
        ("ctr128-sha1", ("transport", 4, 4), True)]


def iv_len(alg):
    if "aead" in alg or alg["enc"] == lab.CTR:
        return 8
    return {lab.CBC: 16, lab.DES3: 8, lab.NULL: 0}[alg["enc"]]


def flipped(a, b, src):
    """One bit wrong, in every field."""
    for name, shape, esn in SOME:
        alg = lab.ALGS[name]

        def make(src, t, alg=alg):
            # not the first: its number with a bit flipped would be 0
            f = src.make(t, 3)[2]
            n = len(f) - outer_len(f)
            iv, icv = iv_len(alg), alg["icv"] // 8
            spots = {4, 7, 8, 8 + iv - 1, 8 + iv, 8 + iv + 20, n - icv - 1, n - icv, n - 1}
            return [flip(f, at, bit) for at in sorted(spots) for bit in (0, 7)]

        r = both(a, b, src, make, name, shape, esn, want=0)
        check(r["failed"] == r["sent"] or esn, "%s: %d failures of %d" % (
            name, r["failed"], r["sent"]))
        check(r["layer"]["drop_icv"] == r["failed"], "%s: %r" % (name, r["layer"]))
        # with ESN a number that seems old is taken for one of the next epoch,
        # and fails just so; either way each packet has a counter
        check(sum(r["stat"].values()) == r["sent"], "%s: %r" % (name, r["stat"]))


def wrong_spi(a, b, src):
    r = both(a, b, src, lambda s, t: [flip(s.make(t, 1)[0], at, 3) for at in range(4)],
             "gcm128", ("transport", 4, 4), want=0)
    check(r["stat"] == {"XfrmInNoStates": 4}, "%r" % r["stat"])


def truncated(a, b, src):
    """Every length from nothing to one byte less than all."""
    for name, shape, esn in SOME:
        def make(src, t):
            f = src.make(t, 1, 20)[0]
            esp = lab.esp_of(f)
            return [with_esp(f, esp[:n]) for n in range(0, len(esp))]

        r = both(a, b, src, make, name, shape, esn, want=0)
        check(r["layer"]["drop_length"] > 5 and r["layer"]["drop_icv"] > 1,
              "%s: %r" % (name, r["layer"]))


def overlong(a, b, src):
    for name, shape, esn in SOME:
        def make(src, t):
            f = src.make(t, 1)[0]
            esp = lab.esp_of(f)
            return [with_esp(f, esp + os.urandom(n)) for n in
                    (1, 2, 3, 4, 8, 12, 16, 17, 64, 1000)]

        both(a, b, src, make, name, shape, esn, want=0)


def icv_cut(a, b, src):
    """The ICV shortened to other usual lengths."""
    for name, shape, esn in SOME:
        def make(src, t):
            f = src.make(t, 1)[0]
            esp = lab.esp_of(f)
            icv = t.alg["icv"] // 8
            return [with_esp(f, esp[:len(esp) - icv + n]) for n in (0, 4, 8, 12)
                    if n < icv]

        both(a, b, src, make, name, shape, esn, want=0)


def replayed(a, b, src):
    """The same packet again, later and at once; window of 32."""
    def again(src, t):
        f = src.make(t, 3)
        return [f[0], f[1], f[0], f[1], f[2], f[2]]

    def burst(src, t):
        return src.make(t, 1) * 64

    for name, shape, esn in SOME[:4]:
        r = both(a, b, src, again, name, shape, esn, want=3)
        check(sum(r["stat"].values()) == 3 and r["stat"].get("XfrmInStateSeqError"),
              "%r" % r["stat"])
        r = both(a, b, src, burst, name, shape, esn, want=1)
        check(sum(r["stat"].values()) == 63, "%r" % r["stat"])


def very_old(a, b, src):
    """Behind the window of 32, of 2048; and inside it."""
    def old(src, t):
        f = src.make(t, 2000, 4)
        return [f[1999], f[0], f[100], f[1900], f[1998 - 40]]

    r = both(a, b, src, old, "gcm128", ("transport", 4, 4), window=32, want=1)
    check(r["stat"] == {"XfrmInStateSeqError": 4}, "%r" % r["stat"])
    r = both(a, b, src, old, "gcm128", ("tunnel", 6, 6), window=2048, want=5)
    check(not r["stat"], "%r" % r["stat"])
    r = both(a, b, src, old, "cbc128-sha1", ("transport", 4, 4), True, 4096, want=5)
    check(not r["stat"], "%r" % r["stat"])


def shuffled(a, b, src):
    """Out of order within the window: all are delivered, once."""
    def make(src, t):
        f = src.make(t, 200, 4)
        return f[::-1] + f[:50]

    r = both(a, b, src, make, "gcm128", ("tunnel", 4, 4), window=256, want=200)
    check(r["stat"] == {"XfrmInStateSeqError": 50}, "%r" % r["stat"])


def crafted(t, seq, payload, pad=None, padlen=None, proto=17, esn_hi=None, icv=16):
    """An ESP packet with NULL encryption and HMAC-SHA256-128, any trailer"""
    if pad is None:
        n = -(len(payload) + 2) % 4
        pad = bytes(range(1, n + 1))
    if padlen is None:
        padlen = len(pad)
    esp = struct.pack("!II", t.inn, seq) + payload + pad + bytes((padlen, proto))
    auth = esp + (struct.pack("!I", esn_hi) if esn_hi is not None else b"")
    return esp + hmac.new(t.kin[1], auth, hashlib.sha256).digest()[:icv]


def udp(t, data):
    """A UDP datagram to t.rx, without checksum (IPv4)"""
    return struct.pack("!HHHH", t.tx.getsockname()[1], t.rx.getsockname()[1],
                       8 + len(data), 0) + data


def padding(a, b, src):
    """Trailers that lie, and those that are merely unusual."""
    def make(cases):
        def fn(src, t):
            f = src.make(t, 1)[0]
            seq = struct.unpack_from("!I", lab.esp_of(f), 4)[0]
            return [with_esp(f, crafted(t, seq + n, udp(t, MARK), **c))
                    for n, c in enumerate(cases)]
        return fn

    shape = ("transport", 4, 4)
    good = [{}, {"pad": b""}, {"pad": b"x" * 7}, {"pad": os.urandom(200)},
            {"pad": bytes(255)}]
    # not even a multiple of 4: the kernel takes it, so must we
    both(a, b, src, make(good), "null-sha256", shape, want=len(good))
    bad = [{"padlen": 255}, {"pad": b"", "padlen": 200},
           {"pad": b"", "padlen": len(MARK) + 8 + 1}, {"proto": 59}, {"proto": 253},
           {"proto": 4}, {"proto": 41}, {"icv": 12}, {"icv": 15}]
    r = both(a, b, src, make(bad), "null-sha256", shape, want=0)
    check(r["layer"]["drop_trailer"] >= 3, "%r" % r["layer"])


def empty(a, b, src):
    """Zero payload: nothing behind the IV but a trailer, or not even that."""
    def make(src, t):
        f = src.make(t, 1)[0]
        seq = struct.unpack_from("!I", lab.esp_of(f), 4)[0]
        raw = [struct.pack("!II", t.inn, seq + 100 + n) + b"\0" * n for n in range(4)]
        raw = [p + hmac.new(t.kin[1], p, hashlib.sha256).digest()[:16] for p in raw]
        return [with_esp(f, p) for p in
                [crafted(t, seq + n, b"", proto=proto)
                 for n, proto in enumerate((17, 6, 59, 1, 4, 50, 0))] + raw]

    r = both(a, b, src, make, "null-sha256", ("transport", 4, 4), want=0)
    check(r["layer"]["drop_length"] >= 2, "%r" % r["layer"])


def number_zero(a, b, src):
    def make(src, t):
        f = src.make(t, 1)[0]
        return [with_esp(f, crafted(t, 0, udp(t, MARK)))]

    r = both(a, b, src, make, "null-sha256", ("transport", 4, 4), want=0)
    check(r["stat"] == {"XfrmInStateSeqError": 1}, "%r" % r["stat"])


def wrong_epoch(a, b, src):
    """ESN: the right packet with an ICV over another high half."""
    def make(src, t):
        f = src.make(t, 1)[0]
        return [with_esp(f, crafted(t, 50 + n, udp(t, MARK), esn_hi=hi))
                for n, hi in enumerate((0, 1, 0xffffffff, None))]

    r = both(a, b, src, make, "null-sha256", ("transport", 4, 4), True, want=1)
    check(r["stat"] == {"XfrmInStateProtoError": 3}, "%r" % r["stat"])


def fragmented(a, b, src):
    """A valid packet in fragments is whole again; one with a hole is not."""
    def whole(src, t):
        f = src.make(t, 2, 900)
        return fragments(f[0], 256) + fragments(f[1], 8 * 31)[::-1]

    def hole(src, t):
        f = src.make(t, 2, 900)
        x = fragments(f[0], 256)
        y = fragments(f[1], 256)
        # the second packet's middle in the first one's hole is a bad ICV
        mix = bytearray(y[1])
        mix[18:20] = x[1][18:20]
        struct.pack_into("!H", mix, 24, 0)
        struct.pack_into("!H", mix, 24, lab.csum(bytes(mix[14:34])))
        return [x[0], bytes(mix)] + x[2:] + y[:1] + y[2:]

    for alg in ("gcm128", "cbc128-sha1"):
        both(a, b, src, whole, alg, ("transport", 4, 4), want=2)
        r = both(a, b, src, hole, alg, ("transport", 4, 4), want=0)
        check(r["failed"] == 1, "%r" % r["stat"])


def garbage(a, b, src):
    """A thousand random packets for our SPI."""
    def make(src, t):
        f = src.make(t, 1)[0]
        return [with_esp(f, struct.pack("!II", t.inn, 2 + n % 20) +
                         os.urandom(n % 200)) for n in range(1000)]

    both(a, b, src, make, "gcm128", ("tunnel", 4, 4), want=0)


def main():
    lab.load()
    lab.hosts_up("v")
    a, b = lab.both_hosts()
    src = Source()
    tests = [
        ("one bit wrong, in every field", flipped),
        ("wrong SPI", wrong_spi),
        ("truncated to every length", truncated),
        ("overlong", overlong),
        ("ICV cut short", icv_cut),
        ("replayed", replayed),
        ("very old, and old within large windows", very_old),
        ("reordered within the window", shuffled),
        ("padding and next header", padding),
        ("zero payload", empty),
        ("sequence number 0", number_zero),
        ("ESN of another epoch", wrong_epoch),
        ("fragments", fragmented),
        ("random bytes", garbage),
    ]

    def test(fn):
        return lambda: fn(a, b, src)

    def no_gro(fn):
        def run():
            lab.sh("ethtool -K va gro off")
            try:
                fn(a, b, src)
            finally:
                lab.sh("ethtool -K va gro on")
        return run

    def unload():
        a.flush()
        b.flush()
        time.sleep(0.1)
        for m in ("esp_ring_soft", "esp_ring"):
            lab.rmmod(m)

    # the way of a packet before ESP differs with GRO; a part is enough
    second = (flipped, truncated, replayed, padding, empty, fragmented)
    lab.run_tests([(n, test(f)) for n, f in tests] +
                  [(n + ", without GRO", no_gro(f)) for n, f in tests if f in second] +
                  [("unloads after all that", unload)])


main()
