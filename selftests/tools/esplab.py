# SPDX-License-Identifier: GPL-2.0-only
"""What the tests have in common: the two hosts, their tunnels, traffic, counters,
and TAP.

Host A is the name space one starts in, with our modules; host B is "peer",
with the kernel's own ESP.  Both are reached from one process.
"""
import atexit
import errno
import glob
import hashlib
import os
import random
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import time

import xfrmnl
from xfrmnl import IN, OUT, FWD, OFF_INBOUND, Ns, NlError, Xfrm

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


def outer(fam, pair="v"):
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
        except (Exception, SystemExit) as e:  # pylint: disable=broad-except
            import traceback
            tap.ok(False, name, traceback.format_exc())
        else:
            if why:
                tap.skip(name, why)
            else:
                tap.ok(True, name)
    tap.done()


# ---- commands ----

def sh(cmd, ok=True, ns=None, stdin=None):
    """Run a command, return what it prints (both streams)."""
    if ns:
        cmd = "ip netns exec %s %s" % (ns, cmd) if "|" not in cmd and ";" not in cmd \
            else "ip netns exec %s sh -c '%s'" % (ns, cmd)
    r = subprocess.run(cmd, shell=True, stdout=subprocess.PIPE, input=stdin,
                       stderr=subprocess.STDOUT, text=True, check=False)
    if ok and r.returncode:
        raise Fail("%s: status %d: %s" % (cmd, r.returncode, r.stdout.strip()))
    return r.stdout


def status(cmd):
    r = subprocess.run(cmd, shell=True, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True, check=False)
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


def insmod(name, args=""):
    if not loaded(name):
        # what modprobe would load for an installed module
        if name == "esp_ring":
            sh("modprobe -a esp4 esp6 esp4_offload esp6_offload")
        sh("insmod %s/%s.ko %s" % (module_dir(), name, args))


def rmmod(name, secs=30):
    """Returns the seconds it took; fails if it is refused for too long."""
    start = time.monotonic()
    last = [""]

    def gone():
        if not loaded(name):
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


# ---- algorithms ----

def _aead(name, keylen, icv):
    return {"aead": name, "icv": icv, "keys": (keylen,)}


def _pair(enc, keylen, auth, authlen, icv):
    return {"enc": enc, "auth": auth, "icv": icv, "keys": (keylen, authlen)}


GCM, CCM, GMAC = "rfc4106(gcm(aes))", "rfc4309(ccm(aes))", "rfc4543(gcm(aes))"
CBC, CTR, DES3, NULL = ("cbc(aes)", "rfc3686(ctr(aes))", "cbc(des3_ede)",
                        "ecb(cipher_null)")
SHA1 = ("hmac(sha1)", 20, 96)
SHA256 = ("hmac(sha256)", 32, 128)
SHA256_96 = ("hmac(sha256)", 32, 96)
SHA384 = ("hmac(sha384)", 48, 192)
SHA512 = ("hmac(sha512)", 64, 256)
MD5 = ("hmac(md5)", 16, 96)
NOAUTH = ("digest_null", 0, 0)

ALGS = {
    "gcm128-8": _aead(GCM, 20, 64), "gcm128-12": _aead(GCM, 20, 96),
    "gcm128": _aead(GCM, 20, 128), "gcm256-8": _aead(GCM, 36, 64),
    "gcm256-12": _aead(GCM, 36, 96), "gcm256": _aead(GCM, 36, 128),
    "gcm192": _aead(GCM, 28, 128),
    "ccm128-8": _aead(CCM, 19, 64), "ccm128-12": _aead(CCM, 19, 96),
    "ccm128": _aead(CCM, 19, 128), "ccm256": _aead(CCM, 35, 128),
    "chacha": _aead("rfc7539esp(chacha20,poly1305)", 36, 128),
    "gmac128": _aead(GMAC, 20, 128), "gmac256": _aead(GMAC, 36, 128),
    "cbc128-sha1": _pair(CBC, 16, *SHA1), "cbc192-sha256": _pair(CBC, 24, *SHA256),
    "cbc256-sha256": _pair(CBC, 32, *SHA256), "cbc128-sha384": _pair(CBC, 16, *SHA384),
    "cbc256-sha512": _pair(CBC, 32, *SHA512),
    "cbc128-sha256-96": _pair(CBC, 16, *SHA256_96),
    "ctr128-sha1": _pair(CTR, 20, *SHA1), "ctr192-sha384": _pair(CTR, 28, *SHA384),
    "ctr256-sha256": _pair(CTR, 36, *SHA256), "ctr256-sha512": _pair(CTR, 36, *SHA512),
    "3des-sha1": _pair(DES3, 24, *SHA1), "3des-md5": _pair(DES3, 24, *MD5),
    "null-sha256": _pair(NULL, 0, *SHA256), "null-sha1": _pair(NULL, 0, *SHA1),
    "cbc128-none": _pair(CBC, 16, *NOAUTH), "ctr128-none": _pair(CTR, 20, *NOAUTH),
}

# modes and families: (mode, outer, inner)
SHAPES = [("transport", 4, 4), ("transport", 6, 6),
          ("tunnel", 4, 4), ("tunnel", 6, 6), ("tunnel", 6, 4), ("tunnel", 4, 6),
          ("beet", 4, 4), ("beet", 6, 6), ("beet", 6, 4), ("beet", 4, 6)]


def counter_mode(alg):
    return "aead" in alg or alg["enc"] == CTR


def shape_name(shape):
    mode, o, i = shape
    return "%s-%s" % (mode, "v%d" % o if o == i else "%din%d" % (i, o))


# ---- one tunnel ----

_spi = [random.randrange(0x1000, 0x7000) << 12]


def next_spi():
    _spi[0] += 1
    return _spi[0]


def sa_keys_file():
    return os.environ.get("ESP_SA") or os.path.join(os.environ.get("OUT", "/out"),
                                                    "esp_sa")


def tshark_sa(src, dst, spi, alg, keys):
    """A line of Wireshark's esp_sa table, or None where it knows no such SA."""
    if "aead" in alg:
        # with other names tshark does not check the ICV
        enc = "AES-GCM with %d octet ICV [RFC4106]" % (alg["icv"] // 8) \
            if alg["aead"] == GCM else None
        auth, akey = "NULL", b""
    else:
        enc = {CBC: "AES-CBC [RFC3602]", CTR: "AES-CTR [RFC3686]",
               DES3: "TripleDES-CBC [RFC2451]", NULL: "NULL"}.get(alg["enc"])
        auth = {SHA1: "HMAC-SHA-1-96 [RFC2404]", SHA256: "HMAC-SHA-256-128 [RFC4868]",
                SHA256_96: "HMAC-SHA-256-96 [draft-ietf-ipsec-ciph-sha-256-00]",
                SHA384: "HMAC-SHA-384-192 [RFC4868]",
                SHA512: "HMAC-SHA-512-256 [RFC4868]", MD5: "HMAC-MD5-96 [RFC2403]",
                NOAUTH: "NULL"}.get((alg["auth"], alg["keys"][1], alg["icv"]))
        akey = keys[1]
    if not enc or not auth:
        return None
    return '"%s","%s","%s","0x%08x","%s","0x%s","%s","%s"' % (
        "IPv6" if ":" in src else "IPv4", src, dst, spi, enc, keys[0].hex(), auth,
        "0x" + akey.hex() if akey else "")


class Tunnel:
    """SAs and policies of both hosts for one shape; the A side is offloaded.

    A's SAs: self.out and self.inn are SPIs; the peer's are the same.
    """

    def __init__(self, a, b, alg="gcm128", shape=("transport", 4, 4), pair="v",
                 esn=False, window=None, seq=0, dev=None, offload=True, reqid=0,
                 policies=True, sa_args=None, sa_args_peer=None, dirs="oi", prio=0):
        self.a, self.b = a, b
        self.shape, self.pair, self.esn = shape, pair, esn
        self.mode = shape[0]
        self.outer = outer(shape[1], pair)
        self.inner = inner(shape[2], pair) if shape[0] != "transport" else self.outer
        self.alg_name, self.alg = alg, ALGS[alg]
        self.dev = dev or pair + "a"
        self.window, self.seq, self.reqid = window, seq, reqid
        self.offload, self.dirs = offload, dirs
        self.sa_args, self.sa_args_peer = sa_args or {}, sa_args_peer
        self.prio = prio
        self.old = []
        self.warnings = []
        self.new_sas()
        if policies:
            self.add_policies()

    def keys(self):
        return tuple(os.urandom(n) for n in self.alg["keys"])

    def new_sas(self):
        """Inbound first, as a daemon does: nothing comes before we can read it."""
        self.out, self.inn = next_spi(), next_spi()
        o, i = self.outer
        sel_o = sel_i = None
        if self.mode == "beet":
            p, q = self.inner
            sel_o, sel_i = xfrmnl.selector(p, q), xfrmnl.selector(q, p)
        self.kout, self.kin = self.keys(), self.keys()
        args = {"mode": self.mode, "reqid": self.reqid, "esn": self.esn,
                "seq": self.seq}
        peer_args = dict(args, **(self.sa_args if self.sa_args_peer is None
                                  else self.sa_args_peer))
        win = self.window
        off_i = off_o = None
        if self.offload:
            idx = socket.if_nametoindex(self.dev)
            off_i = (idx, OFF_INBOUND) if "i" in self.dirs else None
            off_o = (idx, 0) if "o" in self.dirs else None
        args.update(self.sa_args)
        self.record(o, i, self.out, self.kout)
        self.record(i, o, self.inn, self.kin)
        self.b.add_sa(o, i, self.out, self.alg, self.kout, sel=sel_o,
                      window=win or 32, **peer_args)
        self.warnings = []
        self.warnings.append(self.a.add_sa(i, o, self.inn, self.alg, self.kin,
                                           sel=sel_i, window=win or 32, offload=off_i,
                                           **args))
        self.warnings.append(self.a.add_sa(o, i, self.out, self.alg, self.kout,
                                           sel=sel_o, offload=off_o,
                                           window=win if self.esn else None, **args))
        self.b.add_sa(i, o, self.inn, self.alg, self.kin, sel=sel_i, window=win or 32,
                      **peer_args)

    def record(self, src, dst, spi, keys):
        line = tshark_sa(src, dst, spi, self.alg, keys)
        if line and not self.esn:
            with open(sa_keys_file(), "a", encoding="ascii") as f:
                f.write(line + "\n")

    def add_policies(self):
        p, q = self.inner
        t_o, t_i = self.outer, self.outer[::-1]
        for x, way in ((self.a, 0), (self.b, 1)):
            out = ((p, q), t_o) if not way else ((q, p), t_i)
            inn = ((q, p), t_i) if not way else ((p, q), t_o)
            for (sel, tmpl), d in ((out, OUT), (inn, IN), (inn, FWD)):
                x.add_policy(*sel, d, tmpl, self.mode, self.reqid, priority=self.prio,
                             update=True)

    def del_sas(self, out, inn):
        o, i = self.outer
        for x in (self.a, self.b):
            x.del_sa(i, out)
            x.del_sa(o, inn)

    def offloaded(self):
        """(out, in): whether the kernel says so"""
        sas = self.a.sas()
        return tuple(bool(sas[s]["offload"]) for s in (self.out, self.inn))


# ---- counters ----

def kv(name, **match):
    """Lines of a debugfs file as dictionaries, those that match."""
    out = []
    for line in read(DEBUGFS + name).splitlines():
        d = dict(w.split("=", 1) for w in line.split())
        for k, v in d.items():
            if v.isdigit():
                d[k] = int(v)
        if all(d.get(k) == v for k, v in match.items()):
            out.append(d)
    return out


def layer_sa(spi):
    got = kv("sas", spi="0x%08x" % spi)
    return got[0] if got else None


def drops(d):
    return sum(v for k, v in d.items() if k.startswith("drop_"))


def xfrm_stat(ns=None):
    with Ns(ns):
        # /proc/net is the thread's
        return {w[0]: int(w[1]) for w in
                (x.split() for x in read("/proc/thread-self/net/xfrm_stat").splitlines())}


def stat_diff(old, ns=None):
    new = xfrm_stat(ns)
    # a late packet of the last test, with no policy but the one that blocks
    return {k: new[k] - old[k] for k in new if new[k] != old.get(k, 0) and
            k != "XfrmOutPolBlock"}


# ---- traffic ----

def csum(data):
    if len(data) & 1:
        data += b"\0"
    s = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    s = (s >> 16) + (s & 0xffff)
    return ~(s + (s >> 16)) & 0xffff


def pattern(n, salt=0):
    return hashlib.shake_128(struct.pack("!II", n, salt)).digest(n)


def ping(src, dst, sizes, ns=None, timeout=3.0, gap=0):
    """Echo requests of these payload sizes, all sent before the first answer is
    awaited.  Returns the sizes whose answer did not come or came wrong, and
    whether they came in order."""
    v6 = ":" in src
    with Ns(ns):
        s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_RAW,
                          socket.IPPROTO_ICMPV6 if v6 else socket.IPPROTO_ICMP)
        s.setsockopt(socket.SOL_SOCKET, 33, 4 << 20)
        s.bind((src, 0))
    if not v6:
        s.setsockopt(socket.IPPROTO_IP, 10, 0)      # IP_MTU_DISCOVER: may be fragmented
    ident = random.randrange(65536)
    want = {}
    order = []
    for n, size in enumerate(sizes):
        body = pattern(size, n)
        head = struct.pack("!BBHHH", 128 if v6 else 8, 0, 0, ident, n)
        if not v6:
            head = struct.pack("!BBHHH", 8, 0, csum(head + body), ident, n)
        want[n] = (size, body)
        s.sendto(head + body, (dst, 0))
        if gap:
            time.sleep(gap)
    end = time.monotonic() + timeout * SLOW
    while want and time.monotonic() < end:
        if not select.select([s], [], [], max(0, end - time.monotonic()))[0]:
            break
        p = s.recv(1 << 16)
        if not v6:
            p = p[(p[0] & 15) * 4:]
        kind, _, _, i, n = struct.unpack_from("!BBHHH", p)
        if kind != (129 if v6 else 0) or i != ident:
            continue
        if n in want and p[8:] == want[n][1]:
            order.append(n)
            del want[n]
    s.close()
    return [x[0] for x in want.values()], order == sorted(order)


def udp_pair(src, dst, sport=0, dport=0, ns_a=None, ns_b=PEER):
    """A connected pair of sockets, one on each host, and the first one's MTU."""
    fam = socket.AF_INET6 if ":" in src else socket.AF_INET
    with Ns(ns_b):
        y = socket.socket(fam, socket.SOCK_DGRAM)
        y.bind((dst, dport))
    with Ns(ns_a):
        x = socket.socket(fam, socket.SOCK_DGRAM)
        x.bind((src, sport))
        x.connect((dst, y.getsockname()[1]))
    with Ns(ns_b):
        y.connect((src, x.getsockname()[1]))
    for s in (x, y):
        s.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)
        if fam == socket.AF_INET:
            s.setsockopt(socket.IPPROTO_IP, 10, 0)
    return x, y


def mtu(sock):
    """Of the path with what ESP adds, that is: the largest inner packet."""
    return sock.getsockopt(socket.IPPROTO_IPV6, 24) if sock.family == socket.AF_INET6 \
        else sock.getsockopt(socket.IPPROTO_IP, 14)


def udp_both(x, y, sizes, timeout=3.0):
    """Each size once in both directions; returns what did not arrive whole."""
    lost = []
    for s, r in ((x, y), (y, x)):
        want = []
        for n, size in enumerate(sizes):
            s.send(pattern(size, n))
            want.append(pattern(size, n))
        got = []
        end = time.monotonic() + timeout * SLOW
        while len(got) < len(want) and time.monotonic() < end:
            if select.select([r], [], [], max(0, end - time.monotonic()))[0]:
                got.append(r.recv(1 << 16))
        for w in want:
            if w in got:
                got.remove(w)
            else:
                lost.append(len(w))
    return lost


def tcp_both(src, dst, nbytes, timeout=20, ns_a=None, ns_b=PEER, while_=None,
             until=None):
    """One connection, nbytes each way at once, compared by digest."""
    fam = socket.AF_INET6 if ":" in src else socket.AF_INET
    with Ns(ns_b):
        lst = socket.socket(fam, socket.SOCK_STREAM)
        lst.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        lst.bind((dst, 0))
        lst.listen(1)
    with Ns(ns_a):
        x = socket.socket(fam, socket.SOCK_STREAM)
        x.bind((src, 0))
    x.settimeout(timeout * SLOW)
    lst.settimeout(timeout * SLOW)
    x.connect(lst.getsockname()[:2])
    y = lst.accept()[0]
    lst.close()
    data = pattern(nbytes, 7)
    todo = {x: memoryview(data), y: memoryview(data)}
    got = {x: bytearray(), y: bytearray()}
    for s in (x, y):
        s.setblocking(False)
    end = time.monotonic() + timeout * SLOW
    while any(len(g) < nbytes for g in got.values()):
        check(time.monotonic() < end, "TCP %s %s: %d and %d of %d bytes in %d s" % (
            src, dst, len(got[x]), len(got[y]), nbytes, timeout * SLOW))
        rd, wr, _ = select.select([x, y], [s for s in todo if todo[s]], [], 0.5)
        for s in wr:
            try:
                todo[s] = todo[s][s.send(todo[s][:65536]):]
            except BlockingIOError:
                pass
        for s in rd:
            got[s] += s.recv(1 << 18)
        if while_:
            while_()
    for s in (x, y):
        check(hashlib.sha256(got[s]).digest() == hashlib.sha256(data).digest(),
              "TCP: not what was sent")
    # by a reset: nothing of this connection comes later
    for s in (x, y):
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()


class Flow:
    """Numbered datagrams at a fixed rate, by a process at each end; what is lost,
    doubled, out of order or damaged is known afterwards."""

    def __init__(self, src, dst, ns_src=None, ns_dst=PEER, rate=200, size=200, mark=0):
        fam = socket.AF_INET6 if ":" in src else socket.AF_INET
        with Ns(ns_dst):
            self.rx = socket.socket(fam, socket.SOCK_DGRAM)
            self.rx.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)
            self.rx.bind((dst, 0))
        with Ns(ns_src):
            self.tx = socket.socket(fam, socket.SOCK_DGRAM)
            if mark:
                self.tx.setsockopt(socket.SOL_SOCKET, 36, mark)
            self.tx.bind((src, 0))
        self.to = self.rx.getsockname()[:2]
        self.rate, self.size = rate, size
        self.pids = []
        r, w = os.pipe()
        self.txpipe = r
        pid = os.fork()
        if not pid:
            self.send(w)
        os.close(w)
        self.pids.append(pid)
        r, w = os.pipe()
        self.rxpipe = r
        pid = os.fork()
        if not pid:
            self.receive(w)
        os.close(w)
        self.pids.append(pid)
        _children.update(self.pids)

    def send(self, w):
        stop = []
        signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
        n = refused = 0
        fill = pattern(self.size, 1)
        start = time.monotonic()
        while not stop:
            due = int((time.monotonic() - start) * self.rate)
            # after a stall, no burst of what was missed
            if due - n > 20:
                start += (due - n - 1) / self.rate
                due = n + 1
            while n < due and not stop:
                try:
                    self.tx.sendto(struct.pack("!I", n) + fill, self.to)
                    n += 1
                except OSError:
                    # the sender is told: not lost on the way
                    refused += 1
                    start += 1 / self.rate
                    due -= 1
            time.sleep(1 / self.rate)
        os.write(w, struct.pack("!II", n, refused))
        os._exit(0)

    def receive(self, w):
        stop = []
        signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
        fill = pattern(self.size, 1)
        seen = set()
        last = -1
        dup = late = bad = 0
        gap = gap_at = 0
        before = time.monotonic()
        self.rx.settimeout(0.2)
        while True:
            try:
                p = self.rx.recv(1 << 16)
            except (TimeoutError, socket.timeout):
                if stop:
                    break
                continue
            now = time.monotonic()
            if last >= 0 and now - before > gap:
                gap, gap_at = now - before, last
            before = now
            n = struct.unpack_from("!I", p)[0]
            if p[4:] != fill:
                bad += 1
            elif n in seen:
                dup += 1
            else:
                seen.add(n)
                if n < last:
                    late += 1
                last = max(last, n)
        os.write(w, struct.pack("!IIIIII", len(seen), dup, late, bad,
                                int(gap * 1000), last + 1))
        os._exit(0)

    def stop(self):
        """Returns {sent, refused, got, lost, dup, late, bad, gap_ms}."""
        os.kill(self.pids[0], signal.SIGTERM)
        sent, refused = struct.unpack("!II", os.read(self.txpipe, 8))
        time.sleep(0.3 * SLOW)
        os.kill(self.pids[1], signal.SIGTERM)
        got, dup, late, bad, gap, last = struct.unpack("!6I", os.read(self.rxpipe, 24))
        for p in self.pids:
            os.waitpid(p, 0)
            _children.discard(p)
        for fd in (self.txpipe, self.rxpipe):
            os.close(fd)
        self.tx.close()
        self.rx.close()
        return {"sent": sent, "refused": refused, "got": got, "lost": sent - got,
                "dup": dup, "late": late, "bad": bad, "gap_ms": gap, "last": last}


_children = set()


@atexit.register
def _kill_children():
    for p in _children:
        try:
            os.kill(p, signal.SIGKILL)
        except OSError:
            pass


class Load:
    """Flows both ways, and optionally TCP, while something happens.

        with Load(t) as load: ...
        load.a, load.b: what Flow.stop() says, A to B and B to A
    """

    def __init__(self, t, rate=150, size=200):
        self.t, self.rate, self.size = t, rate, size
        self.a = self.b = None

    def __enter__(self):
        p, q = self.t.inner
        self.fa = Flow(p, q, None, PEER, self.rate, self.size)
        self.fb = Flow(q, p, PEER, None, self.rate, self.size)
        time.sleep(0.3)
        return self

    def __exit__(self, kind, *exc):
        self.a, self.b = self.fa.stop(), self.fb.stop()
        if not kind:
            for name, f in (("A to B", self.a), ("B to A", self.b)):
                check(not f["dup"] and not f["bad"],
                      "%s: doubled or damaged: %r" % (name, f))
                check(not f["late"], "%s: out of order: %r" % (name, f))

    def lossless(self):
        for name, f in (("A to B", self.a), ("B to A", self.b)):
            check(not f["lost"] and not f["refused"], "%s: lost: %r" % (name, f))
            check(f["got"] > 10, "%s: hardly any traffic: %r" % (name, f))


# ---- the wire ----

class Wire:
    """Every frame at the peer's NIC.  GRO of esp4_offload takes packets before
    they are seen here, so it is off while we look."""

    def __init__(self, dev="vb", ns=PEER):
        self.ns, self.dev = ns, dev
        sh("ethtool -K %s gro off" % dev, ns=ns)
        with Ns(ns):
            self.s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                                   socket.htons(3))
            self.s.setsockopt(socket.SOL_SOCKET, 33, 256 << 20)
            self.s.bind((dev, 3))
        self.s.setblocking(False)

    def frames(self):
        """(outgoing from the peer, frame) of all so far"""
        out = []
        while True:
            try:
                p, a = self.s.recvfrom(1 << 16)
            except BlockingIOError:
                return out
            out.append((a[2] == 4, p))

    def esp(self):
        """(spi, seq, bytes behind the sequence number) of all so far.  What is
        not ESP is no matter here: decapsulated packets are seen again."""
        out = []
        for _, p in self.frames():
            e = esp_of(p)
            if e:
                out.append(struct.unpack_from("!II", e) + (e[8:],))
        return out

    def close(self):
        self.s.close()
        sh("ethtool -K %s gro on" % self.dev, ns=self.ns, ok=False)


def esp_of(frame):
    """The ESP packet in an Ethernet frame, or its first fragment; None: something
    else; b"": another fragment"""
    etype = struct.unpack_from("!H", frame, 12)[0]
    p = frame[14:]
    if etype == 0x0800:
        hl = (p[0] & 15) * 4
        end = struct.unpack_from("!H", p, 2)[0]
        frag = struct.unpack_from("!H", p, 6)[0]
        if frag & 0x1fff:
            return b""
        proto, body = p[9], p[hl:end]
    elif etype == 0x86dd:
        proto, body = p[6], p[40:40 + struct.unpack_from("!H", p, 4)[0]]
        if proto == 44:
            if struct.unpack_from("!H", body, 2)[0] & 0xfff8:
                return b""
            proto, body = body[0], body[8:]
    else:
        return None
    if proto == 50:
        return body
    if proto == 17 and struct.unpack_from("!HH", body)[1] == 4500 and body[8:12] != b"\0" * 4:
        return body[8:]
    return None


def both_hosts():
    a, b = Xfrm(), Xfrm(PEER)
    for x in (a, b):
        x.flush_all()
        # nothing leaves in the clear while a test changes its policies
        for net in ("10.9.0.0/16", "fd09::/16"):
            x.add_block(net, net)
    return a, b
