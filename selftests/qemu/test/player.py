#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""player.py [BUILD]: the player of frames, without a guest or a router.

Its two ports are on one hub, so that what one sends is there at the other at
once. TAP.
"""
import os
import struct
import sys
import tempfile

import tap
from rig import Machine
from tap import is_

CTL = 0x1e313000
FRAMES, TOTAL, WARM, RUNNING, PORT, STATS = 0x4, 0x8, 0xc, 0x10, 0x20, 0x100
MAC = [bytes.fromhex("0200000000%02x" % n) for n in (2, 7)]
GBIT = 1000000000


def frame(to, size, kind=b"\x08\x00"):
    """A frame of size bytes for one of the ports."""
    return MAC[to] + MAC[1 - to] + kind + bytes(size - 14)


class Player(Machine):
    """The machine with both ports on one hub, and a capture of what is on it."""

    def __init__(self, build, *frames):
        self.dir = tempfile.TemporaryDirectory()
        self.dump = os.path.join(self.dir.name, "pcap")
        with tempfile.NamedTemporaryFile(suffix=".pcap") as f:
            f.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 2000, 1))
            for x in frames:
                f.write(struct.pack("<IIII", 0, 0, len(x), len(x)) + x)
            f.flush()
            args = ["-global", f"player.frames={f.name}", "-global", f"player.wire-bps={GBIT}",
                    "-object", f"filter-dump,id=d,netdev=h0,file={self.dump}"]
            for n in (0, 1):
                args += ["-netdev", f"hubport,id=h{n},hubid=0", "-global", f"player.netdev{n}=h{n}",
                         "-global", f"player.mac{n}={MAC[n].hex(':')}"]
            super().__init__(build, "mt7621", *args)
        self.base = CTL

    def port(self, n, first, frames, window):
        """What a port plays."""
        for i, value in enumerate((first, frames, window)):
            self.reg(PORT + 0x10 * n + 4 * i, value)

    def go(self, warm, total):
        """Start it; nothing moves until time passes."""
        self.reg(WARM, warm)
        self.reg(TOTAL, total)

    def stat64(self, n):
        """A counter of the player."""
        return self.reg(STATS + 8 * n) | self.reg(STATS + 8 * n + 4) << 32

    def seen(self):
        """The frames that were on the hub."""
        with open(self.dump, "rb") as f:
            data = f.read()
        at, found = 24, []
        while at < len(data):
            n, = struct.unpack_from("<I", data, at + 8)
            found.append(data[at + 16:at + 16 + n])
            at += 16 + n
        return found


def wire_ns(size):
    """With preamble, FCS and gap."""
    return (size + 24) * 8


def steps(m, n, ns):
    """Time in small steps: a timer that is late would shift all after it."""
    for _ in range(n):
        m.step(ns)


DONE = frame(0, 60)
SHORT, LONG = frame(1, 100), frame(1, 1500)
BACK, STRAY, ARP = frame(0, 200), b"\x02" + bytes(5) + SHORT[6:], frame(1, 100, b"\x08\x06")


def test_one_way(build):
    """One port at the speed of the wire."""
    m = Player(build, DONE, SHORT, LONG)
    is_((m.reg(0), m.reg(FRAMES)), (0x59414c50, 3), "magic and frames")
    m.port(0, 1, 2, 8)
    m.port(1, 0, 0, 8)
    m.go(2, 10)
    is_(m.reg(RUNNING), 1, "it runs")
    steps(m, 200, 1000)
    is_(m.reg(RUNNING), 0, "and has ended")
    is_([m.stat64(n) for n in range(3, 11)], [8, 0, 10, 10, 0, 0, 0, 0], "8 of 10 were measured")
    # arrivals 2 to 10: a frame comes when the ones before it have left
    is_(abs(m.stat64(0) - 4 * (wire_ns(100) + wire_ns(1500))) <= 1000, True, "as long as the wire takes")
    is_(m.seen(), [SHORT, LONG] * 5 + [DONE], "in turn, and that all are there")
    m.go(0, 4)
    steps(m, 100, 1000)
    is_([m.stat64(n) for n in range(3, 11)], [4, 0, 4, 4, 0, 0, 0, 0], "once more, from the first on")
    m.close()


def test_both_ways(build):
    """Both ports; the sum of arrivals ends it."""
    m = Player(build, DONE, SHORT, BACK)
    m.port(0, 1, 1, 4)
    m.port(1, 2, 1, 4)
    m.go(0, 30)
    steps(m, 200, 500)
    there = [m.stat64(n) for n in range(3, 11)]
    is_(there[0] + there[1], 30, "30 were measured")
    is_((there[2], there[5], there[4], there[7]), (there[3], there[6], 0, 0), "none was lost")
    is_(abs(there[0] * wire_ns(100) - there[1] * wire_ns(200)) <= wire_ns(200), True,
        "each at the speed of its frames")
    m.close()


def test_loss(build):
    """What does not arrive is lost, counted, and holds nothing up for long."""
    for kind, lost in (("for another address", STRAY), ("not IPv4", ARP)):
        m = Player(build, DONE, SHORT, lost)
        m.port(0, 1, 2, 2)
        m.port(1, 0, 0, 2)
        m.go(0, 3)
        steps(m, 100, 1000)
        is_((m.stat64(5), m.stat64(6), m.reg(RUNNING)), (4, 2, 1), f"{kind}: the window is full")
        steps(m, 60, 1000000)
        is_([m.stat64(n) for n in (3, 5, 6, 7)] + [m.reg(RUNNING)], [3, 5, 3, 2, 0],
            f"{kind}: it goes on after 50 ms")
        m.close()
    m = Player(build, DONE, STRAY)
    m.port(0, 1, 1, 4)
    m.port(1, 0, 0, 4)
    m.go(0, 4)
    steps(m, 200, 1000000)
    is_([m.stat64(n) for n in (0, 3, 5, 6, 7)] + [m.reg(RUNNING)], [0, 0, 12, 0, 12, 0],
        "none arrives: given up after three times")
    m.close()


def test_misuse(build):
    """Frames that are not there; a second start."""
    m = Player(build, DONE, SHORT)
    m.port(0, 1, 2, 4)
    m.go(0, 4)
    is_(m.reg(RUNNING), 0, "frames beyond the file do not start")
    m.port(0, 1, 1, 1)
    m.go(0, 4)
    m.port(0, 0, 1, 9)
    is_((m.reg(PORT), m.reg(PORT + 8)), (1, 1), "what it plays does not change under way")
    m.close()


def main():
    build = tap.build()
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            print(f"# {test.__doc__}")
            test(build)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
