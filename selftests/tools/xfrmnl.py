# SPDX-License-Identifier: GPL-2.0-only
"""XFRM by netlink, for the tests: linux/xfrm.h, as far as they need it.

One process holds sockets in both name spaces and adds an SA without a fork,
which under emulation is the difference between two seconds and two
milliseconds.  What a user types (ip xfrm) has tests of its own.
"""
import ctypes
import ipaddress
import os
import socket
import struct

NETLINK_XFRM = 6
SOL_NETLINK = 270
NETLINK_EXT_ACK = 11
NETLINK_CAP_ACK = 10
CLONE_NEWNET = 0x40000000

NEWSA, DELSA, GETSA, NEWPOLICY, DELPOLICY, GETPOLICY = range(0x10, 0x16)
UPDSA, FLUSHSA, FLUSHPOLICY, MIGRATE = 0x1a, 0x1c, 0x1d, 0x21

A_ALG_AUTH, A_ALG_CRYPT, A_ENCAP, A_TMPL, A_MIGRATE = 1, 2, 4, 5, 17
A_ALG_AEAD, A_ALG_AUTH_TRUNC, A_MARK, A_TFCPAD = 18, 20, 21, 22
A_REPLAY_ESN, A_OFFLOAD, A_SET_MARK, A_SET_MARK_MASK = 23, 28, 29, 30
A_IF_ID, A_SA_DIR = 31, 33

TRANSPORT, TUNNEL, BEET = 0, 1, 4
MODES = {"transport": TRANSPORT, "tunnel": TUNNEL, "beet": BEET}
IN, OUT, FWD = 0, 1, 2
OFF_INBOUND, OFF_PACKET = 2, 4
ESN = 128
# a tunnel of either family, whatever its own
AF_UNSPEC = 32

libc = ctypes.CDLL(None, use_errno=True)


class Ns:
    """with Ns("peer"): ... in that name space; Ns(None) stays where one is."""

    def __init__(self, name):
        self.name = name

    def __enter__(self):
        if self.name:
            self.old = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
            fd = os.open("/run/netns/" + self.name, os.O_RDONLY)
            if libc.setns(fd, CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
            os.close(fd)

    def __exit__(self, *exc):
        if self.name:
            libc.setns(self.old, CLONE_NEWNET)
            os.close(self.old)


def room(sock, size):
    """SO_RCVBUFFORCE, which is only for who is root outside of user name spaces too"""
    try:
        sock.setsockopt(socket.SOL_SOCKET, 33, size)
    except PermissionError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)


class NlError(OSError):
    """errno, with the kernel's own words in .msg"""

    def __init__(self, errno, msg):
        super().__init__(errno, msg or os.strerror(errno))
        self.msg = msg or ""


def attr(kind, data):
    return struct.pack("=HH", len(data) + 4, kind) + data + b"\0" * (-len(data) % 4)


def attrs(data):
    out = {}
    while len(data) >= 4:
        ln, kind = struct.unpack_from("=HH", data)
        if ln < 4:
            break
        out[kind & 0x3fff] = data[4:ln]
        data = data[(ln + 3) & ~3:]
    return out


def addr(a):
    return ipaddress.ip_address(a).packed.ljust(16, b"\0")


def family(a):
    return socket.AF_INET6 if ":" in a else socket.AF_INET


def selector(src, dst, proto=0):
    """Addresses with an optional /prefix length; "" for any."""
    def one(a):
        if not a:
            return b"\0" * 16, 0, 0
        net = ipaddress.ip_interface(a)
        return net.ip.packed.ljust(16, b"\0"), net.network.prefixlen, net.version

    s, sp, sv = one(src)
    d, dp, dv = one(dst)
    fam = {6: socket.AF_INET6, 4: socket.AF_INET}.get(sv or dv, 0)
    return d + s + struct.pack("=8xHBBB3xiI", fam, dp, sp, proto, 0, 0)


INF = 0xffffffffffffffff
LFT = struct.pack("=8Q", INF, INF, INF, INF, 0, 0, 0, 0)


def algo(name, key, *lens):
    return (name.encode().ljust(64, b"\0") +
            struct.pack("=I", len(key) * 8) +
            b"".join(struct.pack("=I", x) for x in lens) + key)


class Xfrm:
    """xfrm of one name space"""

    def __init__(self, ns=None):
        with Ns(ns):
            self.s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_XFRM)
        self.s.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)
        self.s.setsockopt(SOL_NETLINK, NETLINK_CAP_ACK, 1)
        room(self.s, 1 << 20)
        self.s.bind((0, 0))
        self.seq = 0
        self.warning = ""
        self.policies = set()

    def request(self, kind, data, flags=0):
        self.seq += 1
        self.warning = ""
        self.s.send(struct.pack("=IHHII", len(data) + 16, kind, flags | 5,
                                self.seq, 0) + data)
        out = []
        while True:
            buf = self.s.recv(1 << 17)
            while len(buf) >= 16:
                ln, typ, fl, seq, _ = struct.unpack_from("=IHHII", buf)
                body, buf = buf[16:ln], buf[(ln + 3) & ~3:]
                if seq != self.seq:
                    continue
                if typ == 3:        # NLMSG_DONE
                    return out
                if typ != 2:        # not NLMSG_ERROR
                    out.append((typ, body))
                    continue
                err = -struct.unpack_from("=i", body)[0]
                msg = ""
                if fl & 0x200:      # NLM_F_ACK_TLVS
                    msg = attrs(body[20:]).get(1, b"").rstrip(b"\0").decode()
                if err:
                    raise NlError(err, msg)
                self.warning = msg
                return out

    def add_sa(self, src, dst, spi, alg, keys, mode="transport", reqid=0, esn=False,
               window=None, offload=None, sel=None, encap=None, mark=None,
               if_id=None, tfcpad=0, set_mark=None, seq=0, replace=False,
               proto=50, extra=b""):
        """offload: (device index, flags).  Returns the kernel's warning, if any.

        seq: both counters start there, of 64 bits with ESN.
        """
        out_sa = bool(offload) and not offload[1] & OFF_INBOUND
        if window is None:
            # 7.x wants none on an output SA, but needs one with ESN
            window = 0 if out_sa and not esn else 32
        data = (sel or selector("", "")) + addr(dst) + struct.pack(">IB3x", spi, proto)
        data += addr(src) + LFT + b"\0" * 32 + b"\0" * 12
        data += struct.pack("=IIHBBB7x", 0, reqid, family(dst), MODES[mode],
                            0 if esn or window > 32 or seq else window,
                            (ESN if esn else 0) |
                            (AF_UNSPEC if mode == "tunnel" and not sel else 0))
        if "aead" in alg:
            data += attr(A_ALG_AEAD, algo(alg["aead"], keys[0], alg["icv"]))
        else:
            data += attr(A_ALG_CRYPT, algo(alg["enc"], keys[0]))
            if alg.get("auth"):
                data += attr(A_ALG_AUTH_TRUNC, algo(alg["auth"], keys[1], alg["icv"]))
        if esn or window > 32 or seq:
            words = (max(window, 32) + 31) // 32
            data += attr(A_REPLAY_ESN, struct.pack(
                "=IIIIII", words, seq & 0xffffffff, seq & 0xffffffff, seq >> 32,
                seq >> 32, window) + b"\0" * (words * 4))
        if offload:
            data += attr(A_OFFLOAD, struct.pack("=iB3x", *offload))
        if encap:
            data += attr(A_ENCAP, struct.pack("=H", encap[0]) +
                         struct.pack(">HH2x", *encap[1:]) + b"\0" * 16)
        if mark:
            data += attr(A_MARK, struct.pack("=II", *mark))
        if set_mark:
            data += attr(A_SET_MARK, struct.pack("=I", set_mark))
        if if_id:
            data += attr(A_IF_ID, struct.pack("=I", if_id))
        if tfcpad:
            data += attr(A_TFCPAD, struct.pack("=I", tfcpad))
        self.request(UPDSA if replace else NEWSA, data + extra, 0x600 * (not replace))
        return self.warning

    def del_sa(self, dst, spi, mark=None):
        self.request(DELSA, addr(dst) + struct.pack(">I", spi) +
                     struct.pack("=HB1x", family(dst), 50) +
                     (attr(A_MARK, struct.pack("=II", *mark)) if mark else b""))

    def add_policy(self, src, dst, way, tmpl, mode="transport", reqid=0, spi=0,
                   priority=0, update=False, if_id=None, optional=0, mark=None):
        """tmpl: (outer source, outer destination)"""
        data = selector(src, dst) + LFT + b"\0" * 32
        data += struct.pack("=IIBBBB4x", priority, 0, way, 0, 0, 0)
        t = addr(tmpl[1]) + struct.pack(">IB3x", spi, 50)
        t += struct.pack("=H2x", family(tmpl[1])) + addr(tmpl[0])
        t += struct.pack("=IBBBxIII", reqid, MODES[mode], 0, optional,
                         INF & 0xffffffff, INF & 0xffffffff, INF & 0xffffffff)
        data += attr(A_TMPL, t)
        if if_id:
            data += attr(A_IF_ID, struct.pack("=I", if_id))
        if mark:
            data += attr(A_MARK, struct.pack("=II", *mark))
        self.request(0x19 if update else NEWPOLICY, data, 0x600 * (not update))
        self.policies.add((src, dst, way, mark, if_id))

    def add_block(self, src, dst):
        """A policy of the lowest priority that flush() leaves: no plaintext."""
        data = selector(src, dst) + LFT + b"\0" * 32
        data += struct.pack("=IIBBBB4x", 0xffff0000, 0, OUT, 1, 0, 0)
        self.request(0x19, data)

    def flush(self):
        """All SAs, and the policies of add_policy()."""
        for src, dst, way, mark, if_id in self.policies:
            data = selector(src, dst) + struct.pack("=IB3x", 0, way)
            if mark:
                data += attr(A_MARK, struct.pack("=II", *mark))
            if if_id:
                data += attr(A_IF_ID, struct.pack("=I", if_id))
            try:
                self.request(DELPOLICY, data)
            except NlError as e:
                if e.errno != 2:
                    raise
        self.policies.clear()
        try:
            self.request(FLUSHSA, b"\0\0\0\0")
        except NlError as e:
            if e.errno != 3:
                raise

    def flush_all(self):
        for kind, data in ((FLUSHPOLICY, b""), (FLUSHSA, b"\0\0\0\0")):
            try:
                self.request(kind, data)
            except NlError as e:
                if e.errno != 3:    # nothing there
                    raise

    def sas(self):
        """All SAs by SPI: packets, bytes, replay, integrity failures, offload."""
        out = {}
        for _, b in self.request(GETSA, b"", 0x300):
            a = attrs(b[224:])
            spi = struct.unpack_from(">I", b, 72)[0]
            nbytes, packets = struct.unpack_from("=QQ", b, 160)
            window, replay, failed = struct.unpack_from("=III", b, 192)
            out[spi] = {"packets": packets, "bytes": nbytes, "late": window,
                        "replay": replay, "failed": failed,
                        "offload": struct.unpack("=iB", a[A_OFFLOAD][:5])
                        if A_OFFLOAD in a else None,
                        "daddr": b[56:72], "saddr": b[80:96]}
            if A_REPLAY_ESN in a:
                _, lo, slo, hi, shi, win = struct.unpack_from("=6I", a[A_REPLAY_ESN])
                out[spi].update(oseq=lo | hi << 32, seq=slo | shi << 32, window=win)
        return out

    def migrate(self, sel, way, old, new, mode, reqid, new_dev=None, encap=None):
        """old and new: (source, destination) of the outer header"""
        data = sel + struct.pack("=IB3x", 0, way)
        m = addr(old[1]) + addr(old[0]) + addr(new[1]) + addr(new[0])
        m += struct.pack("=BBHIHH", 50, MODES[mode], 0, reqid, family(old[0]),
                         family(new[0]))
        data += attr(A_MIGRATE, m)
        if new_dev:
            data += attr(A_OFFLOAD, struct.pack("=iB3x", *new_dev))
        if encap:
            data += attr(A_ENCAP, struct.pack("=H", encap[0]) +
                         struct.pack(">HH2x", *encap[1:]) + b"\0" * 16)
        self.request(MIGRATE, data)
