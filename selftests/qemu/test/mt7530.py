#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""What the model of the MT7530 switch does: mt7530.py [BUILD]

Prints TAP. BUILD is the directory that selftests/qemu/build prints.
"""
import os
import struct
import sys

from fe_rig import MCR, PAUSE, UP
from sw_rig import (
    AAC, AGC, BLOCKING, BPC, CHECK, CPU, CREV, DYNAMIC, FALLBACK, FLUSH, FORWARDING,
    GMACCR, GMAC1, IAC, IAC_C22, IAC_GO, IAC_READ, INT_EN, INT_STS, INVALID, LEARNING,
    MATRIX, MFC, MIB_CCR, MS, MTRAP, PCR, PMCR, PMSR, PPBV1, PSC, PVC, READ, RGAC1, RGAC2,
    SECURITY, SSP, STACK, STATIC, SYS_CTRL, Switch, TAG, TOP_SIG, TRAP, UNTAG, VAWD1, VTCR,
    WRITE)
import tap
from tap import is_

BROADCAST = b"\xff" * 6
A, B, C = (bytes.fromhex("5254000000a%d" % n) for n in (1, 2, 3))
GROUP = bytes.fromhex("01005e000105")
BPDU = bytes.fromhex("0180c2000000")


def frame(dst=B, src=A, tag=b"", size=80, kind=0x88b5):
    """A frame that is nothing known; tag goes before the type."""
    return dst + src + tag + struct.pack(">H", kind) + os.urandom(size)


def vtag(vid, tpid=0x8100, pcp=0):
    """An 802.1Q tag."""
    return struct.pack(">HH", tpid, pcp << 13 | vid)


def stag(first, second, tci=0):
    """A special tag."""
    return struct.pack(">BBH", first, second, tci)


def with_tag(data, tag):
    """The same frame with a tag behind the addresses."""
    return data[:12] + tag + data[12:]


def test_identity(m):
    """What the driver asks first, and how registers are reached."""
    m.setup()
    is_(m.sw(CREV) >> 16, 0x7530, "CREV says 7530")
    is_(m.sw(TRAP) & 0x600, 0x600, "a crystal of 25 MHz, as the SoC's register says")
    is_([m.mdio(n, 2) << 16 | m.mdio(n, 3) for n in range(5)], [0x03a29412] * 5,
        "five PHYs of the MT7530")
    is_(m.mdio(7, 2), 0xffff, "and nobody else")
    m.sw(AAC, 0x12345)
    is_(m.sw(AAC), 0x12345, "both halves of a register")
    m.mdio(0x1f, 0x1f, AAC >> 6)
    m.mdio(0x1f, AAC >> 2 & 0xf, 0xffff)
    is_(m.sw(AAC), 0x12345, "the low half alone does nothing")
    old = m.sw(MTRAP)
    m.sw(MTRAP, (old ^ 1 << 7) & ~(1 << 16))
    is_(m.sw(MTRAP), old, "MTRAP is protected")
    m.sw(IAC, IAC_GO | IAC_C22 | IAC_READ | 3 << 20 | 3 << 25)
    is_(m.sw(IAC) & 0x8000ffff, 0x9412, "PHYs behind the switch's own MDIO")
    m.sw(MTRAP, old | 1 << 5 | 1 << 16)
    is_(m.mdio(3, 2), 0xffff, "which is the only way with PHY_INDIRECT_ACCESS")
    m.command("writel 0x1e000034 4")
    is_(m.mdio(0x1f, 0x1f), 0xffff, "nobody answers while the reset line is up")
    m.command("writel 0x1e000034 0")
    is_((m.sw(MTRAP), m.sw(AAC)), (m.sw(TRAP), 0x95001), "and then all is as at first")


def test_phy(m):
    """Link, autonegotiation, interrupts, pages."""
    m.setup()
    m.sw(TOP_SIG, 3 << 16)
    m.sw(INT_STS, 0xffffffff)
    m.sw(INT_EN, 0x1f)
    for n in range(5):
        m.mdio(n, 1)
    is_([m.mdio(n, 1) & 0x24 for n in range(5)], [0x24] * 5, "link and negotiated")
    m.port(PMCR, 2, 0x56330)
    is_(m.port(PMSR, 2) & 0x3f, 0x0b, "PMSR without force: 1000, full, up")
    m.mdio(2, 4, m.mdio(2, 4) | 0x400)
    m.mdio(2, 0, 0x1340)
    m.step(101 * MS)
    is_(m.port(PMSR, 2) & 0x3f, 0x3b, "pause, if it is advertised")
    m.port(PMCR, 2, 0x5e33b)
    m.mdio(2, 1)
    m.sw(INT_STS, 0xffffffff)
    m.set_link(2, False)
    is_((m.sw(INT_STS), m.raised), (1 << 2, True), "a pulled cable interrupts")
    is_(m.mdio(2, 1) & 4, 0, "the link is down")
    m.sw(INT_STS, 1 << 2)
    is_((m.sw(INT_STS), m.raised), (0, False), "until it is acknowledged")
    m.set_link(2, True)
    is_(m.mdio(2, 1) & 4, 0, "a cable has no link at once")
    m.step(101 * MS)
    is_((m.sw(INT_STS), m.mdio(2, 1) & 4, m.raised), (1 << 2, 4, True), "but after a while")
    m.set_link(2, False)
    m.set_link(2, True)
    m.step(101 * MS)
    is_([m.mdio(2, 1) & 4 for _ in range(2)], [0, 4], "BMSR remembers that it was down")
    is_(m.cables(), 0x1f, "the control page sees all cables")
    m.cables(0x1b)
    is_((m.mdio(2, 1) & 4, m.cables()), (0, 0x1b), "and pulls one")
    m.cables(0x1f)
    m.step(101 * MS)
    m.sw(TOP_SIG, 0)
    is_(m.raised, False, "no interrupt without TOP_SIG_CTRL")
    m.mdio(2, 0, 0x800)
    is_(m.mdio(2, 1) & 4, 0, "power down")
    m.mdio(2, 0, 0x1340)
    m.step(101 * MS)
    m.mdio(2, 1)
    is_(m.mdio(2, 1) & 4, 4, "and up again")
    m.port(PMCR, 2, 0x56330)
    m.mdio(2, 9, 0)
    m.mdio(2, 0, 0x1340)
    m.step(101 * MS)
    is_(m.port(PMSR, 2) & 0xf, 0x7, "100 full if 1000 is not advertised")
    m.mdio(2, 0x1f, 1)
    m.mdio(2, 0x14, 0x1234)
    m.mdio(2, 0x1f, 3)
    is_(m.mdio(2, 0x14), 0, "pages are apart")
    m.mdio(2, 0x1f, 1)
    is_(m.mdio(2, 0x14), 0x1234, "and keep what they have")
    m.mdio(2, 0x1f, 0x52b5)
    for reg, value in ((0x11, 0x5678), (0x12, 0x9a), (0x10, 0x8fae), (0x11, 0), (0x12, 0),
                       (0x10, 0xafae)):
        m.mdio(2, reg, value)
    is_((m.mdio(2, 0x11), m.mdio(2, 0x12)), (0x5678, 0x9a), "the token ring")
    for reg, value in ((13, 7), (14, 60), (13, 0x4007), (14, 0)):
        m.mdio(2, reg, value)
    is_(m.mdio(2, 14), 0, "EEE's advertisement through registers 13 and 14")
    m.sw(SYS_CTRL, 4)
    is_((m.mdio(2, 9), m.mdio(2, 0x1f)), (0x200, 0), "a reset of the PHYs")


def test_forward(m):
    """Flooding, learning, port matrix."""
    m.setup(bridge=(1, 2, 3))
    f = frame(BROADCAST)
    is_(m.inject(1, f), {2: [f], 3: [f], CPU: [with_tag(f, stag(0, 1))]},
        "a broadcast goes to the bridge and to the CPU, with a special tag")
    f = frame(A, B)
    is_(m.inject(2, f), {1: [f]}, "a learned address has one port")
    is_(m.table(), [(A, 0, 2, DYNAMIC), (B, 0, 4, DYNAMIC)], "the table has both")
    f = frame(C, A)
    is_(sorted(m.inject(1, f)), [2, 3, CPU], "an unknown one is flooded")
    f = frame(A, C)
    is_(m.inject(1, f), {}, "not back to where it came from")
    f = frame(BROADCAST, C)
    is_(m.inject(0, f), {CPU: [with_tag(f, stag(0, 0))]}, "a port of its own sees the CPU only")
    is_([e[0] for e in m.table()], [A, B, C], "and does not learn")
    is_(m.table()[2][2], 2, "it was learned where it was bridged")
    m.port(PCR, 1, 1 << (16 + CPU) | FALLBACK)
    is_(sorted(m.inject(1, frame(B))), [], "isolated ports cannot reach each other")
    is_(sorted(m.inject(1, frame(BROADCAST))), [CPU], "but the CPU")
    f = frame(A, B)[:30]
    is_(m.inject(2, f), {1: [f + bytes(30)]}, "a short frame is padded")
    m.change(MFC, 1 << 24 + 3, 0)
    is_(sorted(m.inject(2, frame(BROADCAST, B))), [1, CPU], "a port without broadcasts")
    m.change(MFC, 1 << 8 + 3, 0)
    is_(sorted(m.inject(2, frame(b"\x02" * 6, B))), [1, CPU], "without unknown unicast")
    m.change(MFC, 1 << 16 + 3, 0)
    is_(sorted(m.inject(2, frame(GROUP, B))), [1, CPU], "without unknown multicast")
    m.atc(WRITE, GROUP, ports=1 << 3)
    is_(sorted(m.inject(2, frame(GROUP, B))), [3], "a group in the table")


def test_table(m):
    """Static entries, erasing, ageing, flush, a full table."""
    m.setup()
    m.atc(WRITE, B, ports=1 << 4)
    f = frame(B)
    is_(m.inject(1, f), {4: [f]}, "a static entry")
    m.inject(2, frame(A, B))
    is_((m.atc(READ, B) & INVALID, m.entry()), (0, (B, 0, 1 << 4, STATIC)),
        "is not moved by learning")
    m.atc(WRITE, B, ports=1 << 3)
    is_(sorted(m.inject(1, f)), [3], "but by being written")
    m.atc(WRITE, B, status=0)
    is_(m.atc(READ, B) & INVALID, INVALID, "and is gone when it is erased")
    is_(m.atc(READ, B, vid=5) & INVALID, INVALID, "another VLAN is another entry")
    m.sw(AAC, 1 << 12 | 4)
    m.inject(1, frame())
    m.step(9000 * MS)
    is_(m.atc(READ, A) & INVALID, 0, "after 9 of (1 + 1) * (4 + 1) s it is there")
    m.inject(1, frame())
    m.step(9000 * MS)
    is_(m.atc(READ, A) & INVALID, 0, "seen again, it stays")
    m.step(1100 * MS)
    is_(m.atc(READ, A) & INVALID, INVALID, "and goes after 10")
    m.atc(WRITE, B, ports=1 << 4)
    m.step(100000 * MS)
    is_([e[0] for e in m.table()], [B], "static ones do not")
    m.sw(AAC, 1 << 20 | 1 << 12 | 4)
    m.inject(1, frame())
    m.step(100000 * MS)
    is_([e[0] for e in m.table()], [A, B], "none does with AGE_DIS")
    m.inject(2, frame(B, A))
    is_(m.table()[0][2], 1 << 2, "an address moves")
    m.atc(FLUSH)
    is_(m.table(), [], "flush")
    m.port(PSC, 1, 1 << 4)
    m.inject(1, frame())
    is_(m.table(), [], "SA_DIS")


def test_vlan(m):
    """A VLAN-aware bridge as the driver programs it, with wan on its own."""
    m.setup(bridge=(1, 2, 3, 4))
    for n in (1, 2, 3, 4):
        m.port(PCR, n, (0x5e & ~(1 << n)) << 16 | SECURITY)
        m.port(PVC, n, 0x81000000)
        m.port(PPBV1, n, 1)
    # 1: lan1, lan2 untagged; 10: lan2, lan3 tagged, lan4 untagged; CPU stacked
    m.vlan(1, 0x46, tags=UNTAG | STACK << 12)
    m.vlan(10, 0x5c, tags=TAG << 4 | TAG << 6 | STACK << 12)
    m.port(PPBV1, 4, 10)
    f = frame(BROADCAST)
    is_(m.inject(1, f), {2: [f], CPU: [with_tag(f, stag(0, 1) + vtag(1))]},
        "untagged in the PVID's VLAN; stacked behind the special tag for the CPU")
    t = with_tag(f, vtag(10, pcp=5))
    is_(m.inject(2, t), {3: [t], 4: [with_tag(f, b"")],
                         CPU: [with_tag(f, stag(0, 2) + vtag(10, pcp=5))]},
        "tagged to tagged and untagged ports, priority kept")
    is_(m.inject(4, f), {2: [with_tag(f, vtag(10))], 3: [with_tag(f, vtag(10))],
                         CPU: [with_tag(f, stag(0, 4) + vtag(10))]},
        "from an untagged port to tagged ones")
    is_(m.inject(1, t), {}, "no member: dropped")
    is_(m.count(1, 0xb4), 1, "and counted")
    is_(m.inject(2, with_tag(f, vtag(77))), {}, "no such VLAN: dropped")
    is_(m.inject(2, with_tag(frame(A, B), vtag(10))) != {}, True, "B is learned in 10")
    is_((m.atc(READ, B, vid=10) & INVALID, m.atc(READ, B, vid=1) & INVALID), (0, INVALID),
        "and not in 1")
    m.port(PCR, 1, 0x5c << 16 | CHECK)
    is_(sorted(m.inject(1, t)), [2, 3, 4, CPU], "check mode lets a stranger in")
    is_(m.inject(1, with_tag(f, vtag(77))), {}, "but no unknown VLAN")
    m.port(PCR, 1, 0x5c << 16 | FALLBACK)
    is_(sorted(m.inject(1, with_tag(f, vtag(77)))), [2, 3, 4, CPU], "fallback does")
    m.port(PVC, 3, 0x81000001)
    is_(m.inject(3, f), {}, "tagged frames only")
    is_(m.inject(3, with_tag(f, vtag(0))), {}, "a priority tag is none")
    m.port(PVC, 3, 0x81000002)
    is_(m.inject(3, t), {}, "untagged frames only")
    w = with_tag(frame(BROADCAST), vtag(10))
    is_(m.inject(0, w), {CPU: [with_tag(w, stag(0, 0))]}, "wan knows nothing of VLANs")
    is_(m.cpu_send(with_tag(f, stag(1, 1 << 3, 10))), {3: [with_tag(f, vtag(10))]},
        "from the CPU, tag combined: tagged")
    is_(m.cpu_send(with_tag(f, stag(2, 1 << 3, 10))), {3: [with_tag(f, vtag(10, 0x88a8))]},
        "the same with 88a8")
    is_(m.cpu_send(with_tag(f, stag(0, 1))), {0: [f]}, "untagged to wan")
    m.port(PVC, 2, 0x81000400)
    is_(m.inject(2, t)[3], [f], "EG_TAG of the port it came by: untagged")


def test_cpu(m):
    """The special tag, both ways."""
    m.setup(bridge=())
    f = frame()
    for n in range(5):
        is_(m.cpu_send(with_tag(f, stag(0, 1 << n))), {n: [f]}, f"to port {n} alone")
        g = frame(size=1400)
        is_(m.inject(n, g), {CPU: [with_tag(g, stag(0, n))]}, f"from port {n}")
    is_(m.cpu_send(with_tag(f, stag(0, 0x1f))), {n: [f] for n in range(5)}, "to all")
    t = with_tag(f, vtag(100))
    is_(m.inject(0, t), {CPU: [with_tag(t, stag(0, 0))]}, "a VLAN tag behind it")
    is_(m.cpu_send(with_tag(f, stag(1, 1, 100))), {0: [t]}, "and back, combined")
    m.port(PSC, CPU, 0)
    m.cpu_send(with_tag(f, stag(0, 1 | 1 << 6)))
    is_(m.table(), [], "SA_DIS in the tag")
    m.cpu_send(with_tag(f, stag(0, 1)))
    is_([(e[0], e[2]) for e in m.table()], [(A, 1 << CPU)], "learning from the CPU")
    m.port(PMCR, 0, 0x5a33b)
    is_(m.cpu_send(with_tag(f, stag(0, 1))), {}, "not with the transmitter off")
    m.port(PMCR, 0, 0x5633b & ~(1 << 13))
    is_(m.inject(0, f, seen=False), {}, "nor in with the receiver off")
    m.port(PMCR, 0, 0x5e33a)
    is_(m.cpu_send(with_tag(f, stag(0, 1))), {}, "nor with the MAC's link forced down")
    m.port(PMCR, 0, 0x5e33b)
    m.set_link(0, False)
    is_(m.cpu_send(with_tag(f, stag(0, 1))), {}, "nor without a cable")
    m.set_link(0, True)
    m.step(101 * MS)
    is_(m.cpu_send(with_tag(f, stag(0, 1))), {0: [f]}, "but with one")
    m.reg(MCR, UP | PAUSE)
    for _ in range(40):
        m.wires[1].sendall(struct.pack(">I", 100) + frame(size=86))
    m.until(lambda: m.seen(1) >= 41)
    is_((len(m.drain().get(CPU, [])), m.count(CPU, 0)), (40, 0),
        "what has no room in the ring waits, as GMAC0 sends pauses")
    for _ in range(100):
        m.wires[1].sendall(struct.pack(">I", 100) + frame(size=86))
    m.until(lambda: m.seen(1) >= 141)
    got = len(m.drain().get(CPU, []))
    is_((got >= 64, got + m.count(CPU, 0)), (True, 100),
        "and is dropped and counted if it is too much")


def test_stp(m):
    """States, and frames that they do not concern."""
    m.setup(bridge=(1, 2))
    for reg in (RGAC1, RGAC2):
        m.sw(reg, 6 << 16 | 1 << 25 | 6 | 1 << 9)
    m.sw(BPC, 6 << 16 | 1 << 25 | 6)
    state = {}
    for name, value in (("blocking", BLOCKING), ("learning", LEARNING),
                        ("forwarding", FORWARDING), ("disabled", 0)):
        m.atc(FLUSH)
        m.port(SSP, 1, 0xffff & ~0xc | value << 2)
        out = sorted(m.inject(1, frame(BROADCAST)))
        learned = [e[0] for e in m.table()]
        into = sorted(m.inject(2, frame(BROADCAST, B)))
        b = frame(BPDU)
        trapped = m.inject(1, b) == {CPU: [with_tag(b, stag(0, 1))]}
        sent = m.cpu_send(with_tag(b, stag(0, 2))) == {1: [b]}
        state[name] = (out, learned, into, trapped, sent)
    is_(state["blocking"], ([], [], [CPU], True, True), "blocking")
    is_(state["disabled"], ([], [], [CPU], True, True), "disabled")
    is_(state["learning"], ([], [A], [CPU], True, True), "learning")
    is_(state["forwarding"], ([2, CPU], [A], [1, CPU], True, True), "forwarding")
    m.port(SSP, 1, 0xffff & ~3)
    is_(sorted(m.inject(1, frame(BROADCAST))), [2, CPU], "the state is that of the FID")
    for last in (0x01, 0x02, 0x03, 0x0e):
        is_(sorted(m.inject(1, frame(BPDU[:5] + bytes((last,))))), [CPU],
            f"01-80-C2-00-00-{last:02X} is trapped")
    is_(sorted(m.inject(1, frame(BPDU[:5] + b"\x05"))), [2, CPU], "05 is not")
    is_(sorted(m.inject(1, frame(B, kind=0x888e))), [CPU], "802.1X is")
    m.sw(BPC, 7)
    is_(m.inject(1, frame(BPDU)), {}, "BPDUs can be dropped")
    m.sw(BPC, 4)
    is_(sorted(m.inject(1, frame(BPDU))), [2], "kept from the CPU")
    m.sw(BPC, 5)
    is_(sorted(m.inject(1, frame(BPDU))), [2, CPU], "flooded")
    m.sw(BPC, 6)
    m.change(MFC, 1 << 7, 0)
    is_(m.inject(1, frame(BPDU)), {}, "no CPU port, no trap")


def test_length(m):
    """GMACCR."""
    m.setup(bridge=(1, 2))
    for name, value, most in (("1522", 0, 1518), ("1536", 1, 1532), ("1552", 2, 1548),
                              ("2 KiB", 3 | 2 << 2, 2044)):
        m.sw(GMACCR, value)
        f = frame(BROADCAST, size=most - 14)
        is_(m.inject(1, f).get(2), [f], f"{name}: the longest frame")
        is_(m.inject(1, frame(BROADCAST, size=most - 13)), {}, "one more byte")
    is_(m.count(1, 0x84), 4, "they are counted")


def test_mib(m):
    """Counters."""
    m.setup(bridge=(1, 2))
    for dst in (B, GROUP, BROADCAST):
        m.inject(1, frame(dst, size=86))
    is_([m.count(1, o) for o in (0x68, 0x6c, 0x70)], [1, 1, 1], "received, by address")
    is_([m.count(2, o) for o in (0x08, 0x0c, 0x10)], [1, 1, 1], "sent, by address")
    is_((m.count(1, 0xa8), m.count(1, 0xac)), (312, 0), "bytes, with the FCS")
    m.sw(MIB_CCR, 0)
    m.sw(MIB_CCR, 0x800000f0)
    for size in (46, 47, 200, 300, 600, 1200):
        m.inject(1, frame(size=size))
    is_([m.count(1, 0x90 + 4 * i) for i in range(6)], [1] * 6, "by length")
    m.sw(MIB_CCR, 0)
    is_(m.count(1, 0x68), 0, "cleared while it is off")


def test_mirror(m):
    """Copies for port 4."""
    m.setup(bridge=(1, 2, 3))
    m.inject(2, frame(A, B))
    m.change(MFC, 0xf, 1 << 3 | 4)
    m.change(PCR + 0x100, 0, 1 << 8)
    f = frame(B)
    is_(m.inject(1, f), {2: [f], 4: [f]}, "what a port receives")
    m.change(PCR + 0x100, 1 << 8, 1 << 9)
    m.inject(1, frame(B, A))
    f = frame(A, B)
    is_(m.inject(2, f), {1: [f], 4: [f]}, "what a port sends")
    m.sw(AGC, 0)
    m.change(PCR + 0x400, 0, 1 << 8)
    f = frame(BROADCAST, C)
    is_(m.inject(4, f).get(4), None, "not its own without LOCAL_EN")
    m.sw(AGC, 1 << 7)
    is_(m.inject(4, f).get(4), [f], "with it")


def test_mux(m):
    """GMAC1: through port 5, or past the switch to a PHY."""
    m.setup()
    m.sw(MTRAP, 1 << 16 | 1 << 20)
    f = frame()
    m.put(f, gmac=1)
    m.doorbell()
    is_(m.drain(), {0: [f]}, "PHY 0 is GMAC1's")
    is_(m.inject(0, f, seen=False), {CPU: [f]}, "both ways, without a tag")
    m.sw(MTRAP, 1 << 16)
    m.put(f, gmac=1)
    m.doorbell()
    is_(m.drain(), {4: [f]}, "or PHY 4")
    m.sw(MTRAP, 1 << 16 | 1 << 13)
    m.port(PMCR, GMAC1, 0x5e33b)
    m.port(PVC, GMAC1, 0x120)
    m.port(PCR, GMAC1, 0x1f << 16)
    m.put(with_tag(f, stag(0, 2)), gmac=1)
    m.doorbell()
    is_(m.drain(), {1: [f]}, "or port 5 is a port with special tags")
    m.sw(MTRAP, 1 << 16 | 1 << 13 | 1 << 6)
    m.put(with_tag(f, stag(0, 2)), gmac=1)
    m.doorbell()
    is_(m.drain(), {}, "and off with P5_DIS")


def test_unmanaged(m):
    """What it is before anybody has programmed it."""
    m.up()
    m.sw(SYS_CTRL, 7)
    m.step(200 * MS)
    m.sw(MIB_CCR, 0x800000f0)
    f = frame(BROADCAST)
    is_(m.inject(1, f), {n: [f] for n in (0, 2, 3, 4)}, "a switch that floods")
    f = frame(A, B)
    is_(m.inject(2, f), {1: [f]}, "and learns")
    is_((m.port(PPBV1, 3) & 0xfff, m.port(PCR, 3) & 3), (1, MATRIX), "with PVID 1")
    m.sw(VAWD1, 1)
    m.sw(VTCR, 1 << 31 | 1 << 12 | 5)
    m.sw(VAWD1, 0)
    m.sw(VTCR, 1 << 31 | 5)
    is_((m.sw(VAWD1), m.sw(VTCR) >> 31), (1, 0), "the VLAN table reads what was written")


def main():
    m = Switch(tap.build())
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            print(f"# {test.__doc__}")
            test(m)
    m.close()
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
