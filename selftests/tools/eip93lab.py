# SPDX-License-Identifier: GPL-2.0-only
"""The EIP-93 in the machine: the engine driver's counters, and the model's control
page (selftests/qemu/hw/espring/eip93_ctl.c) with its faults and counters."""
import glob
import os
import time

import esplab as lab
from esplab import check

COUNTERS = "/sys/kernel/debug/esp_ring_eip93/eip93/counters"
DRIVER = "/sys/bus/platform/drivers/esp_ring_eip93"

# words of the control page, in the order of the model's structures
FAULTS = ("hang_after", "hang_sticky", "lose_irq", "spurious_irq", "bus_error",
          "wrong_icv", "slow", "count_add", "count_early", "gone")
STATS = ("reg_reads", "reg_writes", "doorbells", "acks", "irqs", "desc_out", "desc_in",
         "bytes_out", "bytes_in", "errors", "auth_errors", "faults", "busy_ns")
MAGIC = 0x52505345
CLEAR, DESC_NS, KIB_S, PENDING, WAITING, HUNG = 0xc, 0x10, 0x14, 0x20, 0x24, 0x28
FAULT_BASE, STAT_BASE = 0x40, 0x100

# what the engine does of esplab's algorithms; the rest has GCM or SHA-384
ALGS = ("cbc128-sha1", "cbc192-sha256", "cbc256-sha256", "cbc128-sha256-96",
        "ctr128-sha1", "ctr256-sha256", "null-sha256", "null-sha1")
LEGACY = ("3des-sha1", "3des-md5")


class Control:
    """The control page, through /dev/mem.  Accesses must be of whole words: those of
    python are bytes on some CPUs, so busybox does them."""

    def __init__(self):
        self.base = self.find()
        check(self.get(0) == MAGIC, "no control page at 0x%x" % self.base)

    @staticmethod
    def find():
        for f in glob.glob("/proc/device-tree/**/compatible", recursive=True):
            if b"esp-ring,sim-control" not in read_bytes(f):
                continue
            # one or two cells of address before as many of size
            reg = read_bytes(os.path.join(os.path.dirname(f), "reg"))
            return int.from_bytes(reg[:len(reg) // 2], "big")
        raise lab.Fail("the device tree has no control page")

    def get(self, off):
        return int(lab.sh("busybox devmem 0x%x 32" % (self.base + off)), 0)

    def set(self, off, value):
        lab.sh("busybox devmem 0x%x 32 %d" % (self.base + off, value))

    def fault(self, name, value=1):
        self.set(FAULT_BASE + 4 * FAULTS.index(name), value)

    def fault_value(self, name):
        return self.get(FAULT_BASE + 4 * FAULTS.index(name))

    def stat(self, name):
        off = STAT_BASE + 8 * STATS.index(name)
        low = self.get(off)
        return low | self.get(off + 4) << 32

    def stats(self):
        return {n: self.stat(n) for n in STATS}

    def clear(self):
        """Counters to 0, as the driver's are at its probe"""
        self.set(CLEAR, 1)

    def speed(self, desc_ns=500, kib_s=0):
        self.set(DESC_NS, desc_ns)
        self.set(KIB_S, kib_s)

    def heal(self):
        for name in FAULTS:
            if self.fault_value(name):
                self.fault(name, 0)
        self.speed()


def read_bytes(path):
    with open(path, "rb") as f:
        return f.read()


def rebind(meanwhile=None):
    """Take the device from the driver and give it back."""
    dev = device()
    lab.write(DRIVER + "/unbind", dev)
    if meanwhile:
        meanwhile()
    Control().clear()
    lab.write(DRIVER + "/bind", dev)


def counters():
    """The driver's own, as numbers where they are"""
    out = {}
    for word in lab.read(COUNTERS).split():
        k, v = word.split("=", 1)
        out[k] = int(v, 0) if v[0].isdigit() else v
    return out


def device():
    """Name of the platform device"""
    for node in glob.glob("/sys/bus/platform/devices/*crypto*"):
        return os.path.basename(node)
    raise lab.Fail("no platform device")


def insmod(args=""):
    if not lab.loaded("esp_ring_eip93"):
        Control().clear()
    # what depmod would know; the self test wants to compare with these
    lab.sh("modprobe -qa sha1 sha256 md5 hmac aes cbc ctr des_generic", ok=False)
    lab.insmod("esp_ring_eip93", args)
    check(os.path.isdir(DRIVER + "/" + device()), "the driver has not got the device: %s" %
          lab.sh("dmesg | tail -n 5"))


def load(args=""):
    """The layer with this engine and no other"""
    lab.insmod("esp_ring")
    insmod(args)
    check(lab.kv("engines", engine="eip93"), "no engine: %s" % lab.read(
        lab.DEBUGFS + "engines"))


def engine():
    got = lab.kv("engines", engine="eip93")
    return got[0] if got else None


def queue(direction):
    return lab.kv("queues", engine="eip93", queue=direction)[0]


def busy():
    return queue("encrypt")["inflight"] + queue("decrypt")["inflight"]


def settle(ctl):
    """Nothing under way; the counters stand still."""
    check(lab.wait_for(lambda: not busy(), 10), "packets stay in the engine")
    last = [None]

    def still():
        now = ctl.stat("reg_writes"), ctl.stat("reg_reads")
        same = now == last[0]
        last[0] = now
        return same
    check(lab.wait_for(still, 10, 0.3), "registers are accessed all the time")


def moved(ctl):
    """What the engine has read or written"""
    return [ctl.stat(n) for n in ("desc_out", "desc_in", "bytes_out", "bytes_in")]


def still(ctl, secs):
    """Nothing is moved, and no register touched."""
    def now():
        return moved(ctl), [ctl.stat(n) for n in ("reg_reads", "reg_writes", "irqs")]
    before = now()
    time.sleep(secs)
    after = now()
    check(before == after, "the engine was to rest: %r, then %r" % (before, after))


def agree(ctl, what=""):
    """The driver has counted what the model has."""
    settle(ctl)
    d, m = counters(), ctl.stats()
    want = (("reads", "reg_reads"), ("writes", "reg_writes"), ("doorbells", "doorbells"),
            ("acks", "acks"))
    wrong = ["%s %d, %s %d" % (x, d[x], y, m[y]) for x, y in want if d[x] != m[y]]
    packets = d["encrypt.packets"] + d["decrypt.packets"]
    errors = d["decrypt.auth_errors"] + d["encrypt.auth_errors"]
    check(not wrong, "%s driver and model: %s" % (what, "; ".join(wrong)))
    return d, m, packets, errors


def alive(t, what):
    check(lab.wait_for(lambda: not lab.ping(*t.inner, [40, 1000, 0])[0], 20),
          "no traffic after %s" % what)
