# SPDX-License-Identifier: GPL-2.0-only
"""Many equal tunnels between the two hosts, bulk in them, and round trips."""
import contextlib
import mmap
import os
import signal
import socket
import struct
import time

import esplab as lab
from esplab import check
from xfrmnl import Ns


def faulty(**args):
    """Engines that fail on command; the software engine is there for its functions."""
    lab.insmod("esp_ring_soft")
    lab.insmod("esp_ring_faulty", " ".join("%s=%s" % i for i in args.items()))


def fault(name, value, n=0):
    lab.write("%sfaulty%d/%s" % (lab.FAULTY, n, name), "%d" % value)


def fault_value(name, n=0):
    return int(lab.read("%sfaulty%d/%s" % (lab.FAULTY, n, name)))


@contextlib.contextmanager
def param(name, value):
    """A parameter of esp_ring, put back afterwards"""
    old = lab.read(lab.PARAMS + name).strip()
    lab.write(lab.PARAMS + name, value)
    try:
        yield
    finally:
        lab.write(lab.PARAMS + name, old or "\n")


# ---- tunnels ----

def lane_addresses(n):
    """Inner addresses of n lanes, on lo, with routes over the first pair of NICs"""
    for ns, me, gw in ((None, 20, "10.9.1.2"), (lab.PEER, 21, "10.9.1.1")):
        lines = []
        for i in range(n):
            lines += ["addr replace 10.9.%d.%d/32 dev lo" % (me, i + 1),
                      "route replace 10.9.%d.%d/32 via %s src 10.9.%d.%d" % (
                          41 - me, i + 1, gw, me, i + 1)]
        lab.ip_batch(lines, ns)


class Lane(lab.Tunnel):
    """Tunnel number i: same outer addresses, own inner ones, own reqid."""

    def __init__(self, a, b, i, **args):
        super().__init__(a, b, shape=("tunnel", 4, 4), reqid=100 + i, policies=False,
                         window=1024, **args)
        self.inner = ("10.9.20.%d" % (i + 1), "10.9.21.%d" % (i + 1))
        self.add_policies()

    def delete(self):
        self.del_sas(self.out, self.inn)


# ---- traffic ----

class Bulk:
    """Datagrams in turn on all of these (source, destination) pairs, burst of them on
    each, as many as the CPU makes or at a rate, by a process of its own, which waits
    while so many bytes of each pair are under way.  Nobody reads them."""

    def __init__(self, pairs, size=1200, rate=0, burst=1, ns_src=None, ns_dst=lab.PEER,
                 sndbuf=1 << 20):
        self.socks, self.sinks = [], []
        for src, dst in pairs:
            with Ns(ns_dst):
                y = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                y.bind((dst, 0))
            with Ns(ns_src):
                x = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                x.bind((src, 0))
                x.setsockopt(socket.SOL_SOCKET, 32, sndbuf)     # SO_SNDBUFFORCE
            # not connected: that wants an SA
            self.socks.append((x, y.getsockname()))
            self.sinks.append(y)
        self.size, self.rate, self.burst = size, rate, burst
        # seen by both processes: rounds done; the sender is to rest; it does
        self.shared = mmap.mmap(-1, 10)
        self.pid = os.fork()
        if not self.pid:
            self.send()
        lab.children.add(self.pid)

    def rounds(self):
        """How often each pair has had its turn"""
        return int.from_bytes(self.shared[:8], "little")

    def rest(self, rounds=0):
        """After so many more of them, and until go()"""
        end = self.rounds() + rounds
        wait = 60 * lab.SLOW
        check(lab.wait_for(lambda: self.rounds() >= end, wait), "the sender stands still")
        self.shared[8] = 1
        check(lab.wait_for(lambda: self.shared[9], wait), "the sender does not stand still")

    def go(self):
        self.shared[8] = 0

    def send(self):
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        data = os.urandom(self.size)
        start, n = time.monotonic(), 0
        while True:
            for x, to in self.socks:
                for _ in range(self.burst):
                    try:
                        x.sendto(data, to)
                    except OSError:
                        pass        # no SA yet, or a queue is full
                n += self.burst
                ahead = n / self.rate - (time.monotonic() - start) if self.rate else 0
                if ahead > 0:
                    time.sleep(ahead)
                elif ahead < -0.05:
                    start, n = time.monotonic(), 0
            self.shared[:8] = (self.rounds() + 1).to_bytes(8, "little")
            while self.shared[8]:
                self.shared[9] = 1
                time.sleep(0.001)
                start, n = time.monotonic(), 0
            self.shared[9] = 0

    def __enter__(self):
        time.sleep(0.3)
        return self

    def __exit__(self, *_):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        lab.children.discard(self.pid)
        for s in [x for x, _ in self.socks] + self.sinks:
            s.close()


# ---- how long it takes ----

@contextlib.contextmanager
def traced(event):
    """The lines of one of the layer's tracepoints, in a buffer of their own: a function
    that reads them all"""
    d = "/sys/kernel/tracing/instances/lanes"
    os.mkdir(d)
    try:
        lab.write(d + "/buffer_size_kb", "8192")
        lab.write(d + "/events/esp_ring/%s/enable" % event, "1")
        yield lambda: lab.read(d + "/trace").splitlines()
    finally:
        os.rmdir(d)


def in_layer(lines, spi):
    """Seconds that layer and engine had each packet of an SA, by the lines of
    esp_ring_complete, the shortest first"""
    return sorted(int(x.rpartition("total_ns=")[2]) / 1e9 for x in lines
                  if "spi=0x%08x" % spi in x)


@contextlib.contextmanager
def undisturbed():
    """What a round trip takes shall not depend on when this process gets the CPU."""
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def round_trips(src, dst, n, gap=0.004, timeout=1):
    """Seconds of n pings that are answered, sorted, and how many are lost"""
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    s.bind((src, 0))
    s.settimeout(timeout * lab.SLOW)
    ident = os.getpid() & 0xffff
    took, lost = [], 0
    with undisturbed():
        for i in range(n):
            head = struct.pack("!BBHHH", 8, 0, 0, ident, i)
            body = b"r" * 56
            head = struct.pack("!BBHHH", 8, 0, lab.csum(head + body), ident, i)
            start = time.monotonic()
            s.sendto(head + body, (dst, 0))
            try:
                while True:
                    p = s.recv(2048)
                    if p[20] == 0 and struct.unpack_from("!HH", p, 24) == (ident, i):
                        break
                took.append(time.monotonic() - start)
            except (TimeoutError, socket.timeout):
                lost += 1
            time.sleep(gap)
    s.close()
    return sorted(took), lost


def quantile(sorted_values, q):
    return sorted_values[min(len(sorted_values) - 1, int(len(sorted_values) * q))]


def ms(seconds):
    return "%.2f ms" % (seconds * 1000)
