# SPDX-License-Identifier: GPL-2.0-only
"""Algorithms, modes, a tunnel between the two hosts, and what is counted of it."""
import os
import random
import socket

import xfrmnl
from xfrmnl import IN, OUT, FWD, OFF_INBOUND, Ns
from labbase import DEBUGFS, inner, outer, read


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
    # no hardware knows it, nor does the layer
    "camellia256-none": _pair("cbc(camellia)", 32, *NOAUTH),
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


# SPIs of SAs whose payload may be read on the wire
READABLE = "/out/readable" if os.path.isdir("/out") else "/tmp/readable"


class Tunnel:
    """SAs and policies of both hosts for one shape; the A side is offloaded.

    A's SAs: self.out and self.inn are SPIs; the peer's are the same.
    """
    # whether what lies between keeps the order of what A sends
    ordered = True

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
        if self.alg.get("aead") == GMAC or self.alg.get("enc") == NULL:
            # not to be encrypted: the host must not mind (wire.py)
            with open(READABLE, "a", encoding="ascii") as f:
                f.write("0x%08x\n" % spi)
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
