#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Boot one test machine under QEMU, run one command in it, power it off.

The machine has two hosts in it: A in the initial name space, B in the name
space "peer".  Each has a virtio-net NIC on hub 0 (va, vb) and an e1000e NIC on
hub 1 (ea, eb), which is another virtio-net where the machine has no PCI.  QEMU writes what A's NICs send and receive to wire-v.pcap and
wire-e.pcap, outside what the guest can reach.

A router's sockets, if it has any (ports), are each a hub with another virtio-net of the same
machine, p-wan, p-lan1 and so on, for the test to give to hosts; what is on wan's goes to
wire-w.pcap.
"""
import argparse
import dataclasses
import hashlib
import functools
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
CACHE = os.environ.get("ESP_RING_CACHE") or os.path.join(
    os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "esp-ring")
SOCKETS = ("wan", "lan1", "lan2", "lan3", "lan4")
NICS = (("va", 0, 0x0a), ("vb", 0, 0x0b), ("ea", 1, 0x1a), ("eb", 1, 0x1b))
# a debug kernel stops at the first splat: what follows would be noise
DEBUG = "panic_on_warn=1 kasan.fault=report dma_debug_entries=65536"
APPEND = {"debug": DEBUG, "en7581-debug": DEBUG}
LOG = "loglevel=5 panic=-1 oops=panic random.trust_cpu=on net.ifnames=0"


@dataclasses.dataclass(frozen=True)
class Board:
    """A kind of machine: what QEMU and the kernel are told of it."""
    program: str
    args: tuple
    console: str
    append: str = ""
    nics: tuple = ("virtio-net-device",) * 4
    bus: str = "device"         # the end of the names of virtio devices
    mem: int = 0                # megabytes; 0: what the tests ask for
    own: bool = True            # built by ../qemu/build


PC = Board("qemu-system-x86_64", ("-machine", "q35,vmport=off"), "ttyS0",
           "nokaslr mitigations=off tsc=reliable no_timer_check softlockup_panic=0 "
           "8250.nr_uarts=1",
           ("virtio-net-pci",) * 2 + ("e1000e",) * 2, "pci", own=False)
# as much as the SoC can address; the self-tests of crypto drivers are for the
# test that wants them
MT7621 = Board("qemu-system-mipsel", ("-machine", "mt7621"), "ttyS0,57600",
               "cryptomgr.notests=1", mem=512)
# RAM begins at 1 GiB: a quarter of it is out of reach of 32 address bits, and
# that is what the kernel uses first
EN7581 = Board("qemu-system-aarch64", ("-machine", "airoha-virt,gic-version=3", "-cpu", "cortex-a53"),
               "ttyAMA0", "cryptomgr.notests=1", mem=4096)


def board(system):
    return {"mt7621": MT7621, "en7581": EN7581}.get(re.split("[-.]", system)[0], PC)


@dataclasses.dataclass
class Machine:
    """What to boot.  share is seen by the guest as /share, out as /out."""
    system: str
    share: str
    out: str
    cpus: int = 2
    mem: int = 1024
    timeout: int = 600
    append: str = ""
    interactive: bool = False
    ports: int = 0              # of a switch, with a host's NIC at each
    wan: str = ""               # QEMU's netdev at wan instead of a host
    icount: int = -1            # a CPU's instruction takes 2^icount ns; -1: real time
    more: tuple = ()            # of QEMU's arguments


def image(system):
    """The directory of a system's image, made if it is not there."""
    r = subprocess.run([os.path.join(HERE, "image"), system], stdout=subprocess.PIPE,
                       text=True, check=False)
    if r.returncode:
        sys.exit(f"error: no image of {system}")
    return r.stdout.strip()


@functools.lru_cache(None)
def own_qemu():
    """The directory of the QEMU with our machines and models, built if need be.
    ESP_RING_QEMU names another, for who works on it."""
    if os.environ.get("ESP_RING_QEMU"):
        return os.environ["ESP_RING_QEMU"]
    r = subprocess.run([os.path.join(HERE, "../qemu/build")], stdout=subprocess.PIPE,
                       text=True, check=False)
    if r.returncode:
        sys.exit("error: no QEMU for the emulated boards")
    return r.stdout.strip()


def command_line(m, img, accel):
    """QEMU's arguments.  Nothing is saved: the disk is read-only."""
    b = board(m.system)
    virtio = f"virtio-%s-{b.bus}"
    a = [f"{own_qemu()}/bin/{b.program}" if b.own else b.program,
         "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", *b.args]
    # with -icount all CPUs are one thread, which executes what it counts
    one = m.icount >= 0 or "-icount" in m.more
    if one:
        accel = "tcg"
    if b is PC:
        a += ["-cpu", "host" if accel == "kvm" else "max,la57=off"]
    if os.path.exists(f"{img}/dtb"):
        a += ["-dtb", f"{img}/dtb"]
    tcg = "tcg,thread=%s,tb-size=512" % ("single" if one else "multi")
    # a clock that does not wait runs ahead while the guest waits for its disk: minutes,
    # if the host is busy, which is no hang
    clock = "sysctl.kernel.hung_task_timeout_secs=0" if "sleep=off" in " ".join(m.more) else ""
    a += ["-accel", "kvm" if accel == "kvm" else tcg,
          "-smp", str(m.cpus), "-m", str(b.mem or m.mem),
          "-kernel", f"{img}/vmlinux", "-initrd", f"{img}/initramfs",
          "-append", " ".join((f"console={b.console}", LOG, b.append,
                               APPEND.get(m.system, ""), clock, m.append)),
          "-drive", f"if=none,id=root,file={img}/root.ext4,format=raw,readonly=on,"
                    "cache=unsafe,aio=threads",
          "-device", virtio % "blk" + ",drive=root",
          "-device", virtio % "rng"]
    for tag, path, ro in (("share", m.share, ",readonly=on"), ("out", m.out, "")):
        a += ["-fsdev", f"local,id={tag},path={path},security_model=none,"
                        f"multidevs=remap{ro}",
              "-device", virtio % "9p" + f",fsdev={tag},mount_tag={tag}"]
    for (name, hub, mac), model in zip(NICS, b.nics):
        rom = "romfile=," if b.bus == "pci" else ""
        a += ["-netdev", f"hubport,id={name},hubid={hub}",
              "-device", f"{model},netdev={name},{rom}mac=52:54:00:e5:70:{mac:02x}"]
        if name.endswith("a"):
            a += ["-object", f"filter-dump,id=dump-{name},netdev={name},maxlen=262144,"
                             f"file={pcap(m, name)}"]
    # two routers on one wire need different addresses there
    mac = "52:54:00:e5:%02x" % (0x71 if not m.wan else 0x73 if "server=on" in m.wan else 0x74)
    for i, name in enumerate(SOCKETS[:m.ports]):
        far = m.wan if name == "wan" else ""
        net = far.replace(",", ",id=wan,", 1) if far else f"hubport,id={name},hubid={i + 10}"
        a += ["-netdev", net, "-net", f"nic,netdev={name},model=mt7530,macaddr={mac}:{i:02x}"]
        if not far:
            a += ["-netdev", f"hubport,id=p-{name},hubid={i + 10}",
                  "-device", virtio % "net" + f",netdev=p-{name},mac=52:54:00:e5:72:{i:02x}"]
    if m.ports:
        a += ["-object", f"filter-dump,id=dump-wan,netdev=wan,maxlen=262144,file={pcap(m, 'wan')}"]
    if m.icount >= 0:
        a += ["-icount", f"shift={m.icount},sleep=off"]
    a += m.more
    a += ["-serial", "mon:stdio" if m.interactive else f"file:{console(m)}"]
    return a


def host_file(m, name):
    """Beside the guest's output directory, where the guest cannot write."""
    return os.path.join(os.path.dirname(os.path.abspath(m.out)), name)


def console(m):
    return host_file(m, "console.log")


def pcap(m, nic):
    return host_file(m, f"wire-{nic[0]}.pcap")


def read(path, default=""):
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.read()
    except OSError:
        return default


class Running:
    """A machine that was started.  Always used with `with`."""

    def __init__(self, m, accel=None):
        self.m, self.start, self.timed_out = m, time.monotonic(), False
        accel = accel or accelerator(m.system)
        img = image(m.system)
        for name in ("status", "log", "dmesg", "kmemleak"):
            if os.path.exists(os.path.join(m.out, name)):
                os.unlink(os.path.join(m.out, name))
        self.args = command_line(m, img, accel)
        self.err = open(host_file(m, "qemu.log"), "wb")
        self.proc = subprocess.Popen(
            self.args, stderr=self.err,
            stdin=None if m.interactive else subprocess.DEVNULL,
            stdout=None if m.interactive else self.err,
            preexec_fn=die_with_parent)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.proc.poll() is None:
            self.proc.kill()
        self.proc.wait()
        self.err.close()

    def poll(self):
        """True while it runs; ends it when its time is over."""
        if self.proc.poll() is not None:
            return False
        if time.monotonic() - self.start > self.m.timeout:
            self.timed_out = True
            self.proc.kill()
            self.proc.wait()
            return False
        return True

    def status(self):
        """The command's exit status, or None if it did not get that far."""
        s = read(os.path.join(self.m.out, "status")).strip()
        return int(s) if s.isdigit() else None


def die_with_parent():
    """QEMU ends with the runner, also where that is killed (PR_SET_PDEATHSIG)."""
    import ctypes  # pylint: disable=import-outside-toplevel
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def accelerator(system):
    """kvm where a trial boot of a stock kernel works, else tcg; remembered."""
    if board(system) is not PC:
        return "tcg"
    ver = subprocess.run([PC.program, "--version"], stdout=subprocess.PIPE, check=True).stdout
    key = hashlib.sha256(ver + os.uname().release.encode() + b"%d" % os.getuid()
                         ).hexdigest()[:12]
    path = os.path.join(CACHE, f"accelerator-{key}")
    known = read(path).strip()
    if known:
        return known
    accel = "tcg"
    if os.access("/dev/kvm", os.R_OK | os.W_OK):
        print("# trying whether KVM boots a stock kernel", file=sys.stderr, flush=True)
        if trial("trixie" if system == "debug" else system):
            accel = "kvm"
    print(f"# accelerator: {accel}", file=sys.stderr, flush=True)
    os.makedirs(CACHE, exist_ok=True)
    with open(path, "w", encoding="ascii") as f:
        f.write(accel + "\n")
    return accel


def trial(system):
    top = tempfile.mkdtemp(prefix="esp-ring-kvm.")
    try:
        out = os.path.join(top, "out")
        os.mkdir(out)
        with open(os.path.join(out, "cmd"), "w", encoding="ascii") as f:
            f.write("true\n")
        with Running(Machine(system, stage(top), out, timeout=30), "kvm") as r:
            while r.poll():
                time.sleep(0.1)
            return r.status() == 0
    finally:
        shutil.rmtree(top)


def stage(top):
    """A share with the guest's init in it, and nothing else."""
    share = os.path.join(top, "share")
    os.makedirs(os.path.join(share, "selftests/vm"), exist_ok=True)
    shutil.copy2(os.path.join(HERE, "guest-init"), os.path.join(share, "selftests/vm"))
    return share


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    p.add_argument("system")
    p.add_argument("command", help="shell text to run in the guest")
    p.add_argument("--share", help="directory seen as /share (default: guest-init alone)")
    p.add_argument("--dir", help="where logs, captures and out/ go (default: temporary)")
    p.add_argument("--cpus", type=int, default=2)
    p.add_argument("--mem", type=int, default=1024)
    p.add_argument("--timeout", type=int, default=600)
    p.add_argument("--append", default="", help="more kernel arguments")
    p.add_argument("--interactive", action="store_true", help="the console is this terminal")
    p.add_argument("--accel", choices=("kvm", "tcg"))
    p.add_argument("--icount", type=int, default=-1, metavar="N",
                   help="count instructions, each is 2^N ns of the guest's time")
    p.add_argument("--ports", type=int, default=0, metavar="N",
                   help="sockets of a router that a host is plugged into")
    p.add_argument("--wan", default="", metavar="NETDEV",
                   help="what of QEMU's network is plugged into wan instead of a host")
    p.add_argument("--qemu", default="", help="more arguments of QEMU")
    o = p.parse_args()
    top = o.dir or tempfile.mkdtemp(prefix="esp-ring-vm.")
    out = os.path.join(top, "out")
    os.makedirs(out, exist_ok=True)
    with open(os.path.join(out, "cmd"), "w", encoding="utf-8") as f:
        f.write(o.command + "\n")
    m = Machine(o.system, o.share or stage(top), out, o.cpus, o.mem, o.timeout,
                o.append, o.interactive, o.ports, o.wan, o.icount, tuple(shlex.split(o.qemu)))
    try:
        with Running(m, o.accel) as r:
            while r.poll():
                time.sleep(0.05)
            status = r.status()
            took = time.monotonic() - r.start
            print(read(os.path.join(out, "log")), end="")
            why = "timed out" if r.timed_out else f"status {status}"
            print(f"# {o.system}: {why}, {took:.1f} s", file=sys.stderr)
            if status is None and not o.interactive:
                print(read(console(m))[-3000:] + read(host_file(m, "qemu.log")),
                      file=sys.stderr)
    finally:
        if not o.dir:
            shutil.rmtree(top)
    if o.interactive:
        return 0                # people end it as they like
    return 1 if status is None else status


if __name__ == "__main__":
    sys.exit(main())
