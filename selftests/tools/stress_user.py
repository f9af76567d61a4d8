# SPDX-License-Identifier: GPL-2.0-only
"""Somebody without any right, in a user name space of his own, where he may add
states to devices that he has made: two network name spaces and a veth between.
"""
import ctypes
import os
import random
import signal
import socket
import struct
import time

import esplab as lab
import xfrmnl
from esplab import check
from stress_ops import Ops, Sender

NEWUSER, NEWNET = 0x10000000, 0x40000000
A, B = "10.77.0.1", "10.77.0.2"
libc = ctypes.CDLL(None, use_errno=True)


def unshare(flags):
    if libc.unshare(flags):
        raise OSError(ctypes.get_errno(), "unshare")


def become_nobody():
    """Not root any more, then root of a new user name space."""
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
    # after the change of ids a process may not write its own files without it
    libc.prctl(4, 1, 0, 0, 0)
    unshare(NEWUSER | NEWNET)
    lab.write("/proc/self/setgroups", "deny")
    lab.write("/proc/self/uid_map", "0 65534 1")
    lab.write("/proc/self/gid_map", "0 65534 1")


def add_states(x, dev, near, flip=0, offload=True):
    """Both states of one end, by the keys that both ends make the same."""
    alg = lab.ALGS["gcm128"]
    index = socket.if_nametoindex(dev)
    for src, dst, spi in ((A, B, 0x7001), (B, A, 0x7002)):
        out = src == near
        keys = (random.Random(spi).randbytes(alg["keys"][0]),)
        flags = (0 if out else xfrmnl.OFF_INBOUND) ^ flip
        # no replay check: they come again, and count from 1
        x.add_sa(src, dst, spi, alg, keys, reqid=7, window=0,
                 offload=(index, flags) if offload else None)
        x.add_policy(src, dst, xfrmnl.OUT if out else xfrmnl.IN, (src, dst), reqid=7,
                     update=True)


class Far:
    """The other end, in a name space of its own: a process that waits."""

    def __init__(self):
        r, w = os.pipe()
        go_r, self.go = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            try:
                unshare(NEWNET)
                os.write(w, b"+")
                os.read(go_r, 1)        # the device is here
                lab.ip_batch(["addr add %s/24 dev v1" % B, "link set v1 up", "link set lo up"])
                add_states(xfrmnl.Xfrm(), "v1", B)
                os.write(w, b"+")
                time.sleep(1000)
            finally:
                os._exit(1)
        os.close(w)
        os.close(go_r)
        check(os.read(r, 1) == b"+", "no second name space")
        lab.ip_batch(["link add v0 type veth peer name v1 netns %d" % self.pid,
                      "addr add %s/24 dev v0" % A, "link set v0 up", "link set lo up"])
        os.write(self.go, b"+")
        check(os.read(r, 1) == b"+", "the far end is not up")

    def end(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def child(fn):
    """Run fn(say) as nobody.  Generator of what it says; its exception is ours."""
    r, w = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.close(r)
            become_nobody()
            fn(lambda text: os.write(w, text.encode() + b"\n"))
        except BaseException as e:      # pylint: disable=broad-except
            os.write(w, ("failed: %r\n" % e).encode())
        os._exit(0)
    os.close(w)
    with os.fdopen(r, encoding="ascii") as f:
        for line in f:
            check(not line.startswith("failed"), line.strip())
            yield line.strip()
    os.waitpid(pid, 0)


def life(say):
    far = Far()
    x = xfrmnl.Xfrm()
    add_states(x, "v0", A)
    check(all(s["offload"] for s in x.sas().values()), "not offloaded: %r" % x.sas())
    check(not lab.ping(A, B, [0, 100, 1000] * 5)[0], "pings, offloaded")
    say("offloaded")
    time.sleep(0.5 * lab.SLOW)
    x.flush()
    # in the wrong direction, which nothing forbids him
    add_states(x, "v0", A, xfrmnl.OFF_INBOUND)
    check(not lab.ping(A, B, [0, 100, 1000] * 5)[0], "pings, in the wrong direction")
    # where he has no device
    for index in (1, 2, 3, 4, 99):
        try:
            x.add_sa(A, B, 0x7100 + index, lab.ALGS["gcm128"], (b"k" * 20,),
                     offload=(index, 0))
        except lab.NlError:
            pass
    try:
        lab.write(lab.PARAMS + "bind", "*=soft")
        say("failed: may write parameters")
    except OSError:
        pass
    say("gone")
    far.end()


def test(a, b):
    """His SAs are offloaded like everybody's, and all of it goes with him."""
    before = {d["port"] for d in lab.kv("ports")}
    was = sum(e["packets"] for e in lab.kv("engines"))
    for word in child(life):
        if word == "offloaded":
            sas = [d for d in lab.kv("sas") if d["port"] in ("v0", "v1")]
            check(len(sas) == 4 and all(d["engine"] == "soft" for d in sas), "%r" % sas)
            # 15 pings and their answers, each through two engines' queues
            done = sum(e["packets"] for e in lab.kv("engines")) - was
            check(done >= 60, "%d packets by the engine" % done)
        elif word == "gone":
            lab.note("%d SAs of his" % len(lab.kv("sas")))
    check(lab.wait_for(lambda: {d["port"] for d in lab.kv("ports")} == before, 30),
          "ports: %r, were %r" % (lab.kv("ports"), before))
    check(lab.wait_for(lambda: not lab.kv("sas"), 30), "SAs outlive him")


def actor(seed):
    """Lives of such users, one after the other, each with messages of his own.  Not
    longer than a second: then he, his devices and his states are gone."""
    rng = random.Random(seed)
    while True:
        one = rng.randrange(1 << 31)
        yield "a life, seed %d" % one
        pid = os.fork()
        if pid:
            os.waitpid(pid, 0)
            continue
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        try:
            become_nobody()
            far = Far()
            ops, to = Ops(one, ["v0", "v0", "lo"]), Sender()
            x = xfrmnl.Xfrm()
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.setblocking(False)
            end = time.monotonic() + 1
            for n, (_, kind, data, flags, spec) in enumerate(ops):
                to.send(kind, data, flags, spec)
                if n % 40 == 0:
                    try:
                        add_states(x, "v0", A, random.Random(n).choice((0, xfrmnl.OFF_INBOUND)))
                    except lab.NlError:
                        pass
                try:
                    s.sendto(struct.pack("!I", n) * 100, (B, 4000))
                except OSError:
                    pass
                if time.monotonic() > end:
                    break
            far.end()
        finally:
            os._exit(0)
