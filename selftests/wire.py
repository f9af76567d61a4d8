#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Look at every packet that was on a wire.

    wire.py clear PCAP...            is there anything in clear?
    wire.py decrypt ESP_SA PCAP...   is every ICV of the listed SAs right?

In clear may be: ARP, IPv6 neighbour and multicast listener discovery, IGMP, IKE
(UDP 500, and 4500 with the marker), ICMP errors that quote ESP, what links
themselves speak, and everything from or to 203.0.113.0/24 and fd00:cc::/64,
which the tests keep for that.  All else must be ESP, and what is behind an ESP
header no IP packet and no nonce instead of an IV.
"""
import collections
import functools
import ipaddress
import os
import re
import struct
import subprocess
import sys
import tempfile

CLEAR4 = bytes((203, 0, 113))
CLEAR6 = bytes.fromhex("fd0000cc00000000")
ESP, AH, UDP, ICMP, IGMP, ICMP6, FRAGMENT = 50, 51, 17, 1, 2, 58, 44
V6_EXTENSIONS = {0, 43, 60, 135}
ND_MLD = {130, 131, 132, 133, 134, 135, 136, 137, 143}
ICMP_ERRORS = {3, 4, 5, 11, 12}
# ARP, 802.1X, slow protocols (LACP), LLDP, PPPoE discovery
LINK_TYPES = {0x0806, 0x888e, 0x8809, 0x88cc, 0x8863}
PPP_IP, PPP_IP6 = 0x0021, 0x0057
# what ESP comes in, by tshark's names, and what is told by how it comes in UDP
CARRIES = re.compile(r"frame|eth|ethertype|llc|vlan|ieee8021ad|ip|ipv6|ipv6\..*|ppp|pppoe.*|"
                     r"gre|udp|udpencap|isakmp|vxlan|l2tp|esp|tcp|icmp|icmpv6|data")


def packets(path):
    """(number, seconds, frame) of each packet of a pcap file."""
    with open(path, "rb") as f:
        data = f.read()
    if len(data) < 24:
        return
    order = "<" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    head = struct.Struct(order + "IIII")
    pos, number = 24, 0
    while pos + 16 <= len(data):
        sec, usec, length, _ = head.unpack_from(data, pos)
        pos += 16
        if pos + length > len(data):
            return                  # the machine ended while this was written
        number += 1
        yield number, sec + usec / 1e6, data[pos:pos + length]
        pos += length


def checksum(data):
    s = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    s = (s >> 16) + (s & 0xffff)
    return ~(s + (s >> 16)) & 0xffff


def readable(esp, whole=True):
    """Is there an IP packet where a tunnel's ciphertext should be?  A stack that leaves
    encryption to a device that does none makes such ones.  Not where there is no IV:
    that is NULL encryption.  whole: its length can be compared too, and one of 2^30
    random payloads would be taken for it."""
    for iv in (8, 16):
        p = esp[8 + iv:]
        # behind it are padding and ICV
        room = range(len(p) - 2 - 255 - 32, len(p) + 1) if whole else range(1 << 16)
        if len(p) >= 20 and p[0] == 0x45 and not checksum(p[:20]) and \
                struct.unpack_from("!H", p, 2)[0] in room:
            return True
        if len(p) >= 40 and p[0] >> 4 == 6 and p[8] == p[24] == 0xfd and \
                struct.unpack_from("!H", p, 4)[0] + 40 in room:
            return True
    return False


class Wire:
    """Judges packets.  Fragments after the first follow the verdict on it."""

    def __init__(self, unencrypted=()):
        self.fragments = {}
        self.seen = collections.Counter()
        # of each SPI the number and the IV of a packet whose IV may be a nonce
        self.nonces = {}
        # SPIs of SAs that are to be read: GMAC
        self.unencrypted = unencrypted

    def judge(self, frame):
        """None if the frame may be on the wire, else what it is."""
        if len(frame) < 14:
            return "a frame of %d bytes" % len(frame)
        kind, pos = struct.unpack_from("!H", frame, 12)[0], 14
        while kind in (0x8100, 0x88a8):
            if len(frame) < pos + 4:
                return "a cut VLAN tag"
            kind = struct.unpack_from("!H", frame, pos + 2)[0]
            pos += 4
        if kind == 0x8864:          # PPPoE session
            if len(frame) < pos + 8:
                return "a cut PPPoE header"
            kind = struct.unpack_from("!H", frame, pos + 6)[0]
            pos += 8
            kind = {PPP_IP: 0x0800, PPP_IP6: 0x86dd}.get(kind, kind)
            if kind not in (0x0800, 0x86dd):
                # PPP's own control protocols are 0x8000 and above
                return None if kind & 0x8000 else "PPP protocol 0x%04x" % kind
        if kind == 0x0800:
            return self.ip4(frame, pos)
        if kind == 0x86dd:
            return self.ip6(frame, pos)
        if kind < 0x600 or kind in LINK_TYPES:
            self.seen["link"] += 1
            return None
        return "Ethernet type 0x%04x" % kind

    def ip4(self, p, o):
        if len(p) < o + 20 or p[o] >> 4 != 4:
            return "no IPv4 header"
        src, dst, proto = p[o + 12:o + 16], p[o + 16:o + 20], p[o + 9]
        if CLEAR4 in (src[:3], dst[:3]):
            self.seen["clear by intent"] += 1
            return None
        fragment = struct.unpack_from("!H", p, o + 6)[0]
        key = (src, dst, proto, p[o + 4:o + 6])
        # no later than the length the header says: Ethernet pads
        end = o + min(len(p) - o, struct.unpack_from("!H", p, o + 2)[0] or len(p))
        return self.payload(p[:end], o + 4 * (p[o] & 15), proto, key,
                            fragment & 0x1fff, fragment & 0x2000)

    def ip6(self, p, o):
        if len(p) < o + 40 or p[o] >> 4 != 6:
            return "no IPv6 header"
        src, dst, proto = p[o + 8:o + 24], p[o + 24:o + 40], p[o + 6]
        if CLEAR6 in (src[:8], dst[:8]):
            self.seen["clear by intent"] += 1
            return None
        pos, offset, more, ident = o + 40, 0, 0, b""
        while proto in V6_EXTENSIONS or proto == FRAGMENT:
            if len(p) < pos + 8:
                return "a cut IPv6 extension header"
            size = 8 * (p[pos + 1] + 1)
            if proto == FRAGMENT:
                size = 8
                field = struct.unpack_from("!H", p, pos + 2)[0]
                offset, more, ident = field >> 3, field & 1, p[pos + 4:pos + 8]
            proto = p[pos]
            pos += size
            if offset:
                break
        return self.payload(p, pos, proto, (src, dst, ident), offset, more)

    def payload(self, p, pos, proto, key, offset, more):
        if offset:
            self.seen["fragments"] += 1
            # a first fragment may have been dropped: then ESP's own number
            # speaks for it
            return self.fragments.get(key, None if proto == ESP else
                                      "a fragment of protocol %d" % proto)
        verdict = self.transport(p, pos, proto, not more)
        if more:
            self.fragments[key] = verdict
        return verdict

    def esp(self, p, whole):
        self.seen["esp"] += 1
        if readable(p, whole) and struct.unpack_from("!I", p)[0] not in self.unencrypted:
            return "ESP with SPI 0x%08x around an IP packet in clear" % struct.unpack_from("!I", p)
        if self.is_nonce(p):
            return "ESP with SPI 0x%08x and an IV that can be predicted" % struct.unpack_from("!I", p)
        return None

    def is_nonce(self, p):
        """Is the IV what the layer gives to engines that encrypt it (ESP_RING_CAP_CBC_NONCE)?
        Its second half is zero, and its first differs from another's as the numbers do."""
        if len(p) < 24 or any(p[16:24]):
            return False
        spi, seq, _, low = struct.unpack_from("!IIII", p)
        old, self.nonces[spi] = self.nonces.get(spi), (seq, low)
        return bool(old) and old[0] != seq and old[0] ^ seq == old[1] ^ low

    def transport(self, p, pos, proto, whole):
        if proto == ESP:
            return self.esp(p[pos:], whole)
        if proto == IGMP:
            self.seen["link"] += 1
            return None
        if len(p) < pos + 8:
            return "protocol %d, cut" % proto
        if proto == UDP:
            return self.udp(p, pos, whole)
        if proto == ICMP6 and p[pos] in ND_MLD:
            self.seen["link"] += 1
            return None
        if (proto == ICMP6 and p[pos] < 128) or (proto == ICMP and p[pos] in ICMP_ERRORS):
            return self.quoted(p, pos + 8)
        names = {ICMP: "ICMP type %d" % p[pos], ICMP6: "ICMPv6 type %d" % p[pos], 6: "TCP",
                 4: "IPIP", 41: "IPv6 in IP", AH: "AH"}
        return names.get(proto, "protocol %d" % proto)

    def udp(self, p, pos, whole):
        ports = struct.unpack_from("!HH", p, pos)
        if 500 in ports:
            self.seen["ike"] += 1
            return None
        if 4500 in ports:
            body = p[pos + 8:]
            if body == b"\xff":
                self.seen["keepalive"] += 1
            elif body[:4] == b"\0\0\0\0":
                self.seen["ike"] += 1
            elif len(body) >= 8:
                return self.esp(body, whole)
            else:
                return "UDP 4500, neither IKE nor ESP"
            return None
        return "UDP %d -> %d" % ports

    def quoted(self, p, pos):
        """An ICMP error may not quote more than the wire has shown."""
        if len(p) < pos + 20:
            return "an ICMP error that quotes nothing"
        inner = Wire()
        why = inner.ip4(p, pos) if p[pos] >> 4 == 4 else inner.ip6(p, pos)
        self.seen["icmp errors"] += 1
        return "an ICMP error that quotes " + why if why else None


def describe(frame):
    """Addresses of an IP packet, for people."""
    pos = 14
    while frame[pos - 2:pos] in (b"\x81\x00", b"\x88\xa8"):
        pos += 4
    if frame[pos - 2:pos] == b"\x08\x00" and len(frame) >= pos + 20:
        a, b = frame[pos + 12:pos + 16], frame[pos + 16:pos + 20]
    elif frame[pos - 2:pos] == b"\x86\xdd" and len(frame) >= pos + 40:
        a, b = frame[pos + 8:pos + 24], frame[pos + 24:pos + 40]
    else:
        return frame[:14].hex()
    return "%s -> %s" % (ipaddress.ip_address(a), ipaddress.ip_address(b))


def unencrypted(directory):
    """The SPIs that the tests wrote down in out/readable beside the captures"""
    try:
        with open(os.path.join(directory, "out", "readable"), encoding="ascii") as f:
            return {int(x, 16) for x in f.read().split()}
    except OSError:
        return set()


def clear(paths, where=lambda when: ""):
    """(what was wrong, what was seen) of captures; where names a moment."""
    bad, seen = [], collections.Counter()
    for path in paths:
        wire = Wire(unencrypted(os.path.dirname(path)))
        for number, when, frame in packets(path):
            why = wire.judge(frame)
            if why:
                bad.append("%s%s: packet %d at %.3f: %s: %s, %d bytes" % (
                    where(when), os.path.basename(path), number, when,
                    describe(frame), why, len(frame)))
        seen.update(wire.seen)
    return bad, seen


def esp_of(frame):
    """(SPI, sequence number) of a whole ESP packet, bare or in UDP, else None."""
    pos = 14
    while frame[pos - 2:pos] in (b"\x81\x00", b"\x88\xa8"):
        pos += 4
    kind = frame[pos - 2:pos]
    if kind == b"\x88\x64":
        kind = {b"\x00\x21": b"\x08\x00", b"\x00\x57": b"\x86\xdd"}.get(frame[pos + 6:pos + 8])
        pos += 8
    if kind == b"\x08\x00" and len(frame) >= pos + 28:
        if struct.unpack_from("!H", frame, pos + 6)[0] & 0x3fff:
            return None
        proto, pos = frame[pos + 9], pos + 4 * (frame[pos] & 15)
    elif kind == b"\x86\xdd" and len(frame) >= pos + 48:
        proto, pos = frame[pos + 6], pos + 40
    else:
        return None
    if proto == UDP and 4500 in struct.unpack_from("!HH", frame, pos):
        pos += 8
    elif proto != ESP:
        return None
    if len(frame) < pos + 8:
        return None
    spi, seq = struct.unpack_from("!II", frame, pos)
    return (spi, seq) if spi else None


def decrypt(table, paths):
    """(what was wrong, number of packets checked) by tshark with the keys of an
    esp_sa file."""
    with open(table, encoding="ascii") as f:
        lines = sorted({checking(line.strip()) for line in f if line.strip()})
    spis = collections.Counter(int(x.split(",")[3].strip('"'), 16) for x in lines)
    bad = ["SPI 0x%08x was used for two SAs" % s for s, n in spis.items() if n > 1]
    checked = 0
    with tempfile.TemporaryDirectory(prefix="esp-ring-wire.") as tmp:
        for path in paths:
            part = os.path.join(tmp, os.path.basename(path))
            n = extract(path, part, spis)
            if not n:
                continue
            with open(os.path.join(tmp, "esp_sa"), "w", encoding="ascii") as f:
                f.write("\n".join(lines) + "\n")
            why, good = run_tshark(tmp, part)
            bad += ["%s: %s" % (os.path.basename(path), w) for w in why]
            checked += good
            if not why and good != n:
                bad.append("%s: %d packets of listed SAs, tshark judged %d" % (
                    os.path.basename(path), n, good))
    return bad, checked


def checking(line):
    """tshark has two ways to write AES-GCM, and checks the ICV in one of them."""
    m = re.fullmatch(r'(.*)"AES-GCM \[RFC4106\]",("\w+"),"ANY (\d+) bit [^"]*","[^"]*"', line)
    if not m:
        return line
    return '%s"AES-GCM with %d octet ICV [RFC4106]",%s,"NULL",""' % (
        m.group(1), int(m.group(3)) // 8, m.group(2))


def extract(path, part, spis):
    """Only what has a key: tshark is slow."""
    n = 0
    with open(part, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 262144, 1))
        for _, when, frame in packets(path):
            e = esp_of(frame)
            if e and e[0] in spis:
                f.write(struct.pack("<IIII", int(when), int(when % 1 * 1e6),
                                    len(frame), len(frame)) + frame)
                n += 1
    return n


@functools.cache
def not_wanted():
    """Protocols of tshark that carry no ESP.  One that takes random payload for its own,
    by a port or a guess, and finds that malformed takes the whole packet with it."""
    r = subprocess.run(["tshark", "-G", "protocols"], stdout=subprocess.PIPE,
                       stderr=subprocess.DEVNULL, text=True, check=False)
    names = [line.split("\t")[2] for line in r.stdout.splitlines() if line.count("\t") >= 2]
    return "".join(n + "\n" for n in names if not CARRIES.fullmatch(n))


def run_tshark(profile, path):
    """profile: a directory with the esp_sa file, made tshark's own."""
    env = dict(os.environ, WIRESHARK_CONFIG_DIR=profile, HOME=profile)
    with open(os.path.join(profile, "disabled_protos"), "w", encoding="ascii") as f:
        f.write(not_wanted())
    r = subprocess.run(
        ["tshark", "-n", "-r", path, "-T", "fields", "-E", "occurrence=f",
         "-o", "esp.enable_encryption_decode:TRUE",
         "-o", "esp.enable_authentication_check:TRUE",
         "-o", "esp.enable_null_encryption_decode_heuristic:FALSE",
         "-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE",
         "-e", "frame.number", "-e", "esp.spi", "-e", "esp.sequence",
         "-e", "esp.icv_good", "-e", "esp.icv_bad", "-e", "esp.pad_len",
         "-e", "esp.protocol"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, check=False)
    if r.returncode:
        return ["tshark: status %d: %s" % (r.returncode, r.stderr.strip()[:500])], 0
    bad, good = [], 0
    for line in r.stdout.splitlines():
        number, spi, seq, ok, wrong, pad, proto = (line.split("\t") + [""] * 7)[:7]
        if wrong in ("1", "True") or ok in ("0", "False"):
            bad.append("packet %s: SPI %s sequence %s: wrong ICV" % (number, spi, seq))
        elif not pad or not proto:
            bad.append("packet %s: SPI %s sequence %s: not decrypted" % (number, spi, seq))
        else:
            good += 1
    return bad, good


def main():
    if len(sys.argv) < 3 or sys.argv[1] not in ("clear", "decrypt"):
        sys.exit(__doc__)
    if sys.argv[1] == "clear":
        bad, seen = clear(sys.argv[2:])
        print(", ".join("%s %d" % x for x in sorted(seen.items())))
    else:
        bad, n = decrypt(sys.argv[2], sys.argv[3:])
        print("%d packets" % n)
    for line in bad[:50]:
        print(line)
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
