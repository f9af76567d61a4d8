#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The configuration plane under stress, with packets in flight all the time.

Processes send random xfrm messages, change features and parameters, make and
delete devices and name spaces, load and unload modules.  SEED=N makes each of them
do what it did under that seed; how they interleave is the scheduler's business.
STEPS=N: messages of each sender and round (300, on a debug kernel 100), LONG=1: ten
times as many.

After each round: nothing is left of it, and a tunnel works, offloaded.
"""
import os
import random
import signal
import socket
import sys
import time
import traceback

import esplab as lab
import xfrmnl
from esplab import check
from stress_ops import Ops, Sender, WAYS
import stress_user

SEED = int(os.environ.get("SEED") or random.SystemRandom().randrange(1 << 31))
STEPS = int(os.environ.get("STEPS") or
            (3000 if os.environ.get("LONG") else 300) // (1 if lab.SLOW == 1 else 3))
OUT = os.environ.get("OUT", "/tmp")
REPLAY = "SEED=%d STEPS=%d make test T='%s/stress'" % (SEED, STEPS, os.environ.get("SYSTEM"))
HOLDERS = ("esp4", "esp6", "esp4_offload", "esp6_offload")


class Actor:
    """A process that does one thing after the other until it has done its steps, or
    is told to stop.  What it does goes to a file, so that it outlives a crash."""

    def __init__(self, name, number, act, steps=0):
        self.name = "%s-%d" % (name, number)
        self.log = "%s/%s.log" % (OUT, self.name)
        self.steps = steps
        self.status = None
        sys.stdout.flush()
        self.pid = os.fork()
        if not self.pid:
            self.run(act, "%d/%s" % (SEED, self.name))

    def run(self, act, seed):
        stop = []
        status = 0
        signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
        try:
            with open(self.log, "w", encoding="ascii") as log:
                n = 0
                for what in act(seed):
                    log.write("%d %s\n" % (n, what))
                    log.flush()
                    n += 1
                    if stop or (self.steps and n >= self.steps):
                        break
        except BaseException:   # pylint: disable=broad-except
            with open(self.log, "a", encoding="ascii") as log:
                traceback.print_exc(file=log)
            status = 1
        os._exit(status)

    def end(self, secs, meanwhile=lambda: None):
        """Stops it if it does not end by itself."""
        end = time.monotonic() + secs * lab.SLOW
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
                return
            if time.monotonic() > end:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
                self.status = "did not end"
                return
            meanwhile()
            time.sleep(0.1)

    def done(self):
        return sum(1 for _ in open(self.log, encoding="ascii"))


# ---- what the actors do ----

def messages(seed):
    ops = Ops(seed, ["va", "ea", "dm0", "vl0"])
    to = Sender()
    for what, kind, data, flags, spec in ops:
        yield what          # before it is done
        check(to.send(kind, data, flags, spec) >= 0, "no answer to: " + what)


def choose(rng, table):
    """One of (function, weight) pairs, called."""
    fns, weights = zip(*table)
    return rng.choices(fns, weights)[0]


def admin(seed):
    """Features, parameters, devices, name spaces.  A command may fail: the device
    may not be there, or the module."""
    rng = random.Random(seed)
    devices = ["va", "ea", "dm0", "vl0", "vt0", "br0"]

    def feature():
        return "ethtool -K %s esp-hw-offload %s" % (
            rng.choice(devices), rng.choice(("on", "on", "on", "off")))

    def parameter():
        name, values = rng.choice((
            # most of them leave va as it was, so that there is something to disturb
            ("ports", ("*", "*,!ea", "va", "!*,va,d*", "*", "*", "")),
            ("bind", ("", "va=soft", "*=faulty0", "ea=nobody", "", "")),
            ("high_prio", ("", "reqid=41", "mark=1/3 reqid=43")),
            ("completion_cpus", ("", "soft.*=0", "*.decrypt=1", "soft.encrypt=99")),
            ("balance", ("least-loaded", "round-robin", "none")),
            ("burst_bytes", ("524288", "0", "65536"))))
        return "echo '%s' >%s%s" % (rng.choice(values), lab.PARAMS, name)

    def device():
        return rng.choice((
            "ip link add dm0 type dummy; ip link set dm0 up", "ip link del dm0",
            "ip link add link va name vl0 type vlan id 9; ip link set vl0 up",
            "ip link del vl0", "ip link add vt0 type veth peer name vt1", "ip link del vt0",
            "ip link add br0 type bridge; ip link set dm0 master br0 up", "ip link del br0",
            "ip link set dm0 down", "ip link set dm0 up", "ip link set dm0 name dm1",
            "ip link set dm1 name dm0", "ip link set ea down", "ip link set ea up"))

    def space():
        return rng.choice((
            "ip netns add st0; ip link set dm0 netns st0", "ip link set vt0 netns st0",
            "ip -n st0 link set dm0 netns 1", "ip netns del st0"))

    def look():
        return "cat %s%s" % (lab.DEBUGFS, rng.choice(("sas", "ports", "queues", "engines")))

    while True:
        cmd = choose(rng, ((feature, 6), (parameter, 5), (device, 8), (space, 3), (look, 4)))()
        yield cmd
        lab.status(cmd)


def engines(seed):
    """The engines, and the layer where it lets itself be unloaded."""
    rng = random.Random(seed)
    faults = ("delay_us", "drop", "twice", "late", "corrupt", "error", "busy", "hang",
              "fail_start", "fail_sa", "fail")
    mods = lab.module_dir()
    need = "modprobe -a esp4 esp6 esp4_offload esp6_offload; insmod %s/esp_ring.ko" % mods

    while True:
        cmd = rng.choices((
            "rmmod esp_ring_soft", "insmod %s/esp_ring_soft.ko" % mods,
            "insmod %s/esp_ring_faulty.ko engines=%d timeout_ms=%d" % (
                mods, rng.choice((1, 2)), rng.choice((200, 1000))),
            "rmmod esp_ring_faulty",
            "echo %d >%sfaulty0/%s" % (rng.choice((1, 3, 300)), lab.FAULTY, rng.choice(faults)),
            "rmmod esp_ring_faulty esp_ring_soft esp_ring",
            need, "echo %s >/sys/module/esp_ring_soft/parameters/cpus" % rng.choice("01")),
            (3, 6, 4, 2, 6, 2, 6, 1))[0]
        yield cmd
        lab.status(cmd)
        time.sleep(rng.random() * 0.2)


def traffic(ns, out):
    """Datagrams of all sizes on all tunnels, until the end.  There may be no SA, no
    policy but the one that blocks, or no memory."""
    def act(seed):
        rng = random.Random(seed)
        socks = []
        with lab.Ns(ns):
            for w in WAYS:
                if w.out == out:
                    p, q = w.inner()
                    s = socket.socket(socket.AF_INET6 if w.fam == 6 else socket.AF_INET,
                                      socket.SOCK_DGRAM)
                    s.bind((p, 0))
                    s.setblocking(False)
                    socks.append((s, (q, 4000)))
        sent = refused = turns = 0
        while True:
            turns += 1
            for s, to in socks:
                for _ in range(rng.choice((1, 1, 1, 8))):
                    try:
                        s.sendto(bytes(rng.choice((1, 64, 500, 1300, 1400, 3000))), to)
                        sent += 1
                    except OSError:
                        refused += 1
            if not turns % 20:
                yield "%d sent, %d refused" % (sent, refused)
            time.sleep(0.01)
    return act


# ---- the bed ----

def bed(b):
    """Addresses, and the peer's side of all tunnels, which stays as it is."""
    for w in WAYS:
        me, far = w.inner() if w.out else w.inner()[::-1]
        if not w.out:
            continue
        bits = 128 if w.fam == 6 else 32
        v, via = (("-6 ", lab.outer(6)) if w.fam == 6 else ("", lab.outer(4)))
        nodad = " nodad" if w.fam == 6 else ""
        for ns, mine, its, gw in ((None, me, far, via[1]), (lab.PEER, far, me, via[0])):
            lab.sh("ip addr replace %s/%d dev lo%s" % (mine, bits, nodad), ns=ns)
            lab.sh("ip %sroute replace %s/%d via %s src %s" % (v, its, bits, gw, mine), ns=ns)
    for w in WAYS:
        p, q = w.inner()
        # no replay check: A's SAs come again and again, and count from 1
        b.add_sa(w.src, w.dst, w.spi, lab.ALGS[w.alg], w.keys, "tunnel", w.reqid, esn=w.esn,
                 window=32 if w.esn else 0)
        b.add_policy(p, q, xfrmnl.IN if w.out else xfrmnl.OUT, (w.src, w.dst), "tunnel", w.reqid)


def sink(way):
    """Takes what comes, and lets it lie."""
    with lab.Ns(lab.PEER if way.out else None):
        s = socket.socket(socket.AF_INET6 if way.fam == 6 else socket.AF_INET, socket.SOCK_DGRAM)
        s.bind((way.inner()[1], 4000))
    return s


def empty(s):
    try:
        while True:
            s.recv(1 << 16, socket.MSG_DONTWAIT)
    except BlockingIOError:
        pass


class Engines:
    """Packets of engines that come and go, as seen when one looks often."""

    def __init__(self):
        self.packets, self.last = 0, {}
        self.look()
        self.packets = 0

    def look(self):
        try:
            now = {e["engine"]: e["packets"] for e in lab.kv("engines")}
        except OSError:         # the layer is not there
            now = {}
        for name, packets in now.items():
            # a new one counts from 0
            last = self.last.get(name, 0)
            self.packets += packets - (last if packets >= last else 0)
        self.last = now


def policies(a):
    for w in WAYS:
        p, q = w.inner()
        a.add_policy(p, q, xfrmnl.OUT if w.out else xfrmnl.IN, (w.src, w.dst), "tunnel",
                     w.reqid, update=True)


def put_right():
    """What an administrator would do after such a day, but for the states."""
    for d in ("dm0", "dm1", "vl0", "vt0", "vt1", "br0"):
        lab.status("ip link del " + d)
    lab.status("ip netns del st0")
    for m in ("esp_ring_faulty",):
        lab.rmmod(m)
    lab.load()
    for name, value in (("ports", "*"), ("bind", "\n"), ("high_prio", "\n"),
                        ("completion_cpus", "\n"), ("balance", "least-loaded"),
                        ("burst_bytes", "524288")):
        lab.write(lab.PARAMS + name, value)
    lab.write("/sys/module/esp_ring_soft/parameters/cpus", "0-%d" % (os.cpu_count() - 1))
    for d in ("va", "ea"):
        lab.sh("ethtool -K %s esp-hw-offload on" % d)
    lab.hosts_up()


def held():
    """References to the kernel's own modules, and to algorithms."""
    out = {}
    for m in HOLDERS:
        if lab.loaded(m):
            out[m] = int(lab.read("/sys/module/%s/refcnt" % m))
    name = ""
    for line in lab.read("/proc/crypto").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "driver":
            name = value.strip()
        elif key.strip() == "refcnt":
            out[name] = int(value)
    return out


class Bed:
    def __init__(self):
        lab.load()
        lab.hosts_up()
        self.a, self.b = lab.both_hosts()
        self.before = None
        self.sinks = []
        # a fragment that waits for the others keeps the state that it came by
        for ns in (None, lab.PEER):
            with lab.Ns(ns):
                for name in ("ipv4/ipfrag_time", "ipv6/ip6frag_time"):
                    lab.write("/proc/sys/net/" + name, "1")

    def clear(self):
        """States first: nothing on its way is answered when policies are gone.  What
        lies in a socket keeps the states that it came by."""
        for x in (self.a, self.b):
            try:
                x.request(xfrmnl.FLUSHSA, b"\0\0\0\0")
            except lab.NlError:
                pass
        time.sleep(0.1 * lab.SLOW)
        for x in (self.a, self.b):
            x.flush_all()
            for net in ("10.9.0.0/16", "fd09::/16"):
                x.add_block(net, net)
        for s in self.sinks:
            empty(s)

    def works(self):
        """Nothing is left, and a new tunnel is offloaded and passes everything."""
        self.clear()
        put_right()
        check(lab.wait_for(lambda: not lab.kv("sas") and
                           not any(e["sas"] for e in lab.kv("engines")), 30),
              "left behind: %s; %s" % (
                  ", ".join("%(spi)s %(queue)s %(port)s" % d for d in lab.kv("sas")),
                  ", ".join("%(engine)s %(sas)s SAs" % d for d in lab.kv("engines"))))
        for alg, shape in (("gcm128", ("tunnel", 4, 4)), ("cbc128-sha1", ("transport", 6, 6))):
            t = lab.Tunnel(self.a, self.b, alg, shape, window=256)
            check(t.offloaded() == (True, True), "not offloaded: %r" % t.warnings)
            bad, _ = lab.ping(*t.inner, [0, 100, 1000, 3000])
            check(not bad, "pings of %r bytes are lost" % bad)
            lab.tcp_both(*t.inner, 100000)
            check(lab.layer_sa(t.out)["packets"] > 10, "%r" % lab.layer_sa(t.out))
            self.clear()
        for m in ("esp_ring_soft", "esp_ring"):
            lab.rmmod(m, 60)
        self.no_leak()
        lab.load()

    def no_leak(self):
        """Every reference to a type, an algorithm or a module has been given back:
        the first time is what the next ones are compared with."""
        # the last states are destroyed a moment after they were deleted
        def more():
            now = held()
            return {k: (v, now[k]) for k, v in (self.before or {}).items()
                    if k in now and now[k] > v}
        if self.before is None:
            time.sleep(1)
            self.before = held()
        check(lab.wait_for(lambda: not more(), 10), "references that grew: %r" % more())

    def round(self, number, senders, others):
        """senders of messages, and others by name, with traffic.  Who has a number
        of steps does them all; the rest goes on until then."""
        def test():
            bed(self.b)
            policies(self.a)
            # so that no datagram is answered by an error
            self.sinks = self.sinks or [sink(w) for w in WAYS]
            start, count = time.monotonic(), Engines()
            busy = [Actor("%s%d" % (name, number), 0, act, max(5, STEPS // part))
                    for name, act, part in others]
            talk = [Actor("messages%d" % number, n, messages, 0 if busy else STEPS)
                    for n in range(senders)]
            flow = [Actor("traffic%d" % number, n, traffic(*where))
                    for n, where in enumerate(((None, True), (lab.PEER, False)))]
            first, rest = (busy, talk + flow) if busy else (talk, flow)
            for x in first:
                x.end(120 + STEPS / 2, count.look)
            for x in rest:
                os.kill(x.pid, signal.SIGTERM)
            for x in rest:
                x.end(60, count.look)
            lab.note("%s in %.0f s" % (", ".join("%s %d" % (x.name, x.done())
                                                 for x in talk + busy),
                                       time.monotonic() - start))
            lab.note("datagrams: %s; %d packets by engines" % (
                "; ".join(lab.read(x.log).splitlines()[-1:][0].partition(" ")[2]
                          for x in flow if lab.read(x.log)), count.packets))
            bad = ["%s: %s" % (x.name, x.status) for x in first + rest if x.status != 0]
            check(not bad, "did not end well: %s\n%s" % (", ".join(bad), REPLAY))
            try:
                check(count.packets > 0, "no engine had anything to do")
                self.works()
            except lab.Fail as e:
                raise lab.Fail("%s\n%s" % (e, REPLAY)) from e
        return test


def wrong_direction(a, b):
    """An inbound SA that is used to send, an outbound one to receive."""
    for alg, shape in (("gcm128", ("tunnel", 4, 4)), ("cbc128-sha1", ("transport", 6, 6))):
        a.flush()
        b.flush()
        t = lab.Tunnel(a, b, alg, shape, offload=False)
        o, i = t.outer
        a.del_sa(i, t.out)
        a.del_sa(o, t.inn)
        dev = socket.if_nametoindex("va")
        for src, dst, spi, keys, flags in ((o, i, t.out, t.kout, xfrmnl.OFF_INBOUND),
                                           (i, o, t.inn, t.kin, 0)):
            a.add_sa(src, dst, spi, t.alg, keys, t.mode, offload=(dev, flags), window=32)
        check(t.offloaded() == (True, True), "not offloaded")
        bad, _ = lab.ping(*t.inner, [0, 100, 1000] * 5)
        check(not bad, "%d of 15 pings are lost" % len(bad))
        for spi in (t.out, t.inn):
            d = lab.layer_sa(spi)
            check(d["software"] >= 15 and not d["packets"] and not lab.drops(d), "%r" % d)


def same_again(a, b):
    """A seed is a sequence: what makes a replay one."""
    def first(seed):
        ops = Ops(seed, ["va", "ea"])
        return [next(ops) for _ in range(500)]

    check(first("1/x") == first("1/x"), "one seed, two sequences")
    check(first("1/x") != first("2/x"), "two seeds, one sequence")


def main():
    lab.note("SEED=%d STEPS=%d" % (SEED, STEPS))
    lab.note("to replay: " + REPLAY)
    b = Bed()

    def fresh(fn):
        def test():
            b.clear()
            return fn(b.a, b.b)
        return test

    # of which STEPS, which is for messages, is so many times as much
    people, machines = ("admin", admin, 3), ("engines", engines, 6)
    user = ("user", stress_user.actor, 60)
    lab.run_tests([
        ("a seed makes the same sequence again", fresh(same_again)),
        ("SAs offloaded in the wrong direction", fresh(wrong_direction)),
        ("an unprivileged user in name spaces of his own", fresh(stress_user.test)),
        ("a tunnel before", b.works),
        ("messages from three senders", b.round(1, 3, ())),
        ("messages, devices and features", b.round(2, 2, (people,))),
        ("messages, engines and modules", b.round(3, 2, (machines,))),
        ("all at once, and an unprivileged user", b.round(4, 3, (people, machines, user))),
    ])


main()
