# SPDX-License-Identifier: GPL-2.0-only
"""A machine without a CPU at work: QEMU's qtest drives registers, memory, time.

Expected bytes come from openssl and Python's hmac, not from the library that
the model has.
"""
import subprocess

# base of the engine, of its controls, of memory; arguments
MACHINES = {
    "mt7621": (0x1e004000, 0x1e310000, 0x01000000, []),
    "airoha-virt": (0x0b000000, 0x0b001000, 0x41000000, ["-cpu", "cortex-a53"]),
}
PROGRAMS = {"mt7621": "qemu-system-mipsel", "airoha-virt": "qemu-system-aarch64"}

CDR_BASE, RDR_BASE, RING_CONFIG, RING_THRESH = 0x80, 0x84, 0x88, 0x8c
CD_COUNT, RD_COUNT, PE_CONFIG, CLOCK_CTRL = 0x90, 0x94, 0x100, 0x1e8
OPTION_1, REVISION, INT_RAW, INT_MASKED, INT_CFG = 0x1f4, 0x1fc, 0x200, 0x204, 0x20c
INT_CLR, MASK_SET, MASK_CLR = 0x204, 0x210, 0x214

CTL_CLEAR, CTL_DESC_NS, CTL_HUNG = 0x0c, 0x10, 0x28
FAULTS = {n: 0x40 + 4 * i for i, n in enumerate((
    "hang_after", "hang_sticky", "lose_irq", "spurious_irq", "bus_error",
    "wrong_icv", "slow", "count_add", "count_early", "gone"))}
STATS = {n: 0x100 + 8 * i for i, n in enumerate((
    "reg_reads", "reg_writes", "doorbells", "acks", "irqs", "desc_out", "desc_in",
    "bytes_out", "bytes_in", "errors", "auth_errors", "faults", "busy_ns"))}

AUTO = 3 << 8 | 1 << 10
OWN_HOST, OWN_ENGINE = 1, 2
AUTH, PAD, SEQ = 1 << 16, 1 << 17, 1 << 18
STATUS = 0x00ff0000


def error(code):
    """The status of an extended error."""
    return 1 << 19 | code << 20


BUS, OWNER, OP, ALG, SPI, ZERO, PKT, BLOCK = (error(i) for i in range(8))


def openssl(cipher, key, iv, data, decrypt=False):
    """Encrypt or decrypt without padding."""
    args = ["openssl", "enc", "-" + cipher, "-nopad", "-K", key.hex()]
    if iv:
        args += ["-iv", iv.hex()]
    if decrypt:
        args.append("-d")
    return subprocess.run(args, input=data, capture_output=True, check=True).stdout


class Machine:
    """QEMU with its accelerator qtest."""

    def __init__(self, build, machine, *args, device="eip93", fds=()):
        self.base, self.ctl, self.ram, more = MACHINES[machine]
        self.irq, self.edges, self.raised = 0, 0, False
        self.process = subprocess.Popen(
            [f"{build}/bin/{PROGRAMS[machine]}", "-M", machine, "-accel", "qtest",
             "-qtest", "stdio", "-display", "none", "-nodefaults", "-m", "128",
             *more, *args],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True, pass_fds=fds)
        self.command(f"irq_intercept_out /machine/{device} sysbus-irq")

    def command(self, line):
        """Send a command, note the interrupts told of, return the answer."""
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        while True:
            answer = self.process.stdout.readline().split()
            if not answer:
                raise SystemExit("error: QEMU is gone")
            if answer[0] == "IRQ":
                self.raised = answer[1] == "raise"
                self.edges += self.raised
                continue
            if answer[0] != "OK":
                raise SystemExit(f"error: {line}: {answer}")
            return answer[1] if len(answer) > 1 else ""

    def close(self):
        """End it."""
        self.process.stdin.close()
        self.process.terminate()
        self.process.wait()

    def step(self, ns):
        """Let time pass."""
        self.command(f"clock_step {ns}")

    def mem(self, address, data):
        """Write memory."""
        if data:
            self.command(f"write {address:#x} {len(data)} 0x{data.hex()}")

    def peek(self, address, size):
        """Read memory."""
        return bytes.fromhex(self.command(f"read {address:#x} {size}")[2:])

    def reg(self, offset, value=None):
        """Read or write a register."""
        if value is None:
            return int(self.command(f"readl {self.base + offset:#x}"), 0)
        return self.command(f"writel {self.base + offset:#x} {value & 0xffffffff:#x}")

    def control(self, offset, value=None):
        """Read or write a word of the control block."""
        if value is None:
            return int(self.command(f"readl {self.ctl + offset:#x}"), 0)
        return self.command(f"writel {self.ctl + offset:#x} {value & 0xffffffff:#x}")

    def fault(self, name, value=1):
        """Command a fault."""
        self.control(FAULTS[name], value)

    def stat(self, name):
        """Read a counter."""
        low = self.control(STATS[name])
        return low | self.control(STATS[name] + 4) << 32


def words(*values):
    """Little-endian words."""
    return b"".join((v & 0xffffffff).to_bytes(4, "little") for v in values)


class Rings:
    """A driver's view: rings of 16, memory for records and data."""
    SIZE = 16

    def __init__(self, m, config=AUTO, swap=False):
        self.m, self.swap = m, swap
        self.cdr, self.rdr = m.ram, m.ram + 0x1000
        self.sa, self.state = m.ram + 0x2000, m.ram + 0x3000
        self.src, self.dst = m.ram + 0x10000, m.ram + 0x20000
        self.at = 0
        m.reg(CDR_BASE, self.cdr)
        m.reg(RDR_BASE, self.rdr)
        m.reg(RING_CONFIG, self.SIZE - 1)
        m.reg(PE_CONFIG, config | 3)
        m.reg(PE_CONFIG, config)
        m.reg(CLOCK_CTRL, 0x17)
        m.reg(INT_CLR, 0xffffffff)
        m.reg(MASK_CLR, 0xffffffff)
        m.reg(MASK_SET, 2)
        m.mem(self.cdr, bytes(32 * self.SIZE))
        m.mem(self.rdr, bytes(32 * self.SIZE))
        m.mem(self.state, bytes(64))

    def put(self, data, length=None, src=None, dst=None, sa=None, state=None,
            ctrl=OWN_HOST, own=OWN_HOST, bypass=0, user=0):
        """Fill the next command descriptor."""
        src = self.src if src is None else src
        if data is not None:
            self.m.mem(src, data)
        length = len(data) if length is None else length
        desc = words(ctrl, src, self.dst if dst is None else dst,
                     self.sa if sa is None else sa,
                     self.state if state is None else state, 0, user,
                     length | own << 22 | bypass << 24)
        if self.swap:
            desc = swapped(desc)
        self.m.mem(self.cdr + 32 * self.at, desc)
        self.m.mem(self.rdr + 32 * self.at, bytes(32))
        self.at = (self.at + 1) % self.SIZE

    def result(self, back=1):
        """The words of the latest result."""
        raw = self.m.peek(self.rdr + 32 * ((self.at - back) % self.SIZE), 32)
        if self.swap:
            raw = swapped(raw)
        return [int.from_bytes(raw[i:i + 4], "little") for i in range(0, 32, 4)]

    def run(self, data, **more):
        """One descriptor from doorbell to acknowledgement: status, output, words."""
        self.put(data, **more)
        self.m.reg(CD_COUNT, 1)
        self.m.step(1000000)
        got = self.result()
        if self.m.reg(RD_COUNT) != 1 or got[0] & 3 != OWN_ENGINE or \
                got[7] >> 22 & 3 != OWN_ENGINE:
            return None, b"", got
        self.m.reg(RD_COUNT, 1)
        self.m.reg(INT_CLR, 0xffffffff)
        return got[0] & STATUS, self.m.peek(got[2], got[7] & 0xfffff) \
            if got[7] & 0xfffff else b"", got


def swapped(data):
    """Every word turned around."""
    return b"".join(data[i:i + 4][::-1] for i in range(0, len(data), 4))


# fields of the SA record
DES, DES3, AES, NO_CIPHER = 0, 1, 3, 15
MD5, SHA1, SHA224, SHA256, NO_HASH = 0, 1, 2, 3, 15
ECB, CBC, CTR, ICM = range(4)
IN = 1 << 3
CRYPT, CRYPT_HASH, HASH, PRNG = 0, 1, 3, 7
PROTOCOL = 1 << 4
IV_INPUT, IV_STATE, IV_PRNG = 1 << 24, 2 << 24, 3 << 24
HASH_STATE, HASH_INIT = 2 << 26, 3 << 26
SAVE_IV, SAVE_HASH, HEADER = 1 << 28, 1 << 29, 1 << 19
COPY_DIGEST, COPY_HEADER, COPY_PAYLOAD, COPY_PAD, HMAC = 1, 2, 4, 8, 1 << 12
SEQ_CHECK = 1 << 29
FINAL = 1 << 4


def sa(op, cipher=NO_CIPHER, hash_alg=NO_HASH, mode=ECB, cmd0=0, cmd1=0, key=b"",
       inner=b"", outer=b"", digest=3, offset=0, spi=0, seq=0, mask=0, nonce=b""):
    """An SA record."""
    key_field = len(key) // 8 if cipher == AES else 0
    return words(op | cipher << 8 | hash_alg << 12 | digest << 20 | cmd0,
                 mode << 8 | offset << 16 | key_field << 24 | cmd1) + \
        key.ljust(32, b"\0") + inner.ljust(32, b"\0") + outer.ljust(32, b"\0") + \
        words(spi, seq, 0, mask, mask >> 32) + nonce.ljust(4, b"\0")
