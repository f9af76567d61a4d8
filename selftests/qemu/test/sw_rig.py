# SPDX-License-Identifier: GPL-2.0-only
"""The MT7530 as its driver sees it: MDIO behind the frame engine, a socket at each
of the five ports, the rings of GMAC0 as the CPU's port."""
import socket
import struct
import time

from fe_rig import BASE, Fe
from rig import Machine

CPU, GMAC1 = 6, 5
AGC, MFC, BPC, RGAC1, RGAC2 = 0x0c, 0x10, 0x24, 0x28, 0x2c
ATA1, ATA2, ATWD, ATC, TSRA1, TSRA2, ATRD = 0x74, 0x78, 0x7c, 0x80, 0x84, 0x88, 0x8c
VTCR, VAWD1, VAWD2, AAC = 0x90, 0x94, 0x98, 0xa0
GMACCR, MIB_CCR, SYS_CTRL, INT_EN, INT_STS = 0x30e0, 0x4fe0, 0x7000, 0x7008, 0x700c
IAC, TRAP, MTRAP, TOP_SIG, CREV = 0x701c, 0x7800, 0x7804, 0x7808, 0x7ffc
SSP, PCR, PSC, PVC, PPBV1 = 0x2000, 0x2004, 0x200c, 0x2010, 0x2014
PMCR, PMSR, MIB = 0x3000, 0x3008, 0x4000

IVL, EG_CON, VTAG_EN, FID1, VALID = 1 << 30, 1 << 29, 1 << 28, 1 << 1, 1
UNTAG, TAG, STACK = 0, 2, 3
READ, WRITE, FLUSH, FIRST, NEXT = 0, 1, 2, 4, 5
HIT, END, INVALID = 1 << 13, 1 << 14, 1 << 12
STATIC, DYNAMIC = 3, 1
MATRIX, FALLBACK, CHECK, SECURITY = range(4)
BLOCKING, LEARNING, FORWARDING = 1, 2, 3
MS = 1000000

IAC_GO, IAC_READ, IAC_WRITE, IAC_C22 = 1 << 31, 2 << 18, 1 << 18, 1 << 16


class Switch(Fe):
    """The machine with a socket at each port of the switch."""

    def __init__(self, build):     # pylint: disable=super-init-not-called
        pairs = [socket.socketpair() for _ in range(6)]
        args = ["-chardev", f"socket,id=mon,fd={pairs[5][1].fileno()}",
                "-mon", "chardev=mon,mode=readline"]
        for n, (_, theirs) in enumerate(pairs[:5]):
            args += ["-netdev", f"stream,id=p{n},server=off,addr.type=fd,"
                                f"addr.str={theirs.fileno()}",
                     "-net", f"nic,netdev=p{n},model=mt7530"]
        Machine.__init__(self, build, "mt7621", *args, device="switch",
                         fds=[p[1].fileno() for p in pairs])
        self.base, self.ctl = 0x1e100000, 0x1e311000
        self.wires = [p[0] for p in pairs[:5]]
        self.monitor = pairs[5][0]
        for _, theirs in pairs:
            theirs.close()
        self.tx, self.rx, self.fq = self.ram, self.ram + 0x1000, self.ram + 0x2000
        self.tx_buf, self.rx_buf = self.ram + 0x100000, self.ram + 0x200000
        self.scratch = self.ram + 0x300000
        self.prompt()

    def prompt(self):
        """Until the monitor has done what it was told."""
        got = b""
        while not got.endswith(b"(qemu) "):
            got += self.monitor.recv(4096)

    def set_link(self, port, on):
        """The monitor's word."""
        self.monitor.sendall(f"set_link p{port} {'on' if on else 'off'}\n".encode())
        self.prompt()

    def cables(self, value=None):
        """The control page's word: which cables are in."""
        if value is not None:
            self.command(f"writel 0x1e312004 {value:#x}")
        return int(self.command("readl 0x1e312004"), 0)

    def mdio(self, phy, reg, value=None):
        """A clause 22 frame on the bus of the SoC."""
        word = IAC_GO | IAC_C22 | reg << 25 | phy << 20
        if value is not None:
            self.command(f"writel {BASE + 0x10004:#x} {word | IAC_WRITE | value:#x}")
            return None
        self.command(f"writel {BASE + 0x10004:#x} {word | IAC_READ:#x}")
        return int(self.command(f"readl {BASE + 0x10004:#x}"), 0) & 0xffff

    def sw(self, reg, value=None):
        """A register of the switch."""
        self.mdio(0x1f, 0x1f, reg >> 6)
        if value is None:
            low = self.mdio(0x1f, reg >> 2 & 0xf)
            return self.mdio(0x1f, 0x10) << 16 | low
        self.mdio(0x1f, reg >> 2 & 0xf, value & 0xffff)
        return self.mdio(0x1f, 0x10, value >> 16)

    def change(self, reg, clear, put):
        """Read, modify, write."""
        self.sw(reg, self.sw(reg) & ~clear | put)

    def port(self, reg, port, value=None):
        """A register of a port."""
        return self.sw(reg + 0x100 * port, value)

    def setup(self, bridge=(0, 1, 2, 3, 4), cpu=True):
        """As the driver leaves it, with ports in one bridge without VLANs."""
        self.up()
        self.sw(SYS_CTRL, 7)
        self.step(200 * MS)
        self.sw(MTRAP, self.sw(TRAP) | 1 << 16 | 1 << 13)
        self.sw(MIB_CCR, 0)
        self.sw(MIB_CCR, 0x800000f0)
        self.vlan(0, 0xff, EG_CON)
        for n in range(5):
            others = sum(1 << i for i in bridge if i != n) if n in bridge else 0
            self.port(PMCR, n, 0x5e33b)
            self.port(PCR, n, (others | 1 << CPU) << 16 |
                      (FALLBACK if n in bridge else MATRIX))
            self.port(PVC, n, 0x810001c0)
            self.port(PPBV1, n, 0)
            self.port(PSC, n, 0 if n in bridge else 1 << 4)
        if cpu:
            self.port(PMCR, CPU, 0x5e33b)
            self.port(PVC, CPU, 0x120)
            self.port(PCR, CPU, 0x1f << 16 | FALLBACK)
            self.port(PSC, CPU, 1 << 4)
            self.sw(MFC, 0xffffff00 | 1 << 7 | CPU << 4)
        self.drain()

    def vlan(self, vid, members, flags=VTAG_EN, tags=0, fid=1):
        """An entry of the VLAN table with independent learning."""
        self.sw(VAWD1, (IVL | flags | members << 16 | fid << 1 | VALID) if members else 0)
        self.sw(VAWD2, tags)
        self.sw(VTCR, 1 << 31 | 1 << 12 | vid)

    def atc(self, command, mac=bytes(6), vid=0, ports=0, status=STATIC, age=0xff):
        """A command to the address table: what ATC says."""
        self.sw(ATA1, int.from_bytes(mac[:4], "big"))
        self.sw(ATA2, int.from_bytes(mac[4:], "big") << 16 | 1 << 15 | 1 << 12 | vid)
        self.sw(ATWD, age << 24 | ports << 4 | status << 2)
        self.sw(ATC, 1 << 15 | command)
        return self.sw(ATC)

    def entry(self):
        """What the last search or read has found: address, VID, ports, status."""
        a, b, d = self.sw(TSRA1), self.sw(TSRA2), self.sw(ATRD)
        return ((a << 16 | b >> 16).to_bytes(6, "big"), b & 0xfff, d >> 4 & 0xff, d >> 2 & 3)

    def table(self):
        """The whole address table."""
        found, state = [], self.atc(FIRST)
        while not state & END:
            if state & HIT:
                found.append(self.entry())
            self.sw(ATC, 1 << 15 | NEXT)
            state = self.sw(ATC)
        return sorted(found)

    def count(self, port, offset):
        """A MIB counter."""
        return self.sw(MIB + 0x100 * port + offset)

    def seen(self, port):
        """Frames that a port has taken in or refused."""
        return sum(self.count(port, o) for o in (0x68, 0x6c, 0x70, 0x84))

    def drain(self):
        """Frames at all ends: {port: [frame]}."""
        out = {}
        for n, wire in enumerate(self.wires):
            wire.setblocking(False)
            while True:
                try:
                    head = wire.recv(4)
                except BlockingIOError:
                    break
                wire.setblocking(True)
                out.setdefault(n, []).append(
                    wire.recv(struct.unpack(">I", head)[0], socket.MSG_WAITALL))
                wire.setblocking(False)
        while (got := self.take())[0]:
            out.setdefault(CPU, []).append(got[1])
        return out

    def inject(self, port, frame, seen=True):
        """A frame from a port's cable; where it, or what was made of it, went."""
        before = self.seen(port)
        self.wires[port].setblocking(True)
        self.wires[port].sendall(struct.pack(">I", len(frame)) + frame)
        if seen:
            assert self.until(lambda: self.seen(port) > before), "the port took nothing"
        else:
            time.sleep(0.05)
            self.step(1)
        return self.drain()

    def cpu_send(self, frame):
        """A frame from GMAC0, with its special tag."""
        self.put(frame)
        self.doorbell()
        return self.drain()
