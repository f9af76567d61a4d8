# SPDX-License-Identifier: GPL-2.0-only
"""TAP, commands and modules, and the two hosts."""
import atexit
import os
import re
import socket
import subprocess
import sys
import time

from xfrmnl import Ns

PEER = "peer"
DEBUGFS = "/sys/kernel/debug/esp_ring/"
FAULTY = "/sys/kernel/debug/esp_ring_faulty/"
PARAMS = "/sys/module/esp_ring/parameters/"
KVER = tuple(int(x) for x in re.findall(r"\d+", os.uname().release)[:2])
SLOW = int(os.environ.get("SLOW", 1))

# NIC pair -> its network; the inner addresses of tunnels are on lo
PAIRS = {"v": 1, "e": 2}


def a4(pair="v"):
    return "10.9.%d.1" % PAIRS[pair]


def b4(pair="v"):
    return "10.9.%d.2" % PAIRS[pair]


def a6(pair="v"):
    return "fd09:%d::1" % PAIRS[pair]


def b6(pair="v"):
    return "fd09:%d::2" % PAIRS[pair]


# what a test puts here is asked for addresses instead of outer()
OUTER = [None]


def outer(fam, pair="v"):
    if OUTER[0]:
        return OUTER[0](fam, pair)
    return (a4(pair), b4(pair)) if fam == 4 else (a6(pair), b6(pair))


def inner(fam, pair="v"):
    n = PAIRS[pair]
    if fam == 4:
        return "10.9.%d.1" % (n + 10), "10.9.%d.2" % (n + 10)
    return "fd09:%d::1" % (n + 10), "fd09:%d::2" % (n + 10)


# ---- TAP ----

class Tap:
    def __init__(self):
        self.n = self.bad = 0
        atexit.register(self.end)
        self.open = True
        self.started = self.last = time.monotonic()

    def end(self):
        if self.open:
            self.open = False
            note("%.0f s" % (time.monotonic() - self.started))
            print("1..%d" % self.n, flush=True)

    def ok(self, good, name, why=""):
        self.n += 1
        self.bad += not good
        now = time.monotonic()
        print("%sok %d %s" % ("" if good else "not ", self.n, name), flush=True)
        if now - self.last > 20:
            note("that took %.0f s" % (now - self.last))
        self.last = now
        if not good and why:
            note(why)
        return good

    def skip(self, name, why):
        self.n += 1
        print("ok %d %s # SKIP %s" % (self.n, name, why), flush=True)
        self.last = time.monotonic()

    def done(self):
        self.end()
        sys.exit(bool(self.bad))


class Fail(Exception):
    """A check of the test that is running does not hold."""


def note(text):
    for line in str(text).splitlines():
        print("# " + line, flush=True)


def check(good, why):
    if not good:
        raise Fail(why)


def run_tests(tests, prefix=""):
    """(name, function) pairs; a function fails by an exception and skips by
    returning a text.  Arguments of the command choose by pattern."""
    tap = Tap()
    wanted = sys.argv[1:]
    for name, fn in tests:
        if wanted and not any(re.search(w, name) for w in wanted):
            continue
        name = prefix + name
        try:
            why = fn()
        except Fail as e:
            tap.ok(False, name, str(e))
        except (Exception, SystemExit):  # pylint: disable=broad-except
            import traceback
            tap.ok(False, name, traceback.format_exc())
        else:
            if why:
                tap.skip(name, why)
            else:
                tap.ok(True, name)
    tap.done()


# ---- commands ----

# a program's name and words that are the same to a shell
PLAIN = re.compile(r"[\w/.-]+( [\w /.:@,+=%-]*)?")


def _run(cmd, stdin=None):
    """By a shell only where it has something to do: on a debug kernel each program
    that is started takes a tenth of a second."""
    more = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "input": stdin,
            "text": True, "check": False}
    if PLAIN.fullmatch(cmd):
        try:
            return subprocess.run(cmd.split(), **more)
        except FileNotFoundError:
            pass        # the shell's own, or not there, which it tells
    return subprocess.run(cmd, shell=True, **more)


def sh(cmd, ok=True, ns=None, stdin=None):
    """Run a command, return what it prints (both streams)."""
    if ns:
        cmd = "ip netns exec %s %s" % (ns, cmd) if "|" not in cmd and ";" not in cmd \
            else "ip netns exec %s sh -c '%s'" % (ns, cmd)
    r = _run(cmd, stdin)
    if ok and r.returncode:
        raise Fail("%s: status %d: %s" % (cmd, r.returncode, r.stdout.strip()))
    return r.stdout


def status(cmd):
    r = _run(cmd)
    return r.returncode, r.stdout.strip()


def ip_batch(lines, ns=None, force=False):
    sh("ip %s %s -batch -" % ("-n " + ns if ns else "", "-force" if force else ""),
       stdin="\n".join(lines) + "\n", ok=not force)


def read(path):
    with open(path, encoding="ascii", errors="replace") as f:
        return f.read()


def write(path, text):
    with open(path, "w", encoding="ascii") as f:
        f.write(text)


def wait_for(fn, secs=5, step=0.05):
    end = time.monotonic() + secs * SLOW
    while True:
        got = fn()
        if got or time.monotonic() > end:
            return got
        time.sleep(step)


# ---- modules ----

def module_dir():
    return os.environ["MODULES"]


def loaded(name):
    return os.path.isdir("/sys/module/" + name)


def builtin(name):
    """Of modules that have parameters: part of the kernel"""
    return loaded(name) and not os.path.exists("/sys/module/%s/initstate" % name)


def insmod(name, args=""):
    if not loaded(name):
        # what modprobe would load for an installed module
        if name == "esp_ring":
            sh("modprobe -a esp4 esp6 esp4_offload esp6_offload")
        sh("insmod %s/%s.ko %s" % (module_dir(), name, args))


def rmmod(name, secs=30):
    """Returns the seconds it took; fails if it is refused for too long. What is part of
    the kernel stays."""
    start = time.monotonic()
    last = [""]

    def gone():
        if not loaded(name) or builtin(name):
            return True
        code, last[0] = status("rmmod " + name)
        return not code

    check(wait_for(gone, secs, 0.2), "rmmod %s: %s" % (name, last[0]))
    return time.monotonic() - start


def load(engine="soft", **faulty):
    insmod("esp_ring")
    if engine == "soft":
        insmod("esp_ring_soft")
    elif engine == "faulty":
        # its cryptography is that of the software engine
        insmod("esp_ring_faulty", " ".join("%s=%s" % i for i in faulty.items()))


# ---- the two hosts ----

def mac(dev, ns=None):
    with Ns(ns):
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        s.bind((dev, 0))
        m = s.getsockname()[4]
        s.close()
    return ":".join("%02x" % x for x in m)


def hosts_up(pairs="ve"):
    """Addresses, routes and neighbours of both hosts: no ARP or ND among what is
    counted."""
    for ns, me in ((None, 1), (PEER, 2)):
        other = 3 - me
        lines = []
        for p in pairs:
            n = PAIRS[p]
            dev = p + "ab"[me - 1]
            peer_mac = mac(p + "ab"[other - 1], PEER if me == 1 else None)
            lines += [
                "link set %s up" % dev,
                "addr replace 10.9.%d.%d/24 dev %s" % (n, me, dev),
                "addr replace fd09:%d::%d/64 dev %s nodad" % (n, me, dev),
                "addr replace 10.9.%d.%d/32 dev lo" % (n + 10, me),
                "addr replace fd09:%d::%d/128 dev lo nodad" % (n + 10, me),
                "neigh replace 10.9.%d.%d lladdr %s dev %s nud permanent" % (
                    n, other, peer_mac, dev),
                "neigh replace fd09:%d::%d lladdr %s dev %s nud permanent" % (
                    n, other, peer_mac, dev),
                "route replace 10.9.%d.%d/32 via 10.9.%d.%d src 10.9.%d.%d" % (
                    n + 10, other, n, other, n + 10, me),
                "-6 route replace fd09:%d::%d/128 via fd09:%d::%d src fd09:%d::%d" % (
                    n + 10, other, n, other, n + 10, me)]
        with Ns(ns):
            for f in ("all", "default"):
                try:
                    write("/proc/sys/net/ipv6/conf/%s/accept_dad" % f, "0")
                except OSError:
                    pass
            # the peer answers faster than this limit; error replies count too
            for f in ("ipv4/icmp_ratelimit", "ipv6/icmp/ratelimit"):
                write("/proc/sys/net/" + f, "0")
        # "-6 route" inside a batch is not understood: two batches
        ip_batch([x for x in lines if x[0] != "-"], ns)
        ip_batch([x[3:] for x in lines if x[0] == "-"], ns)
    for p in pairs:
        for dev, ns in ((p + "a", None), (p + "b", PEER)):
            check(wait_for(lambda d=dev, n=ns: "LOWER_UP" in sh("ip link show " + d, ns=n), 15),
                  "%s: no link" % dev)
