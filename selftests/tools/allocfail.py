#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Every allocation of the layer and of the software engine fails at least once.

The call sites are read from the modules themselves: calls to functions that
allocate.  The kernel's fault injection is told to fail what is allocated below one
such call, and its own counter says that it did.  What runs only while a module is
loaded has no address yet: there the first allocation below any module fails, then
the second, until the module loads without one.  Per-CPU memory has no fault point:
there a probe answers instead of the allocator, which needs a stock kernel.

After each: the machine works as before.
"""
import collections
import ctypes
import functools
import itertools
import os
import re
import threading
import time

import esplab as lab
from esplab import check

MODULES = ("esp_ring", "esp_ring_soft")
ALLOCATES = re.compile(
    r"^(__kmalloc|kmalloc(?!_caches)|__kvmalloc|kvmalloc|kmemdup|kstrdup|kasprintf|pcpu_alloc|"
    r"__alloc_percpu|alloc_netdev|alloc_workqueue|pskb_expand_head|__pskb_pull_tail|"
    r"crypto_alloc|debugfs_create|smpboot_register|kmem_cache_alloc|vmalloc|vzalloc|kthread_create|"
    r"__alloc_skb|alloc_pages|__get_free|skb_copy|skb_clone|__pskb_copy|alloc_cpumask|"
    r"zalloc_cpumask)")
ATTRS = ["/sys/kernel/debug/failslab/", "/sys/kernel/debug/fail_page_alloc/"]
PLENTY = 1000000
# between them are all modules, on x86-64
AREA = (0xffffffffa0000000, 0xffffffffff000000)
# No fault point of the kernel is behind these unless an area is used up: what fails
# and is counted before is kmemleak's note of the allocation, not the allocation.
# Suite.per_cpu() has them.
PERCPU = re.compile("pcpu_alloc|__alloc_percpu")

# Calls that cannot fail for want of memory here, and why; tried with LONG=1 only,
# where what fails may be an allocation of the debug kernel's own, as KASAN's of stacks.
NOT_HERE = {
    ("esp_ring_queue_init", "kvmalloc_node_noprof", 2): "no engine here has data for each packet",
    ("make_private", "pskb_pull_tail", 1): "pskb_expand_head() has made room for all of it",
}

# offset is that of the next instruction, name is call or jmp
Insn = collections.namedtuple("Insn", "init function offset name target")
Site = collections.namedtuple("Site", "module function offset callee init nth tail")


@functools.cache
def calls(module):
    """All calls and jumps of a module to symbols: where, and where to."""
    out, start, init, name, pending, last = [], 0, False, "", None, None
    for line in lab.sh("objdump -dr --no-show-raw-insn %s/%s.ko" % (
            lab.module_dir(), module)).splitlines():
        m = re.match(r"Disassembly of section (\S+):", line)
        if m:
            init = ".init" in m.group(1)
        m = re.match(r"([0-9a-f]+) <(\S+)>:", line)
        if m:
            start, name, pending = int(m.group(1), 16), m.group(2), None
        m = re.match(r"\s*([0-9a-f]+):\t(\S+)(?:\s+[0-9a-f]+ <([^>+]+)(\+0x[0-9a-f]+)?>)?", line)
        if m:
            if pending:
                out.append(Insn(init, name, int(m.group(1), 16) - start, *pending))
            # resolved by the assembler, where both are in one section
            pending = (m.group(2), m.group(3)) if m.group(2) in ("call", "jmp") and \
                m.group(3) and not m.group(4) else None
            last = m.group(2)
            continue
        m = re.search(r"R_X86_64_P\S+32\s+([^\s+-]+)-0x4$", line)
        if m and last in ("call", "jmp"):
            pending = (last, m.group(1))
        last = None
    return out


def sites(module):
    """Calls to allocating functions."""
    out, times = [], collections.Counter()
    for c in calls(module):
        if ALLOCATES.match(c.target):
            times[c.function, c.target] += 1
            out.append(Site(module, c.function, c.offset, c.target, c.init,
                            times[c.function, c.target], c.name == "jmp"))
    return out


def address(module, function, offset=0):
    for line in lab.read("/proc/kallsyms").splitlines():
        w = line.split()
        if len(w) == 4 and w[2] == function and w[3] == "[%s]" % module:
            return int(w[0], 16) + offset
    return None


def stacks(site):
    """What is in the stack of a failing call, (address, range that must not be in
    it): the return address.  A function that ends with the call as a jump has left
    the stack: there its callers' are, without any of its own."""
    if not site.tail:
        return [(address(site.module, site.function, site.offset), (0, 0))]
    own = address(site.module, site.function)
    return [(address(site.module, c.function, c.offset), (own, own + site.offset))
            for c in calls(site.module)
            if c.name == "call" and c.target == site.function and not c.init]


def not_here(site):
    return NOT_HERE.get((site.function, site.callee.strip("_"), site.nth))


class Faults:
    """Memory that is refused below a range of addresses."""

    def __init__(self):
        for a in ATTRS:
            for name, value in (("probability", "0"), ("interval", "1"), ("space", "0"),
                                ("verbose", "0"), ("task-filter", "N"),
                                ("stacktrace-depth", "32"), ("ignore-gfp-wait", "N"),
                                ("times", "%d" % PLENTY)):
                lab.write(a + name, value)
        lab.write(ATTRS[1] + "ignore-gfp-highmem", "N")
        lab.write(ATTRS[1] + "min-order", "0")

    def where(self, start, end, but=(0, 0)):
        for a in ATTRS:
            lab.write(a + "require-start", "0x%x" % start)
            lab.write(a + "require-end", "0x%x" % end)
            lab.write(a + "reject-start", "0x%x" % but[0])
            lab.write(a + "reject-end", "0x%x" % but[1])

    def on(self, start, end, but=(0, 0)):
        self.off()
        self.where(start, end, but)
        for a in ATTRS:
            lab.write(a + "times", "%d" % PLENTY)
            lab.write(a + "probability", "100")

    def hits(self):
        return sum(PLENTY - int(lab.read(a + "times")) for a in ATTRS)

    def off(self):
        for a in ATTRS:
            lab.write(a + "probability", "0")


# ---- what makes the modules allocate ----

def quietly(fn):
    """It may fail: that is what it is for."""
    try:
        fn()
    except (OSError, lab.Fail):
        pass


def va():
    return lab.socket.if_nametoindex("va")


class Work:
    """Things to do that allocate, each leaves nothing behind; enough() says whether
    that has happened which they are for."""

    def __init__(self, a, b, enough):
        self.a, self.b, self.enough = a, b, enough

    def states(self):
        quietly(lambda: lab.write(lab.PARAMS + "high_prio", "reqid=9"))
        quietly(lambda: lab.write(lab.PARAMS + "bind", "x*=soft"))
        for alg in ("gcm128", "cbc128-sha1", "chacha", "ccm128", "null-sha256"):
            if not self.enough():
                quietly(lambda n=alg: lab.Tunnel(self.a, self.b, n, ("tunnel", 4, 4)))
        # no AEAD has that name: the engine looks twice
        quietly(lambda: self.a.add_sa("10.9.1.1", "10.9.1.2", 0x800000, {"enc": "cbc(camellia)"},
                                      (b"k" * 16,), offload=(va(), 0)))
        quietly(lambda: lab.write(lab.PARAMS + "high_prio", "\n"))
        quietly(lambda: lab.write(lab.PARAMS + "bind", "\n"))

    def devices(self):
        for cmd in ("ip link add dm0 type dummy", "ip link add link va name vl0 type vlan id 5",
                    "ip link set dm0 name dm1", "ip link del vl0", "ip link del dm1",
                    "ip link del dm0"):
            lab.status(cmd)
        quietly(lambda: lab.write(lab.PARAMS + "ports", "*,!zz"))

    def wrapped(self):
        """A transform that leaves its work to others is unwrapped.  Where it exists
        all prefer it from then on: not one that other tests measure."""
        def add():
            with lab.socket.socket(38, lab.socket.SOCK_SEQPACKET) as s:    # AF_ALG
                s.bind(("aead", "cryptd(rfc7539esp(chacha20,poly1305))"))
                lab.Tunnel(self.a, self.b, "chacha", ("tunnel", 4, 4))
        lab.status("modprobe -a algif_aead cryptd")
        quietly(add)

    def engine(self):
        """The engine goes and comes back, with SAs that want it, and another comes."""
        quietly(lambda: lab.Tunnel(self.a, self.b, "cbc128-sha1", ("tunnel", 4, 4)))
        lab.rmmod("esp_ring_soft")
        lab.status("insmod %s/esp_ring_soft.ko" % lab.module_dir())
        # one that needs more room in the engine than those before
        for alg in ("gcm128", "cbc256-sha512"):
            quietly(lambda n=alg: lab.Tunnel(self.a, self.b, n, ("tunnel", 4, 4)))
        lab.status("insmod %s/esp_ring_faulty.ko" % lab.module_dir())
        lab.status("rmmod esp_ring_faulty")

    def packets(self):
        """Small and large, whole and in pieces, nobody else's and TCP's."""
        def flow():
            t = lab.Tunnel(self.a, self.b, "gcm128", ("tunnel", 4, 4))
            lab.ping(*t.inner, [0, 1000, 1400, 3000, 8000], timeout=0.4)
            lab.ping(*t.inner[::-1], [1000, 3000, 8000], lab.PEER, timeout=0.4)
            lab.tcp_both(*t.inner, 20000, timeout=1)
        quietly(flow)

    def likely(self, site):
        return getattr(self, LIKELY.get(site.function, "states"))

    def all(self):
        return (self.states, self.devices, self.engine, self.packets, self.wrapped)


class Suite:
    def __init__(self):
        lab.load()
        lab.hosts_up()
        self.a, self.b = lab.both_hosts()
        self.faults = Faults() if os.path.exists(ATTRS[0] + "require-start") else None
        self.searching = False
        self.work = Work(self.a, self.b, lambda: self.searching and self.faults.hits())

    def clear(self):
        if self.faults:
            self.faults.off()
        for x in (self.a, self.b):
            x.flush_all()
            for net in ("10.9.0.0/16", "fd09::/16"):
                x.add_block(net, net)
        lab.load()
        for name in ("high_prio", "bind"):
            lab.write(lab.PARAMS + name, "\n")
        lab.write(lab.PARAMS + "ports", "*")

    def works(self):
        self.clear()
        check(lab.wait_for(lambda: not lab.kv("sas"), 20), "left: %r" % lab.kv("sas"))
        t = lab.Tunnel(self.a, self.b, "gcm128", ("tunnel", 4, 4))
        check(t.offloaded() == (True, True), "not offloaded: %r" % t.warnings)
        bad, _ = lab.ping(*t.inner, [0, 1000, 3000])
        check(not bad, "pings of %r bytes are lost" % bad)
        self.clear()

    def one(self, site):
        """Fail what is allocated below one call, whatever makes the call."""
        if PERCPU.match(site.callee) or not_here(site) and not os.environ.get("LONG"):
            return 0
        # the likely one first, then all
        work = [self.work.likely(site)] + list(self.work.all())
        hits = 0
        for what, n in itertools.product(work, range(len(stacks(site)))):
            # the address is another when the module has been loaded again
            where, but = stacks(site)[n]
            if not where:
                return 0
            self.faults.on(where, where + 1, but)
            self.searching = True
            what()
            self.searching = False
            hits = self.faults.hits()
            self.faults.off()
            if hits:
                break
            self.clear()
        self.works()
        return hits

    def of_module(self, module):
        def test():
            missed, init = [], []
            for site in sites(module):
                if site.init:
                    init.append(site)
                    continue
                hits = self.one(site)
                text = "%s+0x%x, %s" % (site.function, site.offset, site.callee)
                if hits:
                    lab.note("%s: %d faults" % (text, hits))
                else:
                    missed.append(site)
            # what is below the module's start has its own test
            started = START.get(module, ())
            bad = []
            for site in missed + init:
                why = "at its start" if site.init or site.function in started else \
                    "the kernel has no fault point there" if PERCPU.match(site.callee) else \
                    not_here(site)
                if not why:
                    bad.append(site)
                lab.note("%s+0x%x, %s: %s" % (site.function, site.offset, site.callee,
                                              why or "never reached"))
            check(not bad, "not reached: %r" % bad)
        return test

    def per_cpu(self):
        """Per-CPU memory is refused by a module of ours (esp_ring_nomem), one call
        after the other; where the kernel has kprobes."""
        for module in MODULES:
            for site in sites(module):
                if not PERCPU.match(site.callee):
                    continue
                lab.insmod("esp_ring_nomem", "function=%s site=%d" % (
                    site.callee, stacks(site)[0][0]))
                self.work.likely(site)()
                hits = int(lab.read("/sys/module/esp_ring_nomem/parameters/hits"))
                lab.rmmod("esp_ring_nomem")
                text = "%s+0x%x, %s" % (site.function, site.offset, site.callee)
                check(hits, "not reached: " + text)
                lab.note("%s: %d faults" % (text, hits))
                self.works()

    def loading(self, module):
        """Each allocation that loading it makes, one after the other."""
        def test():
            # as a user of all parameters would
            libc = ctypes.CDLL(None, use_errno=True)
            above = MODULES[MODULES.index(module):]
            failed = loaded = 0
            self.faults.where(*AREA)
            for n in range(1, 400):
                for m in reversed(above):
                    if lab.loaded(m):
                        lab.rmmod(m, 60)
                fd = os.open("%s/%s.ko" % (lab.module_dir(), module), os.O_RDONLY)
                nth = "/proc/thread-self/fail-nth"
                lab.write(nth, "%d" % n)
                r = libc.syscall(313, fd, b"", 0)
                left = int(lab.read(nth))
                lab.write(nth, "0")
                os.close(fd)
                if left:
                    check(not r, "it does not load without a fault")
                    break
                failed += bool(r)
                loaded += not r
            check(left, "there is no end to its allocations")
            check(failed > 0, "no allocation mattered")
            lab.note("%d allocations: %d times it did not load, %d times it did without" % (
                n - 1, failed, loaded))
            self.works()
        return test

    def in_flight(self):
        """One allocation in a hundred fails anywhere in the modules, under load."""
        t = lab.Tunnel(self.a, self.b, "gcm128", ("tunnel", 4, 4), window=1024)
        stop = []

        def states():
            while not stop:
                self.work.states()

        with lab.Ns(None):
            ranges = [x for m in MODULES for x in text_of(m)]
        self.faults.on(min(ranges), max(ranges))
        for a in ATTRS:
            lab.write(a + "probability", "1")
        th = threading.Thread(target=states)
        th.start()
        try:
            end = time.monotonic() + 5 * lab.SLOW
            while time.monotonic() < end:
                for size in (0, 500, 1400, 3000):
                    # the sender is told when there is no memory
                    quietly(lambda n=size: lab.ping(*t.inner, [n] * 10, timeout=0.2))
        finally:
            stop.append(1)
            th.join()
            hits = self.faults.hits()
            self.faults.off()
        lab.note("%d faults" % hits)
        check(hits > 0, "no fault")
        self.works()


# what makes a function allocate, where it is not a new state
LIKELY = {
    "name_wanted": "devices", "port_select": "devices", "netdev_event": "devices",
    "make_private": "packets", "esp_ring_queue_init": "engine",
    "esp_ring_engine_register": "engine", "esp_ring_soft_ctx_init": "engine",
    "soft_tfm_unwrap": "wrapped",
}
# functions that only a module's start calls, outside of its .init section
START = {"esp_ring": ("esp_ring_debugfs_init",), "esp_ring_soft": ("soft_workers_init",)}


def text_of(module):
    """First and last address of a module's functions."""
    found = [int(w[0], 16) for w in (x.split() for x in lab.read("/proc/kallsyms").splitlines())
             if len(w) == 4 and w[3] == "[%s]" % module and w[1] in "tT"]
    return min(found), max(found) + 0x1000


def main():
    lab.sh("echo 0 >/proc/sys/kernel/kptr_restrict")
    s = Suite()
    if not s.faults:
        # a kernel without fault injection
        lab.run_tests([("per-CPU allocations fail, one call after the other", s.per_cpu)])
    lab.run_tests(
        [("allocations of %s fail, one call after the other" % m, s.of_module(m))
         for m in MODULES] +
        [("allocations fail while %s is loaded" % m, s.loading(m)) for m in MODULES] +
        [("allocations fail at random under load", s.in_flight)])


main()
