# SPDX-License-Identifier: GPL-2.0-only
"""Traffic between the two hosts, its loss and order, and a look at the wire."""
import atexit
import hashlib
import mmap
import os
import random
import select
import signal
import socket
import struct
import time

from xfrmnl import Ns, Xfrm, room
from labbase import PEER, SLOW, check, hosts_up, load, note, rmmod, run_tests, sh, wait_for


# ---- traffic ----

def csum(data):
    if len(data) & 1:
        data += b"\0"
    s = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    s = (s >> 16) + (s & 0xffff)
    return ~(s + (s >> 16)) & 0xffff


def pattern(n, salt=0):
    return hashlib.shake_128(struct.pack("!II", n, salt)).digest(n)


def ping(src, dst, sizes, ns=None, timeout=3.0, gap=0):
    """Echo requests of these payload sizes, all sent before the first answer is
    awaited.  Returns the sizes whose answer did not come or came wrong, and
    whether they came in order."""
    v6 = ":" in src
    with Ns(ns):
        s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_RAW,
                          socket.IPPROTO_ICMPV6 if v6 else socket.IPPROTO_ICMP)
        room(s, 4 << 20)
        s.bind((src, 0))
    if not v6:
        s.setsockopt(socket.IPPROTO_IP, 10, 0)      # IP_MTU_DISCOVER: may be fragmented
    ident = random.randrange(65536)
    want = {}
    order = []
    for n, size in enumerate(sizes):
        body = pattern(size, n)
        head = struct.pack("!BBHHH", 128 if v6 else 8, 0, 0, ident, n)
        if not v6:
            head = struct.pack("!BBHHH", 8, 0, csum(head + body), ident, n)
        want[n] = (size, body)
        s.sendto(head + body, (dst, 0))
        if gap:
            time.sleep(gap)
    end = time.monotonic() + timeout * SLOW
    while want and time.monotonic() < end:
        if not select.select([s], [], [], max(0, end - time.monotonic()))[0]:
            break
        p = s.recv(1 << 16)
        if not v6:
            p = p[(p[0] & 15) * 4:]
        kind, _, _, i, n = struct.unpack_from("!BBHHH", p)
        if kind != (129 if v6 else 0) or i != ident:
            continue
        if n in want and p[8:] == want[n][1]:
            order.append(n)
            del want[n]
    s.close()
    return [x[0] for x in want.values()], order == sorted(order)


def udp_pair(src, dst, sport=0, dport=0, ns_a=None, ns_b=PEER):
    """A connected pair of sockets, one on each host, and the first one's MTU."""
    fam = socket.AF_INET6 if ":" in src else socket.AF_INET
    with Ns(ns_b):
        y = socket.socket(fam, socket.SOCK_DGRAM)
        y.bind((dst, dport))
    with Ns(ns_a):
        x = socket.socket(fam, socket.SOCK_DGRAM)
        x.bind((src, sport))
        x.connect((dst, y.getsockname()[1]))
    with Ns(ns_b):
        y.connect((src, x.getsockname()[1]))
    for s in (x, y):
        s.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)
        if fam == socket.AF_INET:
            s.setsockopt(socket.IPPROTO_IP, 10, 0)
    return x, y


def mtu(sock):
    """Of the path with what ESP adds, that is: the largest inner packet."""
    return sock.getsockopt(socket.IPPROTO_IPV6, 24) if sock.family == socket.AF_INET6 \
        else sock.getsockopt(socket.IPPROTO_IP, 14)


def udp_both(x, y, sizes, timeout=3.0):
    """Each size once in both directions; returns what did not arrive whole."""
    lost = []
    for s, r in ((x, y), (y, x)):
        want = []
        for n, size in enumerate(sizes):
            s.send(pattern(size, n))
            want.append(pattern(size, n))
        got = []
        end = time.monotonic() + timeout * SLOW
        while len(got) < len(want) and time.monotonic() < end:
            if select.select([r], [], [], max(0, end - time.monotonic()))[0]:
                got.append(r.recv(1 << 16))
        for w in want:
            if w in got:
                got.remove(w)
            else:
                lost.append(len(w))
    return lost


def tcp_both(src, dst, nbytes, timeout=20, ns_a=None, ns_b=PEER, while_=None,
             until=None):
    """One connection, nbytes each way at once, compared by digest."""
    fam = socket.AF_INET6 if ":" in src else socket.AF_INET
    with Ns(ns_b):
        lst = socket.socket(fam, socket.SOCK_STREAM)
        lst.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        lst.bind((dst, 0))
        lst.listen(1)
    with Ns(ns_a):
        x = socket.socket(fam, socket.SOCK_STREAM)
        x.bind((src, 0))
    x.settimeout(timeout * SLOW)
    lst.settimeout(timeout * SLOW)
    x.connect(lst.getsockname()[:2])
    y = lst.accept()[0]
    lst.close()
    data = pattern(nbytes, 7)
    todo = {x: memoryview(data), y: memoryview(data)}
    got = {x: bytearray(), y: bytearray()}
    for s in (x, y):
        s.setblocking(False)
    end = time.monotonic() + timeout * SLOW
    while any(len(g) < nbytes for g in got.values()):
        check(time.monotonic() < end, "TCP %s %s: %d and %d of %d bytes in %d s" % (
            src, dst, len(got[x]), len(got[y]), nbytes, timeout * SLOW))
        rd, wr, _ = select.select([x, y], [s for s in todo if todo[s]], [], 0.5)
        for s in wr:
            try:
                todo[s] = todo[s][s.send(todo[s][:65536]):]
            except BlockingIOError:
                pass
        for s in rd:
            got[s] += s.recv(1 << 18)
        if while_:
            while_()
    for s in (x, y):
        check(hashlib.sha256(got[s]).digest() == hashlib.sha256(data).digest(),
              "TCP: not what was sent")
    # by a reset: nothing of this connection comes later
    for s in (x, y):
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()


class Flow:
    """Numbered datagrams at a fixed rate, by a process at each end; what is lost,
    doubled, out of order or damaged is known afterwards."""

    def __init__(self, src, dst, ns_src=None, ns_dst=PEER, rate=200, size=200, mark=0):
        fam = socket.AF_INET6 if ":" in src else socket.AF_INET
        with Ns(ns_dst):
            self.rx = socket.socket(fam, socket.SOCK_DGRAM)
            self.rx.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)
            self.rx.bind((dst, 0))
        with Ns(ns_src):
            self.tx = socket.socket(fam, socket.SOCK_DGRAM)
            if mark:
                self.tx.setsockopt(socket.SOL_SOCKET, 36, mark)
            self.tx.bind((src, 0))
        self.to = self.rx.getsockname()[:2]
        self.rate, self.size = rate, size
        self.pids = []
        self.count = mmap.mmap(-1, 4)
        r, w = os.pipe()
        self.txpipe = r
        pid = os.fork()
        if not pid:
            self.send(w)
        os.close(w)
        self.pids.append(pid)
        r, w = os.pipe()
        self.rxpipe = r
        pid = os.fork()
        if not pid:
            self.receive(w)
        os.close(w)
        self.pids.append(pid)
        children.update(self.pids)

    def send(self, w):
        stop = []
        signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
        # QEMU's wire takes nothing more once 256 packets lie before a port that is
        # down: a send that waits for it must not wait for ever
        self.tx.settimeout(1)
        n = refused = 0
        fill = pattern(self.size, 1)
        start = time.monotonic()
        while not stop:
            due = int((time.monotonic() - start) * self.rate)
            # after a stall, no burst of what was missed
            if due - n > 20:
                start += (due - n - 1) / self.rate
                due = n + 1
            while n < due and not stop:
                try:
                    self.tx.sendto(struct.pack("!I", n) + fill, self.to)
                    n += 1
                except OSError:
                    # the sender is told: not lost on the way
                    refused += 1
                    start += 1 / self.rate
                    due -= 1
            time.sleep(1 / self.rate)
        os.write(w, struct.pack("!II", n, refused))
        os._exit(0)

    def receive(self, w):
        stop = []
        signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
        fill = pattern(self.size, 1)
        seen = set()
        last = -1
        dup = late = bad = 0
        gap = 0
        before = time.monotonic()
        self.rx.settimeout(0.2)
        while True:
            try:
                p = self.rx.recv(1 << 16)
            except (TimeoutError, socket.timeout):
                if stop:
                    break
                continue
            now = time.monotonic()
            if last >= 0 and now - before > gap:
                gap = now - before
            before = now
            n = struct.unpack_from("!I", p)[0]
            if p[4:] != fill:
                bad += 1
            elif n in seen:
                dup += 1
            else:
                seen.add(n)
                if n < last:
                    late += 1
                last = max(last, n)
                self.count[:] = struct.pack("=I", len(seen))
        os.write(w, struct.pack("!IIIIII", len(seen), dup, late, bad,
                                int(gap * 1000), last + 1))
        os._exit(0)

    def arrived(self):
        return struct.unpack("=I", self.count[:])[0]

    def stop(self):
        """Returns {sent, refused, got, lost, dup, late, bad, gap_ms}."""
        os.kill(self.pids[0], signal.SIGTERM)
        sent, refused = struct.unpack("!II", os.read(self.txpipe, 8))
        # while some still come: they may have waited for a CPU, or in an engine
        end = time.monotonic() + 5 * SLOW
        n = self.arrived()
        while n < sent and time.monotonic() < end and wait_for(
                lambda n=n: self.arrived() > n, 0.3):
            n = self.arrived()
        os.kill(self.pids[1], signal.SIGTERM)
        got, dup, late, bad, gap, last = struct.unpack("!6I", os.read(self.rxpipe, 24))
        for p in self.pids:
            os.waitpid(p, 0)
            children.discard(p)
        for fd in (self.txpipe, self.rxpipe):
            os.close(fd)
        self.tx.close()
        self.rx.close()
        return {"sent": sent, "refused": refused, "got": got, "lost": sent - got,
                "dup": dup, "late": late, "bad": bad, "gap_ms": gap, "last": last}


# processes to be ended whatever happens
children = set()


@atexit.register
def _kill_children():
    for p in children:
        try:
            os.kill(p, signal.SIGKILL)
        except OSError:
            pass


class Load:
    """Flows both ways, and optionally TCP, while something happens.

        with Load(t) as load: ...
        load.a, load.b: what Flow.stop() says, A to B and B to A
    """

    def __init__(self, t, rate=150, size=200):
        self.t, self.rate, self.size = t, rate, size
        self.a = self.b = None

    def __enter__(self):
        p, q = self.t.inner
        self.fa = Flow(p, q, None, PEER, self.rate, self.size)
        self.fb = Flow(q, p, PEER, None, self.rate, self.size)
        # until it flows: a loaded host starts a process late
        wait_for(lambda: self.fa.arrived() > 20 and self.fb.arrived() > 20, 3)
        return self

    def __exit__(self, kind, *exc):
        self.a, self.b = self.fa.stop(), self.fb.stop()
        if not kind:
            for name, f in (("A to B", self.a), ("B to A", self.b)):
                check(not f["dup"] and not f["bad"],
                      "%s: doubled or damaged: %r" % (name, f))
                # order.sh is strict.  Inbound packets go through a list of the
                # CPU that NAPI ran on (gro_cells), and NAPI may change the CPU.
                # So does all that a veth carries (its peer's backlog).
                if f["late"]:
                    note("%s: %d of %d out of order" % (name, f["late"], f["got"]))
                    check(f is self.b or not self.t.ordered,
                          "%s: out of order: %r" % (name, f))

    def lossless(self):
        for name, f in (("A to B", self.a), ("B to A", self.b)):
            check(not f["lost"] and not f["refused"], "%s: lost: %r" % (name, f))
            check(f["got"] > 10, "%s: hardly any traffic: %r" % (name, f))


# ---- the wire ----

class Wire:
    """Every frame at the peer's NIC.  GRO of esp4_offload takes packets before
    they are seen here, so it is off while we look."""

    def __init__(self, dev="vb", ns=PEER):
        self.ns, self.dev = ns, dev
        sh("ethtool -K %s gro off" % dev, ns=ns)
        with Ns(ns):
            self.s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                                   socket.htons(3))
            self.s.setsockopt(socket.SOL_SOCKET, 33, 256 << 20)
            self.s.bind((dev, 3))
        self.s.setblocking(False)

    def frames(self):
        """(outgoing from the peer, frame) of all so far"""
        out = []
        while True:
            try:
                p, a = self.s.recvfrom(1 << 16)
            except BlockingIOError:
                return out
            out.append((a[2] == 4, p))

    def esp(self):
        """(spi, seq, bytes behind the sequence number) of all so far.  What is
        not ESP is no matter here: decapsulated packets are seen again."""
        out = []
        for _, p in self.frames():
            e = esp_of(p)
            if e:
                out.append(struct.unpack_from("!II", e) + (e[8:],))
        return out

    def close(self):
        self.s.close()
        sh("ethtool -K %s gro on" % self.dev, ns=self.ns, ok=False)


def increasing(seen, spi, least):
    """An SA's numbers in what Wire.esp() has seen: so many at least, each above the one
    before."""
    seqs = [p[1] for p in seen if p[0] == spi]
    check(len(seqs) >= least, "SA 0x%x: only %d packets seen" % (spi, len(seqs)))
    wrong = [(n, x, y) for n, (x, y) in enumerate(zip(seqs, seqs[1:])) if x >= y]
    check(not wrong, "SA 0x%x: %d of %d numbers go back: %r" % (
        spi, len(wrong), len(seqs), wrong[:5]))
    return seqs


def esp_of(frame):
    """The ESP packet in an Ethernet frame, or its first fragment; None: something
    else; b"": another fragment"""
    etype = struct.unpack_from("!H", frame, 12)[0]
    p = frame[14:]
    if etype == 0x0800:
        hl = (p[0] & 15) * 4
        end = struct.unpack_from("!H", p, 2)[0]
        frag = struct.unpack_from("!H", p, 6)[0]
        if frag & 0x1fff:
            return b""
        proto, body = p[9], p[hl:end]
    elif etype == 0x86dd:
        proto, body = p[6], p[40:40 + struct.unpack_from("!H", p, 4)[0]]
        if proto == 44:
            if struct.unpack_from("!H", body, 2)[0] & 0xfff8:
                return b""
            proto, body = body[0], body[8:]
    else:
        return None
    if proto == 50:
        return body
    if proto == 17 and struct.unpack_from("!HH", body)[1] == 4500 and body[8:12] != b"\0" * 4:
        return body[8:]
    return None


def both_hosts():
    a, b = Xfrm(), Xfrm(PEER)
    for x in (a, b):
        x.flush_all()
        # nothing leaves in the clear while a test changes its policies
        for net in ("10.9.0.0/16", "fd09::/16"):
            x.add_block(net, net)
    return a, b


def run_on_hosts(tests, modules=("esp_ring_soft", "esp_ring"), pairs="ve", up=None,
                 before=None, down=None):
    """Tests that are functions of the two hosts, and at the end the modules unload.

    up, instead of load(): called once; before: before each test, when the SAs of the
    one before are gone; down: before unloading.
    """
    (up or load)()
    hosts_up(pairs)
    a, b = both_hosts()

    def fresh(fn):
        def test():
            a.flush()
            b.flush()
            if before:
                before()
            return fn(a, b)
        return test

    def unload():
        a.flush()
        b.flush()
        if down:
            down()
        for m in modules:
            rmmod(m)

    run_tests([(n, fresh(f)) for n, f in tests] + [("unloads after all that", unload)])
