#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""What the model of the MT7621's frame engine does, and does when it is misused:
fe.py [BUILD]

Prints TAP. BUILD is the directory that selftests/qemu/build prints.
"""
import os
import struct
import sys
import time

from fe_rig import (
    CDMP_EG, CDMP_IG, CHECK, CHKSUM, CTX, DRX, DTX, FE_INT_ENABLE, FE_INT_STATUS, FQ_COUNT,
    FQ_HEAD, Fe, GDMA_FWD, GMAC0, GMAC1, HELD, INS_VLAN, KBIT, KIND, L4_VALID, LAST, MAC,
    MAC_ADRH, MAC_ADRL, MCR, MSR, OWNER, PAUSE, PCRX, PDMA_CFG, PDMA_INT, PEER, PPE_CFG,
    QDMA_CFG, QDMA_INT, QDMA_MASK, QDRX, QTX_SCH, RX_COHERENT, RX_DLY, SPECIAL, SPECIAL_TAG,
    STOPPED, TCP, TSO, TX_COHERENT, TX_DLY, UDP, UP, VTAG, ether, ip, l4_of, l4_sum,
    tcp, udp)
import tap
from tap import is_

US = 1000


def frame(size=100, **more):
    """A frame that is nothing known."""
    return ether(os.urandom(size - 14), 0x88b5, **more)


def test_send(m):
    """One frame, descriptors, scatter and gather, both GMACs."""
    data = frame()
    is_(m.send(data), data, "a frame leaves by GMAC0")
    is_(bool(m.status(0)[2] & OWNER), True, "its descriptor is the host's again")
    is_((m.reg(DTX), m.reg(QDRX)), (m.desc(1), m.desc(0)), "DTX and DRX follow")
    is_(m.all(GMAC1), [], "and not by GMAC1")
    data = frame()
    is_(m.send(data, gmac=GMAC1), data, "GMAC1 has its own wire")
    data = frame(1514)
    is_(m.send(data, parts=3), data, "a frame of three descriptors")
    is_(m.reg(QDRX), m.desc(4), "all of them are done")
    is_(m.send(frame(60)[:20])[20:], bytes(40), "a short one is padded with zeros")
    m.put(frame(), last=False)
    m.doorbell()
    is_(m.all(), [], "half a frame does not leave")
    is_(m.reg(DTX), m.desc(6), "and is not done")
    m.put(b"x" * 10)
    m.doorbell()
    is_(len(m.get()), 110, "until the rest is there")
    is_((m.stat("tx_frames"), m.stat("tx_desc")), (5, 8), "frames and descriptors are counted")


def test_wrap(m):
    """More than the ring has, in all positions."""
    m.up()
    sent, got = [], []
    for n in (7, 3, 5, 6, 1, 7):
        for _ in range(n):
            sent.append(frame())
            m.put(sent[-1])
        m.doorbell()
        got += [m.get() for _ in range(n)]
    is_(got, sent, "29 frames through a ring of 8, in order")
    is_(m.reg(QDRX), m.desc(m.at - 1), "DRX is where it should be")


def test_owner(m):
    """A descriptor that the host has not given."""
    m.up()
    m.put(frame(), own=OWNER)
    m.doorbell()
    is_(m.all(), [], "a descriptor of the host's is not sent")
    is_(bool(m.reg(QDMA_INT) & TX_COHERENT), True, "and an interrupt says so")
    m.reg(QDMA_INT, 0xffffffff)
    m.at -= 1
    data = frame()
    is_(m.send(data), data, "given, it is")
    m.put(frame(), gmac=4)
    m.doorbell()
    is_((m.all(), m.stat("tx_drops")), ([], 1), "a port that there is not: dropped, counted")
    m.reg(QDMA_CFG, 0x44)
    m.put(data)
    m.doorbell()
    is_(m.all(), [], "nothing is sent while TX_DMA_EN is 0")
    m.reg(QDMA_CFG, 0x45)
    is_(m.get(), data, "and then it is")
    m.reg(MCR, UP & ~1)
    m.send(data)
    is_(m.stat("tx_drops"), 2, "without a link it is dropped")
    is_(m.reg(MSR) & 1, 0, "as MSR says")


def test_interrupts(m):
    """Moderation: by number, by time, and masks."""
    m.up(delay=0x83058305)
    edges = m.edges
    m.send(frame())
    m.send(frame())
    is_(m.edges, edges, "two frames of three do not interrupt")
    m.send(frame())
    is_((m.edges, m.reg(QDMA_INT) & TX_DLY), (edges + 1, TX_DLY), "the third does")
    m.reg(QDMA_INT, TX_DLY)
    is_(m.raised, False, "written with ones it is gone")
    m.send(frame())
    m.step(99 * US)
    is_(m.raised, False, "one frame waits")
    m.step(2 * US)
    is_(m.raised, True, "for five units of 20 us")
    m.reg(QDMA_MASK, 0)
    is_(m.raised, False, "the mask masks")
    m.reg(QDMA_INT, TX_DLY)
    m.reg(QDMA_MASK, TX_DLY)
    edges = m.edges
    for _ in range(3):
        m.give(frame(dst=MAC))
    is_((m.edges, m.reg(PDMA_INT) & RX_DLY), (edges + 1, RX_DLY), "received frames likewise")
    m.reg(PDMA_INT, RX_DLY)
    m.give(frame(dst=MAC))
    m.step(101 * US)
    is_(m.raised, True, "also by time")
    m.up(delay=0)
    m.send(frame())
    m.step(1000 * US)
    is_((m.raised, m.reg(QDMA_INT) & 1), (False, 1), "without moderation only TX_DONE0 is set")


def test_checksums(m):
    """TCP and UDP, IPv4 and IPv6, behind any tag."""
    tags = (b"", struct.pack(">HH", 0x8100, 5), b"\0\1\0\0", b"\1\2\0\5", b"\2\4\0\6",
            b"\0\1\0\0\x81\0\0\7")
    for version in (4, 6):
        for proto, name, make in ((TCP, "TCP", tcp), (UDP, "UDP", udp)):
            data = os.urandom(101)
            want = [ether(ip(version, proto, l4_of(proto, data, version)), KIND[version], t)
                    for t in tags]
            m.up()
            got = [m.send(ether(ip(version, proto, make(data, 0x1234), header=0),
                                KIND[version], t), CHKSUM) for t in tags]
            is_(got, want, f"{name} over IPv{version}, plain, behind a VLAN's, special tags")
    m.up()
    data = ether(ip(4, UDP, udp(b"data", 0x1234)), 0x800)
    is_(m.send(data)[:len(data)], data, "not asked for, nothing is changed")
    data = ether(ip(4, 50, os.urandom(50)), 0x800)
    is_(m.send(data, CHKSUM), data, "what is neither TCP nor UDP is left alone")
    # search for payloads whose sum is 0
    for proto, make, want in ((UDP, udp, b"\xff\xff"), (TCP, tcp, b"\0\0")):
        data = next(struct.pack(">I", n) for n in range(1 << 17)
                    if l4_sum(4, proto, make(struct.pack(">I", n))) == 0)
        at = 40 if proto == UDP else 50
        is_(m.send(ether(ip(4, proto, make(data, 0x1234)), 0x800), CHKSUM)[at:at + 2], want,
            f"a checksum of 0 in protocol {proto}")


def test_tso(m):
    """Segments."""
    for version in (4, 6):
        for tag, name in ((b"", "plain"), (b"\0\2\0\0", "with a special tag")):
            m.up()
            data = os.urandom(4000)
            # CWR, PSH, ACK, FIN
            big = ip(version, TCP, tcp(data, 1200, flags=0x99), ident=0xfffe)
            m.put(ether(big, KIND[version], tag), TSO | CHKSUM, parts=4)
            m.doorbell()
            want = []
            for n, at in enumerate(range(0, 4000, 1200)):
                flags = 0x10 | (0x80 if n == 0 else 0) | (9 if n == 3 else 0)
                seg = tcp(data[at:at + 1200], 0, 1000 + at, flags)
                seg = seg[:16] + struct.pack(">H", l4_sum(version, TCP, seg)) + seg[18:]
                want.append(ether(ip(version, TCP, seg, ident=(0xfffe + n) & 0xffff),
                                  KIND[version], tag))
            is_([m.get() for _ in range(4)], want, f"TSO of IPv{version}, {name}")
    is_((m.stat("tx_tso"), m.stat("tx_frames"), m.stat("tx_desc")), (1, 4, 4),
        "one packet, four frames, four descriptors")
    m.put(ether(ip(4, TCP, tcp(b"x" * 100, 0)), 0x800), TSO | CHKSUM)
    m.put(ether(ip(4, UDP, udp(b"x" * 100, 0)), 0x800), TSO | CHKSUM)
    m.doorbell()
    is_((m.all(), m.stat("tx_drops")), ([], 2), "without a size, or without TCP: dropped")
    is_(m.reg(FE_INT_STATUS) & 0x3000, 0x3000, "and both are told of")
    m.reg(FE_INT_STATUS, 0x3000)
    is_(m.reg(FE_INT_STATUS) & 0x3000, 0, "until they are acknowledged")


def test_vlan_insert(m):
    """TXD4's VLAN tag."""
    m.up()
    data = frame()
    is_(m.send(data, INS_VLAN | 0x6005), data[:12] + b"\x81\0\x60\5" + data[12:],
        "a VLAN tag is put in")
    make = ether(ip(6, TCP, tcp(b"abc")), 0x86dd)
    want = ether(ip(6, TCP, l4_of(TCP, b"abc", 6)), 0x86dd, b"\x81\0\0\5")
    is_(m.send(make, INS_VLAN | 5 | CHKSUM), want, "with a checksum behind it")


def test_receive(m):
    """One frame, descriptors, both GMACs, wrap."""
    m.up()
    data = frame(dst=MAC)
    m.give(data)
    got, bytes_ = m.take()
    is_(bytes_, data, "a frame is received, 2 bytes into the buffer")
    is_(got[1], OWNER | LAST | len(data) << 16, "length and DONE")
    is_(got[3], 1 << 19 | 0x3fff, "it came from GMAC0, no entry of the PPE, no checksum")
    m.give(data, GMAC1)
    is_(m.take()[0][3] >> 19, 2, "another one from GMAC1")
    sent, seen = [], []
    for _ in range(29):
        sent.append(frame(dst=MAC))
        m.give(sent[-1])
        seen.append(m.take()[1])
    is_(seen, sent, "29 frames through a ring of 8")
    is_(m.reg(DRX), 31 % 8, "DRX is where it should be")
    m.reg(PDMA_CFG, 4)
    m.give(data)
    is_(m.peek(m.rx_buf + 2048 * m.rx_at, len(data)), data, "without the offset if so set")


def test_rx_checksum(m):
    """L4_VALID."""
    for version in (4, 6):
        for proto, name in ((TCP, "TCP"), (UDP, "UDP")):
            good = l4_of(proto, b"payload", version)
            bad = good[:-1] + b"?"
            m.up()
            seen = []
            for l4 in (good, bad):
                m.give(ether(ip(version, proto, l4), KIND[version], dst=MAC))
                seen.append(m.take()[0][3] & L4_VALID)
            is_(seen, [L4_VALID, 0], f"{name} over IPv{version}: a right checksum, a wrong one")
            is_((m.mib(0x20), m.mib(0x20)), (1, 0), "which is counted, until it is read")
    m.give(ether(ip(4, TCP, l4_of(TCP, b"payload", 4), header=1), 0x800, dst=MAC))
    is_(m.take()[0][3] & L4_VALID, 0, "nor is it valid with a wrong header's")
    m.give(ether(ip(4, UDP, udp(b"payload")), 0x800, dst=MAC))
    is_(m.take()[0][3] & L4_VALID, 0, "nor without one")
    m.reg(GDMA_FWD, CHECK | 0x4444)
    m.reg(PPE_CFG, 0xd)
    m.give(ether(ip(4, TCP, l4_of(TCP, b"payload", 4)), 0x800, dst=MAC))
    is_(m.take()[0][3] & L4_VALID, L4_VALID, "the PPE passes what it does not know")
    m.give(ether(ip(4, TCP, tcp(b"payload", 1)), 0x800, dst=MAC), counter="rx_drops")
    is_(m.take()[0], None, "but drops what has a wrong checksum, if told to")


def test_special_tag(m):
    """Tags of the switch, in hardware and in the frame."""
    inner = ip(4, UDP, l4_of(UDP, b"data" * 10, 4))
    tagged = ether(inner, 0x800, b"\0\3\0\0", dst=MAC)
    m.up()
    m.reg(GDMA_FWD, CHECK | SPECIAL_TAG)
    m.reg(CDMP_IG, 1)
    m.reg(CDMP_EG, 1)
    m.give(tagged)
    got, data = m.take()
    is_(data, ether(inner, 0x800, dst=MAC), "the tag is taken out")
    is_((got[1] & VTAG, got[2]), (VTAG, 0x00030000), "and is in the descriptor")
    is_(got[3] & (SPECIAL | 7 << 19 | L4_VALID), SPECIAL | 3 << 19 | L4_VALID,
        "with the port, and the checksum behind it checked")
    vlan = ether(inner, 0x800, b"\0\2\0\0\x81\0\0\5", dst=MAC)
    m.give(vlan)
    got, data = m.take()
    is_((data, bool(got[3] & L4_VALID)), (ether(inner, 0x800, b"\x81\0\0\5", dst=MAC), True),
        "a VLAN's tag behind it stays")
    m.give(tagged, GMAC1)
    is_(m.take()[1], tagged, "a GMAC without the switch's bit leaves it")
    m.reg(CDMP_IG, 0)
    m.reg(CDMP_EG, 0)
    m.give(tagged)
    got, data = m.take()
    is_((data, got[3] >> 19 & 15, got[1] & VTAG), (tagged, 1, 0), "and so does CDMP when off")
    is_(bool(got[3] & L4_VALID), True, "which does not hide the checksum")


def test_ring_full(m):
    """No descriptor: with pause frames it waits, without it is lost."""
    m.up()
    sent = [frame(dst=MAC) for _ in range(10)]
    for data in sent[:7]:
        m.give(data)
    is_(m.stat("rx_frames"), 7, "seven fit a ring of 8")
    m.give(sent[7], counter="rx_full")
    is_((m.mib(0x10), m.reg(DRX)), (1, m.reg(PCRX)), "the eighth is an overflow")
    is_([m.take(ack=False)[1] for _ in range(7)], sent[:7], "the others are untouched")
    m.up(mcr=UP | PAUSE)
    for data in sent[:7]:
        m.give(data)
    m.give(sent[7], counter="rx_full")
    is_(m.mib(0x10), 0, "with pause frames nothing is lost")
    m.refill(0)
    m.rx_at = 1
    m.reg(PCRX, 0)
    is_(m.until(lambda: m.stat("rx_frames") == 8), True, "it comes when there is room")
    is_([m.take()[1] for _ in range(7)], sent[1:8], "in its place")
    m.up()
    for data in sent[:7]:
        m.give(data)
    m.reg(PCRX, 6)
    m.give(sent[7])
    m.give(sent[8], counter="rx_full")
    is_(bool(m.reg(PDMA_INT) & RX_COHERENT), True, "a descriptor that is still DONE is kept")
    is_(m.peek(m.rx_buf + 2, 100), sent[0], "its data, too")
    m.up()
    m.refill(0, size=64)
    m.give(sent[0], counter="rx_drops")
    is_((m.take()[0], m.reg(DRX)), (None, 0), "what does not fit the buffer is dropped")


def test_filters(m):
    """What the MAC and the GDM take."""
    m.up()
    for size, limit, ok in ((1514, 0, True), (1515, 0, False), (1532, 1, True),
                            (1533, 1, False), (1548, 2, True), (1549, 2, False),
                            (2044, 3, True), (2045, 3, False)):
        m.reg(MCR, UP | limit << 24)
        m.give(frame(size, dst=MAC), counter="rx_frames" if ok else "rx_drops")
        is_((m.take()[0] is not None, m.mib(0x1c)), (ok, int(not ok)),
            f"{size} bytes with MAX_RX {limit}")
    m.reg(MCR, UP)
    m.give(ether(bytes(1500), 0x88b5, b"\x81\0\0\1", dst=MAC))
    is_(m.take()[0] is not None, True, "1518 with a VLAN's tag")
    m.reg(MAC_ADRH, 0x5254)
    m.reg(MAC_ADRL, 0x00e57001)
    for shift, dst, name in ((12, MAC, "this station's"), (8, b"\xff" * 6, "broadcast"),
                             (4, b"\1\0\x5e\0\0\1", "multicast"), (0, PEER, "another's")):
        m.reg(GDMA_FWD, 0x7777 & ~(7 << shift))
        for other in (MAC, b"\xff" * 6, b"\1\0\x5e\0\0\1", PEER):
            m.give(frame(dst=other),
                   counter="rx_frames" if other == dst else "rx_drops")
        is_(m.take()[1][:6], dst, f"only {name}")
        is_(m.take()[0], None, "and no other")
    m.reg(MCR, UP & ~(1 << 13))
    m.give(frame(dst=MAC), counter="rx_drops")
    is_(m.take()[0], None, "nothing without RX_EN")


def test_counters(m):
    """MIB of both, and the almost-full bits."""
    m.up()
    m.send(frame(200))
    m.send(frame(30))
    m.give(frame(300, dst=MAC))
    is_([m.mib(r) for r in (0x38, 0x30, 0x34, 8, 0)], [2, 260, 0, 1, 300],
        "frames and bytes, the padding too")
    is_([m.mib(r) for r in (0x38, 0x30, 0x34, 8, 0)], [0] * 5, "are 0 when they were read")
    m.send(frame(), gmac=GMAC1)
    is_([m.mib(0x38, g) for g in (0, 1)], [0, 1], "each GDM has its own")
    m.reg(FE_INT_ENABLE, 1 << 12)
    m.put(ether(ip(4, UDP, udp(b"x")), 0x800), TSO)
    m.doorbell()
    is_(m.raised, True, "FE_INT_ENABLE works")


def test_reset(m):
    """The lines of the system controller."""
    m.up(delay=0x83058305)
    for _ in range(3):
        m.send(frame())
    m.reset()
    is_((m.raised, m.reg(CTX), m.reg(MCR), m.reg(QDMA_INT)), (False, 0, 0, 0),
        "reset clears registers and interrupt")
    m.up()
    data = frame()
    is_(m.send(data), data, "and it works again")


def test_rate(m):
    """The wire's speed, scratch pages, the maximum rate of a queue."""
    m.up()
    m.control(KBIT, 100000)
    sent = [frame(1226) for _ in range(5)]
    for data in sent:
        m.put(data)
    m.doorbell()
    is_(m.all(), sent[:1], "at 100 Mbit/s one of five leaves")
    is_((m.control(HELD), m.reg(FQ_COUNT) & 0xffff, m.reg(QDRX)), (4, 12, m.desc(4)),
        "four are in scratch pages, and done")
    is_(m.peek(m.scratch, 1226), sent[1], "in the host's memory")
    m.step(99 * US)
    is_(m.all(), [], "the next is not there after 99 us")
    m.step(2 * US)
    is_(m.all(), sent[1:2], "but after 100")
    m.step(300 * US)
    is_(m.all(), sent[2:], "the others each 100 us later")
    is_((m.control(HELD), m.reg(FQ_COUNT) & 0xffff), (0, 16), "all pages are back")
    order, addr = [], m.reg(FQ_HEAD)
    for _ in range(16):
        order.append(addr)
        addr = m.unpack(addr)[1]
    is_(sorted(order), [m.fq + 16 * i for i in range(16)], "in a list that has each once")
    m.step(1000 * US)
    m.wires[GMAC0].sendall(b"".join(struct.pack(">I", 1226) + d for d in sent))
    # the first is taken when the socket is read, which no clock says
    time.sleep(0.1)
    seen = []
    for _ in range(5):
        m.step(99 * US)
        seen.append(m.take()[0])
        m.step(1 * US)
        seen.append(m.take()[1])
        time.sleep(0.02)
    is_(seen, [x for d in sent for x in (None, d)], "frames come in at that rate, too")
    m.control(KBIT, 0)
    # 100 * 10^3 kbit/s for queue 3, with 16 KiB at once
    m.up()
    m.reg(QTX_SCH + 0x30, 1 << 11 | 100 << 4 | 3)
    for n in range(25):
        m.put(frame(1226), qid=3)
        if n % 5 == 4:
            m.doorbell()
    is_(len(m.all()), 14, "a queue of 100 Mbit/s sends 16 KiB at once")
    m.put(frame(), qid=2)
    m.doorbell()
    is_(len(m.all()), 1, "another queue does not wait for it")
    m.step(501 * US)
    is_(len(m.all()), 5, "and then five frames in 500 us")


def test_pages(m):
    """No scratch page: QDMA waits."""
    m.up()
    m.control(KBIT, 100000)
    sent = [frame(1226) for _ in range(28)]
    got = []
    for data in sent[:21]:
        m.put(data)
        m.doorbell()
    is_((m.reg(DTX) == m.reg(CTX), m.reg(FQ_COUNT) & 0xffff), (False, 2),
        "with three pages taken per packet at most, QDMA stops before the last")
    is_(bool(m.reg(FE_INT_STATUS) & 1 << 8), True, "FQ_EMPTY is set")
    m.step(2500 * US)
    got += m.all()
    is_(got, sent[:21], "and goes on when pages come back, none lost")


def test_peer(m):
    """A peer that does not read."""
    m.up()
    sent = []
    for _ in range(60):
        for _ in range(4):
            sent.append(frame(1514))
            m.put(sent[-1])
        m.doorbell()
        if m.reg(DTX) != m.reg(CTX):
            break
    is_(m.reg(DTX) != m.reg(CTX), True, "a peer that does not read stops QDMA")
    got = [m.get() for _ in sent]
    is_(got == sent, True, f"and gets all {len(sent)} when it does")


def test_faults(m):
    """Each of them."""
    m.up(delay=0x81018101)
    m.fault("lose_irq")
    edges = m.edges
    m.send(frame())
    is_((m.edges, m.reg(QDMA_INT) & TX_DLY), (edges, TX_DLY), "an interrupt is lost")
    m.reg(QDMA_INT, TX_DLY)
    m.send(frame())
    is_(m.edges, edges + 1, "the next one is not")
    m.reg(QDMA_INT, TX_DLY)
    m.fault("rx_fcs")
    m.give(frame(dst=MAC), counter="rx_drops")
    is_(m.mib(0x14), 1, "a wrong FCS")
    m.fault("rx_none")
    m.give(frame(dst=MAC), counter="rx_full")
    is_(m.mib(0x10), 1, "no descriptor")
    m.fault("tx_skip")
    m.put(frame())
    m.doorbell()
    is_((m.all(), m.mib(0x28)), ([], 1), "a frame that the MAC skips")
    m.fault("gone")
    is_(m.reg(MCR), 0xffffffff, "gone: ones")
    m.fault("gone", 0)
    is_(m.stat("faults") >= 5, True, "they are counted")
    m.fault("stop_tx")
    m.put(frame())
    m.doorbell()
    is_((m.all(), m.control(STOPPED)), ([], 1), "QDMA stops")
    is_((m.reg(0x1a34) != 0, m.reg(0x1b08), m.reg(0x228) >> 16 != 0, m.reg(0x1010c) >> 24 != 1),
        (True, 0, True, True), "and looks like it to the driver's monitor")
    m.up()
    data = frame()
    is_(m.send(data), data, "until a reset")
    m.fault("stop_rx")
    m.give(frame(dst=MAC), counter="rx_full")
    is_((m.take()[0], m.control(STOPPED)), (None, 2), "PDMA stops")
    is_((m.reg(0x118) & 0x1ff != 0, m.reg(0x220) >> 16 != 0, m.reg(0xa38) & 0x5f),
        (True, True, 0), "and looks like it, too")
    m.up()
    m.give(data)
    is_(m.take()[1], data, "until a reset")


def main():
    """All of them on one machine."""
    m = Fe(tap.build())
    for test in (test_send, test_wrap, test_owner, test_interrupts, test_checksums, test_tso,
                 test_vlan_insert, test_receive, test_rx_checksum, test_special_tag,
                 test_ring_full, test_filters, test_counters, test_reset, test_rate,
                 test_pages, test_peer, test_faults):
        test(m)
    m.close()
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
