#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The model of the EIP-93 before the unmodified in-tree driver and the kernel's
own self-tests of crypto drivers, fuzz tests included; then plain ESP through it.

A driver that nobody here wrote must find the device true.  Where the driver
itself is wrong, FAULTS says what is seen and why it is the driver's."""
import os
import re
import time

import esplab as lab
from esplab import check, note

MODULE = "crypto_hw_eip93"
DRIVER = "/sys/bus/platform/drivers/inside-secure-eip93/"
TESTMGR = "/sys/module/cryptomgr/parameters/"
PANIC = "/proc/sys/kernel/panic_on_warn"
DMA_DEBUG = "/sys/kernel/debug/dma-api/"
# the self-tests compare with these, where they are there before the driver
GENERIC = "aes des_generic ecb cbc ctr authenc hmac md5 sha1 sha224 sha256 echainiv"

CIPHERS = ("ecb(des)", "cbc(des)", "ecb(des3_ede)", "cbc(des3_ede)", "ecb(aes)", "cbc(aes)",
           "ctr(aes)", "rfc3686(ctr(aes))")
HASHES = ("md5", "sha1", "sha224", "sha256")
ALGS = CIPHERS + HASHES + tuple(f"hmac({h})" for h in HASHES) + tuple(
    f"authenc(hmac({h}),{c})" for h in HASHES
    for c in ("cbc(des)", "cbc(des3_ede)", "cbc(aes)", "rfc3686(ctr(aes))"))

# algorithm -> (what its self-test says, why that is the driver's fault)
FAULTS = {}


def algorithms():
    """name -> (driver, selftest) of what the in-tree driver has registered."""
    found = {}
    for block in lab.read("/proc/crypto").split("\n\n"):
        f = dict(re.split(r"\s*: ?", line, maxsplit=1)
                 for line in block.splitlines() if ":" in line)
        if "eip93" in f.get("driver", ""):
            found[f["name"]] = f["driver"], f["selftest"]
    return found


def interrupts():
    n = 0
    for line in lab.read("/proc/interrupts").splitlines():
        if "crypto" in line or "eip93" in line:
            n += sum(int(x) for x in line.split(":")[1].split()[:os.cpu_count()])
    return n


class KernelLog:
    """What the kernel has said since."""

    def __init__(self):
        self.f = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
        os.lseek(self.f, 0, os.SEEK_END)

    def lines(self):
        out = []
        while True:
            try:
                out.append(os.read(self.f, 8192).decode(errors="replace")
                           .partition(";")[2].splitlines()[0])
            except BlockingIOError:
                return out


def main():
    log, said = KernelLog(), []

    def probes():
        for m in GENERIC.split():
            # built in, or of another name in another version
            lab.status("modprobe -q " + m)
        # the kernel's 100 took 5 minutes; in the end they find no more
        lab.write(TESTMGR + "fuzz_iterations", "40" if lab.SLOW < 5 else "20")
        lab.write(TESTMGR + "notests", "N")
        # The driver's own faults must not end a machine that stops at warnings:
        # its interrupt flags (splats.allow), and how it maps memory, which is
        # counted and not shown.
        panic = lab.read(PANIC)
        lab.write(PANIC, "0")
        lab.write(DMA_DEBUG + "driver_filter", "esp_ring_eip93")
        start = time.monotonic()
        try:
            lab.sh("modprobe crypto-hw-eip93")
            # the tests run on, all at once
            lab.wait_for(lambda: "unknown" not in {r for _, r in algorithms().values()},
                         300, 0.5)
        finally:
            lab.write(TESTMGR + "notests", "Y")
            lab.write(PANIC, panic)
        note("faults of its DMA mappings: " + lab.read(DMA_DEBUG + "error_count").strip())
        said.extend(log.lines())
        note("%.0f s, %s iterations of each fuzz test, %d interrupts" % (
            time.monotonic() - start, lab.read(TESTMGR + "fuzz_iterations").strip(),
            interrupts()))
        note("\n".join(x for x in said if "EIP93" in x))
        bound = [d for d in os.listdir(DRIVER) if "crypto" in d]
        check(len(bound) == 1, "bound to: %r" % bound)
        check(interrupts() > 1000, "%d interrupts of so many requests" % interrupts())

    def complete():
        have = set(algorithms())
        lost = set(ALGS) - have - set(FAULTS)
        check(not lost, "not registered: " + " ".join(sorted(lost)))
        check(not have - set(ALGS), "unknown: " + " ".join(sorted(have - set(ALGS))))

    def passed(alg):
        def test():
            lines = [x for x in said if re.search(r"\balg: ", x) and
                     (f" {alg} " in x or algorithms().get(alg, ("?",))[0] in x)]
            text = "\n".join(lines)
            if alg in FAULTS:
                what, why = FAULTS[alg]
                check(re.search(what, text), "the driver's fault (%s) is not seen: %s" % (
                    why, text or "it passed"))
                note("fails as the driver is wrong: " + why)
                note(text)
                return
            driver, result = algorithms().get(alg, ("none", "not registered"))
            check(result == "passed" and not lines, f"{driver}: {result}\n{text}")
        return test

    def quiet():
        # warnings with a trace are the host's to judge
        known = "full crypto tests enabled|" + "|".join(re.escape(x) for x in FAULTS or ["-"])
        bad = [x for x in said if re.search(r"\balg: |inside-secure-eip93", x) and
               not re.search(r"EIP93:\d|" + known, x)]
        check(not bad, "\n".join(bad[:20]))

    def tunnel(alg, shape):
        def test():
            a, b = lab.both_hosts()
            before = interrupts()
            try:
                t = lab.Tunnel(a, b, alg, shape, offload=False)
                used = [d for n, (d, _) in algorithms().items() if n.startswith("authenc") and
                        re.search(r"^refcnt +: [2-9]", block_of(d), re.M)]
                check(used, "no SA uses the engine")
                x, y = lab.udp_pair(*t.inner)
                lab.udp_both(x, y, (1, 64, 500, 1300) * 5, timeout=3.0 * lab.SLOW)
                lab.tcp_both(*t.inner, 300000, timeout=60 * lab.SLOW)
                n = interrupts() - before
                check(n > 100, "only %d interrupts" % n)
                note("%s: %d interrupts" % (used[0], n))
            finally:
                a.flush()
                b.flush()
        return test

    def leaves():
        lab.wait_for(lambda: not lab.status("rmmod " + MODULE)[0], 30, 0.5)
        check(not lab.loaded(MODULE), "it cannot be unloaded")
        check(not algorithms(), "algorithms stay: %r" % algorithms())
        lab.write(DMA_DEBUG + "driver_filter", "\n")

    tests = [("the in-tree driver probes", probes), ("registers all it has", complete)]
    tests += [("self-tests: " + alg, passed(alg)) for alg in ALGS]
    tests += [("nothing else in the log", quiet)]
    # its allocations may sleep where ESP calls it: a debug kernel says so at once
    if "debug" not in os.environ["SYSTEM"]:
        lab.hosts_up("v")
        tests += [("plain ESP: %s, %s" % (alg, lab.shape_name(shape)), tunnel(alg, shape))
                  for alg, shape in (("cbc128-sha1", ("tunnel", 4, 4)),
                                     ("cbc256-sha256", ("transport", 6, 6)))]
    lab.run_tests(tests + [("unloads", leaves)])


def block_of(driver):
    return next((b for b in lab.read("/proc/crypto").split("\n\n")
                 if re.search(r"^driver +: %s$" % re.escape(driver), b, re.M)), "")


main()
