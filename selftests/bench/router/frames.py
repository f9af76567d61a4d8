#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""frames.py PCAP INDEX ALG...: what the hosts of the router's benchmark send.

PCAP gets the frames, INDEX as JSON which are which: [first, how many].
  done            tells the guest that all have arrived
  plain/lan/SIZE  from the host behind lan1 to the one behind the peer
  plain/wan/SIZE  the other way
  ALG/wan/SIZE    the same in a tunnel, numbered from 1 on
The peer's ESP is made by openssl and Python's hmac, all packets of one size at a
time: with CBC an IV is the last block of the packet before, and counter mode is
ECB of the counters.
"""
import hashlib
import hmac
import json
import socket
import struct
import subprocess
import sys

import common as c

ESP, UDP, IPIP = 50, 17, 4
# key bytes of cipher and hash, hash, bytes of ICV, counter mode
ALGS = {"aes128-cbc-sha1": (16, 20, hashlib.sha1, 12, False),
        "aes128-cbc-sha256": (16, 32, hashlib.sha256, 16, False),
        "aes256-cbc-sha256": (32, 32, hashlib.sha256, 16, False),
        "aes128-ctr-sha256": (16, 32, hashlib.sha256, 16, True)}
NONCE = 4


def key(n):
    """As lab.py has them."""
    return bytes(i + 1 for i in range(n))


def checksum(data):
    total = sum(struct.unpack(">%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total ^ 0xffff


def ipv4(src, dst, proto, payload):
    h = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0, 0x4000, 64, proto, 0,
                    socket.inet_aton(src), socket.inet_aton(dst))
    return h[:10] + struct.pack(">H", checksum(h)) + h[12:] + payload


def udp(src, dst, size, port=9):
    """A packet of size bytes in all, an even number; GRO wants a checksum."""
    pseudo = (socket.inet_aton(src) + socket.inet_aton(dst) +
              struct.pack(">HHHHH", UDP, size - 20, 4000, port, size - 20))
    return ipv4(src, dst, UDP, struct.pack(">HHHH", 4000, port, size - 20, checksum(pseudo)) +
                bytes(size - 28))


def ether(dst, src, packet):
    f = bytes.fromhex((dst + src).replace(":", "")) + b"\x08\x00" + packet
    return f.ljust(60, b"\x00")


def openssl(cipher, keytext, data, iv=None):
    return subprocess.run(
        ["openssl", "enc", "-" + cipher, "-nopad", "-K", keytext.hex()] +
        (["-iv", iv.hex()] if iv else []), input=data, stdout=subprocess.PIPE, check=True).stdout


def trailer(packet, block):
    pad = -(len(packet) + 2) % block
    return packet + bytes(range(1, pad + 1)) + bytes((pad, IPIP))


def cbc(bits, keytext, plain):
    """IV and ciphertext of each packet."""
    iv = hashlib.sha256(b"iv").digest()[:16]
    out, at = openssl("aes-%d-cbc" % bits, keytext, b"".join(plain), iv), 0
    for p in plain:
        text = out[at:at + len(p)]
        yield iv, text
        at, iv = at + len(p), text[-16:]


def ctr(keytext, plain):
    """RFC 3686, the IV being the number."""
    nonce, blocks = key(len(keytext) + NONCE)[-NONCE:], []
    for n, p in enumerate(plain, 1):
        for i in range(1, (len(p) + 15) // 16 + 1):
            blocks.append(nonce + struct.pack(">QI", n, i))
    stream, at = openssl("aes-%d-ecb" % (8 * len(keytext)), keytext, b"".join(blocks)), 0
    for n, p in enumerate(plain, 1):
        s = stream[at:at + len(p)]
        yield struct.pack(">Q", n), (int.from_bytes(p, "big") ^
                                     int.from_bytes(s, "big")).to_bytes(len(p), "big")
        at += (len(p) + 15) // 16 * 16


def esp(alg, packets):
    """The peer's packets: ESP in tunnel mode, numbered from 1 on."""
    cipher, auth, digest, icv, counter = ALGS[alg]
    plain = [trailer(p, 4 if counter else 16) for p in packets]
    texts = ctr(key(cipher), plain) if counter else cbc(8 * cipher, key(cipher), plain)
    for n, (iv, text) in enumerate(texts, 1):
        body = struct.pack(">II", c.SPI_IN, n) + iv + text
        body += hmac.new(key(auth), body, digest).digest()[:icv]
        yield ipv4(c.PEER_WAN, c.OUR_WAN, ESP, body)


def main():
    pcap, index_file, *algs = sys.argv[1:]
    index, frames = {}, []

    def add(name, more):
        index[name] = (len(frames), len(more))
        frames.extend(more)

    add("done", [ether(c.OUR_LAN_MAC, c.LAN_MAC,
                       udp(c.LAN_HOST, c.OUR_LAN, 60, c.DONE_PORT))])
    for size in c.SIZES:
        cycle = c.IMIX if size == "imix" else (size,)
        add("plain/lan/%s" % size, [ether(c.OUR_LAN_MAC, c.LAN_MAC, udp(c.LAN_HOST, c.FAR_HOST, n))
                                    for n in cycle])
        back = [udp(c.FAR_HOST, c.LAN_HOST, n) for n in cycle]
        add("plain/wan/%s" % size, [ether(c.OUR_WAN_MAC, c.WAN_MAC, p) for p in back])
        for alg in algs:
            many = [back[i % len(back)] for i in range(c.NUMBERED)]
            add("%s/wan/%s" % (alg, size),
                [ether(c.OUR_WAN_MAC, c.WAN_MAC, p) for p in esp(alg, many)])
    with open(pcap, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 2000, 1))
        for x in frames:
            f.write(struct.pack("<IIII", 0, 0, len(x), len(x)) + x)
    with open(index_file, "w", encoding="ascii") as f:
        json.dump(index, f)


main()
