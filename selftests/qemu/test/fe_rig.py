# SPDX-License-Identifier: GPL-2.0-only
"""The frame engine of the MT7621 as its driver sees it: rings, frames.

Each GMAC's wire is a socket. Expected checksums are calculated here, not by the
library that the model has.
"""
import socket
import struct
import time

from rig import Machine, words

BASE, CTL, SYSC = 0x1e100000, 0x1e311000, 0x1e000000
RSTCTL = SYSC + 0x34
GMAC0, GMAC1 = 0, 1

FE_INT_STATUS, FE_INT_ENABLE = 0x08, 0x0c
CDMP_IG, CDMP_EG, CDMQ_IG = 0x400, 0x404, 0x1400
GDMA_FWD, MAC_ADRL, MAC_ADRH = 0x500, 0x508, 0x50c
RX_PTR, RX_CNT, PCRX, DRX = 0x900, 0x904, 0x908, 0x90c
PDMA_CFG, PDMA_RST, PDMA_DELAY = 0xa04, 0xa08, 0xa0c
PDMA_INT, PDMA_MASK = 0xa20, 0xa28
PPE_CFG = 0xe00
QTX_SCH, QDMA_CFG, QDMA_DELAY = 0x1804, 0x1a04, 0x1a0c
QDMA_INT, QDMA_MASK = 0x1a18, 0x1a1c
CTX, DTX, CRX, QDRX = 0x1b00, 0x1b04, 0x1b10, 0x1b14
FQ_HEAD, FQ_TAIL, FQ_COUNT, FQ_BLEN = 0x1b20, 0x1b24, 0x1b28, 0x1b2c
MIB, MCR, MSR = 0x2400, 0x10100, 0x10108

TX_DLY, RX_DLY, TX_COHERENT, RX_COHERENT = 1 << 28, 1 << 30, 1 << 29, 1 << 31
OWNER, LAST = 1 << 31, 1 << 30
CHKSUM, TSO, INS_VLAN = 7 << 29, 1 << 28, 1 << 16
VTAG, L4_VALID, SPECIAL = 1 << 15, 1 << 24, 1 << 22
# forced, both directions on, full duplex, 1 Gbit/s, up; with pause frames
UP, PAUSE = 0x0000e00b, 0x30
SPECIAL_TAG, CHECK = 1 << 24, 7 << 20

KBIT, STOPPED, HELD = 0x10, 0x20, 0x24
FAULTS = {n: 0x40 + 4 * i for i, n in enumerate((
    "stop_tx", "stop_rx", "lose_irq", "rx_fcs", "rx_none", "tx_skip", "gone"))}
STATS = {n: 0x100 + 8 * i for i, n in enumerate((
    "reg_reads", "reg_writes", "doorbells", "acks", "irqs", "tx_desc", "tx_frames",
    "tx_bytes", "tx_tso", "tx_drops", "tx_held", "rx_frames", "rx_bytes", "rx_full",
    "rx_drops", "mdio", "faults"))}

MAC = bytes.fromhex("525400e57001")
PEER = bytes.fromhex("525400e57002")


class Fe(Machine):
    """A machine with a socket at each GMAC; rings of 8, buffers of 2 KiB."""
    SIZE = 8
    PAGES = 16

    def __init__(self, build):
        pairs = [socket.socketpair() for _ in range(2)]
        args = []
        for n, (_, theirs) in enumerate(pairs):
            args += ["-netdev", f"stream,id=g{n},server=off,addr.type=fd,"
                                f"addr.str={theirs.fileno()}",
                     "-net", f"nic,netdev=g{n},model=gmac{n}"]
        super().__init__(build, "mt7621", *args, device="fe",
                         fds=[p[1].fileno() for p in pairs])
        self.base, self.ctl = BASE, CTL
        self.wires = [p[0] for p in pairs]
        for _, theirs in pairs:
            theirs.close()
        self.tx, self.rx, self.fq = self.ram, self.ram + 0x1000, self.ram + 0x2000
        self.tx_buf, self.rx_buf = self.ram + 0x100000, self.ram + 0x200000
        self.scratch = self.ram + 0x300000
        self.up()
        # the sockets are connected in the background
        for n in range(2):
            self.until(lambda n=n: self.send(bytes(60), gmac=n, wait=0.05))
            self.all(n)
        self.up()

    def reset(self):
        """By the lines of the system controller."""
        lines = 1 << 6 | 1 << 23 | 1 << 31
        self.command(f"writel {RSTCTL:#x} {lines:#x}")
        self.command(f"writel {RSTCTL:#x} 0")

    def up(self, mcr=UP, delay=0):
        """What the driver does to open both."""
        self.reset()
        self.raised = False
        self.at = self.rx_at = 0
        for i in range(self.SIZE):
            self.mem(self.tx + 16 * i, words(0, self.desc(i + 1), OWNER | LAST, 0))
            self.refill(i)
        for i in range(self.PAGES):
            self.mem(self.fq + 16 * i, words(self.scratch + 2048 * i,
                                             self.fq + 16 * (i + 1), 2048 << 16, 0))
        for reg, value in (
                (FQ_HEAD, self.fq), (FQ_TAIL, self.fq + 16 * (self.PAGES - 1)),
                (FQ_COUNT, self.PAGES << 16 | self.PAGES), (FQ_BLEN, 2048 << 16),
                (CTX, self.tx), (DTX, self.tx), (CRX, self.desc(-1)),
                (QDRX, self.desc(-1)), (RX_PTR, self.rx), (RX_CNT, self.SIZE),
                (PDMA_RST, 1 << 16), (PCRX, self.SIZE - 1), (CDMQ_IG, 1),
                (PDMA_DELAY, delay & 0xffff), (QDMA_DELAY, delay),
                (PDMA_CFG, 1 << 31 | 4), (QDMA_CFG, 0x45), (PDMA_MASK, RX_DLY),
                (QDMA_MASK, TX_DLY)):
            self.reg(reg, value)
        for n in range(2):
            self.reg(GDMA_FWD + 0x1000 * n, CHECK)
            self.reg(MCR + 0x100 * n, mcr)
        self.control(KBIT, 0)
        self.control(0xc, 1)

    def desc(self, i):
        """Address of a transmit descriptor."""
        return self.tx + 16 * (i % self.SIZE)

    def refill(self, i, size=2048):
        """An empty receive descriptor."""
        self.mem(self.rx + 16 * i, words(self.rx_buf + 2048 * i, size << 16, 0, 0))

    def put(self, data, txd4=0, gmac=GMAC0, parts=1, last=True, own=0, qid=0):
        """Fill descriptors with a frame, without telling."""
        step = (len(data) + parts - 1) // parts
        for n in range(parts):
            part = data[n * step:(n + 1) * step]
            addr = self.tx_buf + 0x4000 * (self.at % self.SIZE)
            self.mem(addr, part)
            end = LAST if last and n == parts - 1 else 0
            self.mem(self.desc(self.at), words(
                addr, self.desc(self.at + 1), own | end | len(part) << 16 | qid,
                (gmac + 1) << 25 | (0 if n else txd4)))
            self.at += 1

    def doorbell(self):
        """Tell of all that was put."""
        self.reg(CTX, self.desc(self.at))

    def send(self, data, *args, wait=2.0, **more):
        """A frame, and what the peer gets."""
        self.put(data, *args, **more)
        self.doorbell()
        return self.get(more.get("gmac", GMAC0), wait)

    def get(self, gmac=GMAC0, wait=2.0):
        """The next frame on a wire, or None."""
        wire = self.wires[gmac]
        wire.settimeout(wait)
        try:
            head = wire.recv(4, socket.MSG_WAITALL)
            return wire.recv(struct.unpack(">I", head)[0], socket.MSG_WAITALL)
        except TimeoutError:
            return None

    def all(self, gmac=GMAC0):
        """All that is on a wire now."""
        frames = []
        while (frame := self.get(gmac, 0.1)) is not None:
            frames.append(frame)
        return frames

    def give(self, frame, gmac=GMAC0, counter="rx_frames"):
        """A frame from the peer; until the engine has counted it."""
        before = self.stat(counter)
        self.wires[gmac].sendall(struct.pack(">I", len(frame)) + frame)
        return self.until(lambda: self.stat(counter) > before)

    @staticmethod
    def until(what):
        """Wait in real time: sockets are not on the virtual clock."""
        end = time.monotonic() + 2
        while not what():
            if time.monotonic() > end:
                return False
            time.sleep(0.001)
        return True

    def status(self, i):
        """The words of a transmit descriptor."""
        return self.unpack(self.desc(i))

    def unpack(self, addr):
        """Four words."""
        return struct.unpack("<4I", self.peek(addr, 16))

    def take(self, ack=True):
        """The next received: words, bytes; None if it is not there."""
        got = self.unpack(self.rx + 16 * self.rx_at)
        if not got[1] & OWNER:
            return None, b""
        data = self.peek(got[0] + 2, got[1] >> 16 & 0x3fff)
        if ack:
            self.refill(self.rx_at)
            self.reg(PCRX, self.rx_at)
        self.rx_at = (self.rx_at + 1) % self.SIZE
        return got, data

    def fault(self, name, value=1):
        """Command a fault."""
        self.control(FAULTS[name], value)

    def stat(self, name):
        """Read a counter."""
        low = self.control(STATS[name])
        return low | self.control(STATS[name] + 4) << 32

    def mib(self, offset, gmac=GMAC0):
        """A counter of a GDM, which reading clears."""
        return self.reg(MIB + 0x40 * gmac + offset)


def csum(data):
    """The Internet checksum."""
    data = data + b"\0" * (len(data) & 1)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total ^ 0xffff


def ether(payload, kind, tag=b"", dst=PEER, src=MAC):
    """A frame; tag goes before the type."""
    return dst + src + tag + struct.pack(">H", kind) + payload


def l4_sum(version, proto, l4):
    """The checksum of TCP or UDP with the addresses below."""
    pseudo = (V4 + struct.pack(">BBH", 0, proto, len(l4)) if version == 4 else
              V6 + struct.pack(">IHBB", len(l4), 0, 0, proto))
    return csum(pseudo + l4)


V4 = bytes((192, 0, 2, 1, 192, 0, 2, 2))
V6 = bytes.fromhex("fd000002" + "00" * 11 + "01" + "fd000002" + "00" * 11 + "02")
TCP, UDP = 6, 17


def ip(version, proto, l4, header=None, ident=7):
    """A packet, its header's checksum right or as given."""
    if version == 6:
        return struct.pack(">IHBB", 0x60000000, len(l4), proto, 64) + V6 + l4
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(l4), ident, 0x4000, 64, proto, 0) + V4
    value = csum(head) if header is None else header
    return head[:10] + struct.pack(">H", value) + head[12:] + l4


def tcp(data, check=0, seq=1000, flags=0x10, options=b"\x01" * 12):
    """A TCP segment."""
    return struct.pack(">HHIIBBHHH", 1, 2, seq, 9, (20 + len(options)) << 2, flags,
                       1000, check, 0) + options + data


def udp(data, check=0):
    """A UDP datagram."""
    return struct.pack(">HHHH", 1, 2, 8 + len(data), check) + data


def l4_of(proto, data, version):
    """The same with a right checksum."""
    make = tcp if proto == TCP else udp
    value = l4_sum(version, proto, make(data))
    return make(data, value or (0xffff if proto == UDP else 0))


KIND = {4: 0x0800, 6: 0x86dd}
