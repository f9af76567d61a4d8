#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""What the EIP-93 model does, and does when it is misused: eip93.py [BUILD [MACHINE]]

Prints TAP. BUILD is the directory that selftests/qemu/build prints.
"""
import hashlib
import hmac
import os
import sys

from rig import (
    AES, ALG, AUTH, AUTO, BLOCK, BUS, CBC, CDR_BASE, CD_COUNT, CLOCK_CTRL, COPY_DIGEST,
    COPY_HEADER, COPY_PAD, COPY_PAYLOAD, CRYPT, CRYPT_HASH, CTL_CLEAR, CTL_DESC_NS,
    CTL_HUNG, CTR, DES3, ECB, FINAL, HASH, HASH_INIT, HASH_STATE, HEADER, HMAC, IN,
    INT_CFG, INT_CLR, INT_MASKED, INT_RAW, IV_INPUT, IV_PRNG, IV_STATE, MASK_CLR,
    MASK_SET, MD5, Machine, NO_CIPHER, NO_HASH, OP, OWNER, OWN_ENGINE, PAD, PE_CONFIG,
    PKT, PRNG, PROTOCOL, RD_COUNT, REVISION, RING_THRESH, Rings, SAVE_HASH, SAVE_IV, SEQ,
    SEQ_CHECK, SHA1, SHA224, SHA256, SPI, ZERO, openssl, sa, swapped, words)
import tap
from tap import is_

HASHES = {MD5: "md5", SHA1: "sha1", SHA224: "sha224", SHA256: "sha256"}


def load(r, *args, **more):
    """Put an SA record where descriptors find it."""
    r.m.mem(r.sa, sa(*args, **more))


def set_iv(r, iv):
    """IV of the state record."""
    r.m.mem(r.state, iv.ljust(16, b"\0"))


def hmac_states(r, alg, key):
    """Inner and outer state words for a key, made by the engine as drivers do."""
    made = []
    for pad in (0x36, 0x5c):
        load(r, HASH, hash_alg=alg, cmd0=HASH_INIT | SAVE_HASH)
        r.run(bytes(b ^ pad for b in key.ljust(64, b"\0")))
        made.append(r.m.peek(r.state + 24, 32))
    return made


def tag_bytes(alg, raw):
    """An ICV as the basic operations write it, in the order of the standard."""
    return raw if alg == MD5 else swapped(raw)


def test_identity(r):
    """What a driver looks at first."""
    is_(r.m.reg(REVISION) & 0xff, 93, "REVISION says 93")
    is_(r.m.control(0), 0x52505345, "the control block has its magic")


def test_ciphers(r):
    """Every cipher and mode, both ways, in place and not."""
    data = os.urandom(160)
    for bits in (128, 192, 256):
        key, iv = os.urandom(bits // 8), os.urandom(16)
        for mode, name in ((ECB, "ecb"), (CBC, "cbc"), (CTR, "ctr")):
            load(r, CRYPT, AES, mode=mode, key=key, cmd0=IV_STATE | SAVE_IV)
            set_iv(r, iv)
            want = openssl(f"aes-{bits}-{name}", key, b"" if mode == ECB else iv, data)
            status, out, _ = r.run(data, dst=r.src)
            is_((status, out), (0, want), f"AES-{bits}-{name} encrypts in place")
            if mode == CBC:
                is_(r.m.peek(r.state, 16), want[-16:], "and saves the IV")
            load(r, CRYPT | IN, AES, mode=mode, key=key, cmd0=IV_STATE)
            set_iv(r, iv)
            is_(r.run(want)[:2], (0, data), f"AES-{bits}-{name} decrypts")
    key, iv = os.urandom(24), os.urandom(8)
    load(r, CRYPT, DES3, mode=CBC, key=key, cmd0=IV_STATE)
    set_iv(r, iv)
    want = openssl("des-ede3-cbc", key, iv, data)
    is_(r.run(data)[:2], (0, want), "3DES-CBC encrypts")
    load(r, CRYPT | IN, DES3, mode=CBC, key=key, cmd0=IV_STATE)
    is_(r.run(want)[:2], (0, data), "3DES-CBC decrypts")


def test_counter(r):
    """32 bits of the counter count; odd lengths; the IV that is left."""
    key, data = os.urandom(16), os.urandom(77)
    iv = os.urandom(12) + b"\xff\xff\xff\xfe"
    load(r, CRYPT, AES, mode=CTR, key=key, cmd0=IV_STATE | SAVE_IV)
    set_iv(r, iv)
    stream = openssl("aes-128-ecb", key, b"", b"".join(
        iv[:12] + ((0xfffffffe + i) & 0xffffffff).to_bytes(4, "big") for i in range(5)))
    want = bytes(a ^ b for a, b in zip(data, stream))
    is_(r.run(data)[:2], (0, want), "the counter wraps at 32 bits")
    is_(r.m.peek(r.state, 16), iv[:12] + b"\0\0\0\x03", "and the next one is saved")


def test_hashes(r):
    """Hash in one go, in blocks, and HMAC by state records."""
    data = os.urandom(200)
    for alg, name in HASHES.items():
        load(r, HASH, hash_alg=alg, cmd0=HASH_INIT | SAVE_HASH)
        r.run(data[:128])
        load(r, HASH, hash_alg=alg, cmd0=HASH_STATE | SAVE_HASH)
        r.run(data[128:], ctrl=1 | FINAL)
        want = hashlib.new(name, data).digest()
        is_(tag_bytes(alg, r.m.peek(r.state + 24, 32))[:len(want)], want,
            f"{name} over two descriptors")
        inner, outer = hmac_states(r, alg, b"key")
        load(r, HASH, hash_alg=alg, cmd0=SAVE_HASH, cmd1=HMAC, inner=inner, outer=outer)
        r.run(data)
        want = hmac.new(b"key", data, name).digest()
        is_(tag_bytes(alg, r.m.peek(r.state + 24, 32))[:len(want)], want,
            f"HMAC of {name}")


def test_aead(r):
    """Encrypt then hash, and back; the formats of the ICV."""
    head, data, key, iv = os.urandom(24), os.urandom(96), os.urandom(16), os.urandom(16)
    for alg, name in HASHES.items():
        inner, outer = hmac_states(r, alg, b"secret")
        keys = {"key": key, "inner": inner, "outer": outer, "offset": 6, "mode": CBC}
        load(r, CRYPT_HASH, AES, alg, cmd0=IV_STATE,
             cmd1=HMAC | COPY_DIGEST | COPY_PAD | COPY_HEADER, **keys)
        set_iv(r, iv)
        packet = head + openssl("aes-128-cbc", key, iv, data)
        icv = hmac.new(b"secret", packet, name).digest()[:12]
        status, out, _ = r.run(head + data)
        is_((status, out[:-12], tag_bytes(alg, out[-12:])), (0, packet, icv),
            f"AES-CBC and HMAC-{name}, outbound")
        load(r, CRYPT_HASH | IN, AES, alg, cmd0=IV_STATE, cmd1=HMAC | COPY_HEADER, **keys)
        got = r.run(packet + icv, length=len(packet))
        is_(got[:2], (0, head + data), f"AES-CBC and HMAC-{name}, inbound")
        bad = icv[:-1] + bytes((icv[-1] ^ 1,))
        is_(r.run(packet + bad, length=len(packet))[0], AUTH, "a wrong ICV is AUTH")


def esp_keys(r, alg):
    """Key material for the ESP tests."""
    inner, outer = hmac_states(r, alg, b"auth")
    return {"key": os.urandom(16), "inner": inner, "outer": outer, "spi": 0x12345678}


def test_esp_out(r):
    """ESP outbound: header, number, IV, trailer, ICV."""
    for mode, name, iv_len in ((CBC, "cbc", 16), (CTR, "ctr", 8)):
        keys = esp_keys(r, SHA256)
        data = os.urandom(61)
        load(r, PROTOCOL, AES, SHA256, mode=mode, seq=41, digest=4, nonce=b"salt",
             cmd0=IV_PRNG | HEADER, cmd1=HMAC | COPY_DIGEST, **keys)
        status, out, _ = r.run(data, ctrl=1 | FINAL | 4 << 8 | 2 << 24)
        iv = out[8:8 + iv_len]
        full = iv if mode == CBC else b"salt" + iv + b"\0\0\0\1"
        body = openssl(f"aes-128-{name}", keys["key"], full, out[8 + iv_len:-16], True)
        is_((status, out[:8]), (0, bytes.fromhex("123456780000002a")),
            f"ESP out, {name}: SPI and sequence number")
        is_((body[:61], body[61:]), (data, b"\1\1\4"), "payload, padding, next header")
        is_(out[-16:], hmac.new(b"auth", out[:-16], "sha256").digest()[:16],
            "the ICV, in network order")
        is_(r.m.peek(r.sa + 108, 4), words(42), "the number is kept in the SA record")
        is_(r.run(data)[1][8:8 + iv_len] != iv, True, "another packet has another IV")
        r.m.mem(r.sa + 108, words(0xffffffff))
        is_(r.run(data)[0], SEQ, "no number is used twice")


def test_esp_in(r):
    """ESP inbound: what is checked, what comes out."""
    keys = esp_keys(r, SHA1)
    iv, data = os.urandom(16), os.urandom(60)

    def packet(seq, trailer=b"\1\2\2\x29", spi=0x12345678):
        p = spi.to_bytes(4, "big") + seq.to_bytes(4, "big") + iv + \
            openssl("aes-128-cbc", keys["key"], iv, data + trailer)
        return p + hmac.new(b"auth", p, "sha1").digest()[:12]

    load(r, PROTOCOL | IN, AES, SHA1, mode=CBC, cmd0=IV_INPUT | HEADER,
         cmd1=HMAC | COPY_HEADER | SEQ_CHECK, **keys)
    good = packet(100)
    status, out, got = r.run(good, dst=r.src)
    is_((status, out), (0, good[:24] + data), "ESP in: header and payload")
    is_((got[0] >> 8 & 0xff, got[0] >> 24), (0x29, 2), "next header and pad length")
    is_(r.run(good)[0], SEQ, "a replay is SEQ")
    is_(r.run(packet(40))[0], 0, "an old one within the window is new")
    is_(r.run(packet(36))[0], SEQ, "one before the window is not")
    is_(r.run(packet(101, b"\1\3\2\4"))[0], PAD, "wrong padding is PAD")
    bad = bytearray(packet(102))
    bad[-1] ^= 1
    is_(r.run(bytes(bad))[0], AUTH, "a wrong ICV is AUTH")
    is_(r.run(packet(102))[0], 0, "which does not move the window")
    is_(r.run(packet(103, spi=0x12345679))[0], SPI, "another SPI is an error")
    is_(r.run(good[:20])[0], PKT, "less than header and ICV is an error")


def test_misuse(r):
    """Every error code."""
    key, data = os.urandom(16), bytes(64)
    load(r, CRYPT, AES, mode=CBC, key=key, cmd0=IV_STATE)
    is_(r.run(data, ctrl=0)[0], OWNER, "first ownership field not ours: error")
    is_(r.m.reg(INT_RAW) & 1 << 16, 0, "(cleared)")
    is_(r.run(data, own=2)[0], OWNER, "second ownership field not ours: error")
    is_(r.run(b"", length=0)[0], ZERO, "nothing to do: error")
    is_(r.run(data[:40])[0], BLOCK, "not a multiple of the block: error")
    is_(r.run(data, src=r.src + 2)[0], BUS, "unaligned source: error")
    is_(r.run(data, dst=r.dst + 1)[0], BUS, "unaligned destination: error")
    is_(r.run(data, state=r.state + 2)[0], BUS, "unaligned state: error")
    is_(r.run(None, length=64, src=0xffffffe0)[0], BUS, "beyond 32 bits: error")
    is_(r.run(data, sa=0xf0000000)[0], BUS, "SA record where nothing is: error")
    is_(r.run(data, dst=r.m.base)[0], BUS, "a device as destination: error")
    is_(r.run(data, bypass=16)[0], PKT, "all of it bypassed: error")
    load(r, 5, AES, mode=CBC, key=key)
    is_(r.run(data)[0], OP, "unknown opcode: error")
    load(r, 3 << 4, AES, mode=CBC, key=key)
    is_(r.run(data)[0], OP, "unknown group: error")
    load(r, PROTOCOL | 4, AES, mode=CBC, key=key)
    is_(r.run(data)[0], OP, "SSL: error")
    for cipher, mode, keyed, what in ((2, ECB, key, "ARC4"), (7, ECB, key, "cipher 7"),
                                      (AES, CBC, key + key + key[:8], "AES-320"),
                                      (DES3, CTR, key, "3DES-CTR")):
        load(r, CRYPT, cipher, mode=mode, key=keyed[:32])
        if len(keyed) > 32:
            r.m.mem(r.sa + 4, words(mode << 8 | 5 << 24))
        is_(r.run(data)[0], ALG, f"{what}: error")
    for alg in (4, NO_HASH):
        load(r, CRYPT_HASH, NO_CIPHER, alg, cmd1=HMAC)
        is_(r.run(data)[0], ALG, f"hash {alg}: error")
    load(r, CRYPT_HASH, AES, SHA1, mode=CBC, key=key, offset=20, cmd1=HMAC)
    is_(r.run(data)[0], PKT, "offset beyond the length: error")
    load(r, HASH, hash_alg=SHA1, cmd0=HASH_INIT | SAVE_HASH)
    is_(r.run(data[:60])[0], BLOCK, "part of a block, not final: error")


def test_copies(r):
    """Bypassed words, offsets in bytes, what is copied."""
    key, iv, data = os.urandom(16), os.urandom(16), os.urandom(8 + 12 + 32)
    inner, outer = hmac_states(r, SHA1, b"k")
    load(r, CRYPT_HASH, AES, SHA1, mode=CBC, key=key, inner=inner, outer=outer, offset=12,
         cmd0=IV_STATE, cmd1=HMAC | COPY_DIGEST | COPY_PAD | 1 << 13)
    set_iv(r, iv)
    secret = openssl("aes-128-cbc", key, iv, data[20:])
    status, out, _ = r.run(data, bypass=2)
    is_((status, out[:-12]), (0, data[:8] + secret), "bypassed words, no header")
    is_(swapped(out[-12:]), hmac.new(b"k", data[8:20] + secret, "sha1").digest()[:12],
        "the bypassed are not hashed, the header is")
    load(r, HASH, hash_alg=MD5, cmd0=HASH_INIT, digest=4,
         cmd1=COPY_PAYLOAD | COPY_DIGEST | COPY_PAD)
    is_(r.run(data, ctrl=1 | FINAL)[1], data + hashlib.md5(data).digest(),
        "payload and digest of a hash")
    load(r, CRYPT_HASH, NO_CIPHER, SHA1, inner=inner, outer=outer, offset=2,
         cmd1=HMAC | COPY_HEADER | COPY_DIGEST | COPY_PAD)
    status, out, _ = r.run(data[:51])
    is_((status, out[:-12], swapped(out[-12:])),
        (0, data[:51], hmac.new(b"k", data[:51], "sha1").digest()[:12]),
        "no cipher, an odd length")


def test_rings(r):
    """Counts, wrap around, back pressure, order."""
    m = r.m
    load(r, CRYPT, NO_CIPHER)
    for i in range(3 * r.SIZE):
        _, _, got = r.run(b"abcd", user=i)
        if got[6] != i:
            break
    is_(got[6], 3 * r.SIZE - 1, "three times around the rings")
    is_(m.peek(r.cdr + 32 * ((r.at - 1) % r.SIZE), 4)[0] & 3, OWN_ENGINE,
        "the command's ownership is given back")
    for i in range(r.SIZE):
        r.put(b"abcd", user=i)
    m.reg(CD_COUNT, r.SIZE)
    m.step(1000000)
    is_((m.reg(CD_COUNT), m.reg(RD_COUNT)), (0, r.SIZE), "a full ring by one doorbell")
    r.put(b"abcd", user=99)
    m.reg(CD_COUNT, 1)
    m.step(1000000)
    is_((m.reg(CD_COUNT), m.reg(RD_COUNT)), (1, r.SIZE), "no room for a result: it waits")
    m.reg(RD_COUNT, 1)
    m.step(1000000)
    is_((m.reg(CD_COUNT), r.result()[6]), (0, 99), "and goes on when there is")
    m.reg(RD_COUNT, r.SIZE)
    is_(m.reg(RD_COUNT), 0, "all seen")
    m.reg(INT_CLR, 0xffffffff)
    m.reg(RD_COUNT, 1)
    is_((m.reg(RD_COUNT), m.reg(INT_RAW) >> 16 & 1), (0, 1), "more seen than there are")
    m.reg(INT_CLR, 0xffffffff)
    m.reg(MASK_CLR, 0xffffffff)


def test_interrupts(r):
    """Threshold, timeout, masks, clearing too early."""
    m = r.m
    load(r, CRYPT, NO_CIPHER)
    m.control(CTL_DESC_NS, 1000)
    m.reg(RING_THRESH, 2 << 16)
    for _ in range(4):
        r.put(b"abcd")
    m.reg(CD_COUNT, 4)
    m.step(2500)
    is_((m.reg(RD_COUNT), m.raised), (2, False), "not above the threshold: quiet")
    m.step(1000)
    is_((m.reg(RD_COUNT), m.raised), (3, True), "above it: interrupt")
    m.reg(INT_CLR, 2)
    is_(m.raised, True, "cleared while there are still as many: again")
    m.reg(MASK_CLR, 2)
    is_((m.raised, m.reg(INT_MASKED), m.reg(INT_RAW) & 2), (False, 0, 2), "masked")
    m.reg(RD_COUNT, 2)
    m.reg(INT_CLR, 2)
    m.reg(MASK_SET, 2)
    m.step(10000)
    is_((m.reg(RD_COUNT), m.raised), (2, False), "below it and cleared: quiet")
    m.reg(RING_THRESH, 1 << 16)
    is_(m.raised, True, "a lower threshold tells at once")
    m.reg(RD_COUNT, 2)
    m.reg(INT_CLR, 2)
    # 2^(3 + 10) clocks of 220 MHz are 37236 ns
    m.reg(RING_THRESH, 9 << 16 | 3 << 26 | 1 << 31)
    r.put(b"abcd")
    m.reg(CD_COUNT, 1)
    m.step(38000)
    is_(m.raised, False, "before the RD timeout")
    m.step(1000)
    is_(m.raised, True, "after it")
    m.reg(RD_COUNT, 1)
    m.reg(INT_CLR, 2)
    m.step(100000)
    is_(m.raised, False, "no result, no timeout")
    m.reg(INT_CFG, 1)
    m.reg(RING_THRESH, 0)
    edges = m.edges
    r.run(b"abcd")
    is_((m.edges - edges > 0, m.raised), (True, False), "pulses, if wanted")
    m.reg(INT_CFG, 0)
    m.control(CTL_DESC_NS, 500)


def test_cost(r):
    """Time is what the properties say."""
    m = r.m
    load(r, CRYPT, NO_CIPHER)
    m.control(CTL_DESC_NS, 2000)
    m.control(0x14, 1000)
    for _ in range(2):
        r.put(bytes(1024))
    m.reg(CD_COUNT, 2)
    cost = 2000 + 1000000
    m.step(cost - 1)
    is_(m.reg(RD_COUNT), 0, "not a nanosecond too early")
    m.step(1)
    is_(m.reg(RD_COUNT), 1, "nor too late")
    m.step(cost)
    is_(m.reg(RD_COUNT), 2, "the second takes as long")
    m.control(0x14, 0)
    m.control(CTL_DESC_NS, 500)
    m.reg(RD_COUNT, 2)


def test_clocks(r):
    """Without its clock a unit stands still."""
    m = r.m
    load(r, CRYPT, AES, mode=CBC, key=bytes(16))
    m.reg(CLOCK_CTRL, 0)
    r.put(bytes(16))
    m.reg(CD_COUNT, 1)
    m.step(1000000)
    is_(m.reg(CD_COUNT), 1, "no clock, no work")
    m.reg(CLOCK_CTRL, 0x17)
    m.step(1000000)
    is_(m.reg(RD_COUNT), 1, "with it there is")
    m.reg(RD_COUNT, 1)
    m.reg(CLOCK_CTRL, 0x13)
    is_((r.run(bytes(16))[0], m.control(CTL_HUNG)), (None, 1), "no AES clock: it hangs")
    is_(Rings(m).run(bytes(16))[0], None if m.reg(CLOCK_CTRL) == 0 else 0,
        "and a reset helps")


def test_swaps(r):
    """Byte swaps of descriptors, records and data."""
    key, data = os.urandom(16), os.urandom(64)
    for bit, what in ((16, "descriptors"), (17, "records"), (18, "data")):
        s = Rings(r.m, AUTO | 1 << bit, bit == 16)
        record = sa(CRYPT, AES, mode=ECB, key=key)
        s.m.mem(s.sa, swapped(record) if bit == 17 else record)
        want = openssl("aes-128-ecb", key, b"", data)
        status, out, _ = s.run(swapped(data) if bit == 18 else data)
        is_((status, swapped(out) if bit == 18 else out), (0, want), f"swapped {what}")


def test_prng(r):
    """The generator starts anew where it is told to."""
    key, seed = os.urandom(16), os.urandom(16)
    r.m.mem(r.sa, sa(PRNG, AES, SHA1, key=key, inner=seed))
    first = r.run(None, length=64, ctrl=1 | 1 << 6)
    second = r.run(None, length=64, ctrl=1 | 2 << 6)
    again = r.run(None, length=64, ctrl=1 | 1 << 6)
    is_((first[0], len(first[1]), first[1] == again[1]), (0, 64, True), "the same seed")
    is_(first[1] != second[1], True, "and on from there")
    time = openssl("aes-128-ecb", key, b"", bytes(16))
    want = openssl("aes-128-ecb", key, b"", bytes(a ^ b for a, b in zip(time, seed)))
    is_(first[1][:16], want, "ANSI X9.31")
    is_(r.run(None, length=64, ctrl=1)[0], OP, "no mode: error")


def test_hangs(r):
    """Hang, with and without a way out of it."""
    m = r.m
    load(r, CRYPT, NO_CIPHER)
    m.fault("hang_after", 2)
    is_([r.run(b"abcd")[0] for _ in range(3)], [0, 0, None], "hangs after two")
    is_(m.control(CTL_HUNG), 1, "and says so")
    r = Rings(m)
    load(r, CRYPT, NO_CIPHER)
    is_(r.run(b"abcd")[0], 0, "until the reset")
    m.fault("hang_sticky")
    m.fault("hang_after", 1)
    r.run(b"abcd")
    is_((Rings(m).run(b"abcd")[0]), None, "or for ever")
    m.fault("hang_sticky", 0)


def test_faults(r):
    """The other faults, each as it is described."""
    m = r.m
    load(r, CRYPT, NO_CIPHER)
    m.fault("lose_irq")
    edges = m.edges
    r.run(b"abcd")
    is_(m.edges - edges, 0, "an interrupt is lost")
    r.run(b"abcd")
    is_(m.edges - edges, 1, "the next one is not")
    m.fault("spurious_irq")
    is_((m.raised, m.reg(INT_MASKED), m.raised), (True, 0, False), "one without a reason")
    m.fault("bus_error", 2)
    is_([r.run(b"abcd")[0] for _ in range(3)], [BUS, BUS, 0], "two bus errors")
    m.fault("slow", 3000)
    r.put(b"abcd")
    m.reg(CD_COUNT, 1)
    m.step(1400000)
    is_(m.reg(RD_COUNT), 0, "slow")
    m.fault("slow", 0)
    m.step(200000)
    m.reg(RD_COUNT, 1)
    m.fault("count_add", 3)
    is_(m.reg(RD_COUNT), 3, "a count that lies")
    m.fault("count_add", 0)
    m.control(CTL_DESC_NS, 10000)
    m.fault("count_early")
    r.put(b"abcd")
    m.reg(CD_COUNT, 1)
    is_((m.reg(RD_COUNT), m.raised, r.result()[0]), (1, True, 0), "told of too early")
    m.step(20000)
    is_((m.reg(RD_COUNT), r.result()[0] & 3), (1, OWN_ENGINE), "and counted once")
    m.reg(RD_COUNT, 1)
    m.reg(INT_CLR, 0xffffffff)
    m.control(CTL_DESC_NS, 500)
    inner, outer = hmac_states(r, SHA1, b"k")
    load(r, CRYPT_HASH | IN, NO_CIPHER, SHA1, inner=inner, outer=outer, cmd1=HMAC)
    packet = b"abcd" + hmac.new(b"k", b"abcd", "sha1").digest()[:12]
    m.fault("wrong_icv")
    is_([r.run(packet, length=4)[0] for _ in range(2)], [AUTH, 0], "a wrong ICV")
    m.fault("gone")
    m.reg(CDR_BASE, 0)
    is_((m.reg(REVISION), m.reg(RD_COUNT)), (0xffffffff, 0xffffffff), "the device is gone")
    m.fault("gone", 0)
    is_(m.reg(CDR_BASE), r.cdr, "what was written then had no effect")


def test_counters(r):
    """The model's own counters."""
    m = r.m
    inner, outer = hmac_states(r, SHA1, b"k")
    m.control(CTL_CLEAR, 1)
    load(r, CRYPT_HASH, NO_CIPHER, SHA1, inner=inner, outer=outer, cmd1=HMAC)
    for _ in range(3):
        r.run(bytes(100))
    load(r, CRYPT_HASH | IN, NO_CIPHER, SHA1, inner=inner, outer=outer, cmd1=HMAC)
    r.run(bytes(112), length=100)
    r.run(bytes(1), length=0)
    got = {n: m.stat(n) for n in ("desc_out", "desc_in", "bytes_out", "bytes_in", "doorbells",
                                  "acks", "irqs", "errors", "auth_errors", "busy_ns")}
    is_(got, {"desc_out": 3, "desc_in": 2, "bytes_out": 300, "bytes_in": 100,
              "doorbells": 5, "acks": 5, "irqs": 5, "errors": 1, "auth_errors": 1,
              "busy_ns": 2500}, "counters")
    is_((m.stat("reg_reads"), m.stat("reg_writes")), (5, 15), "accesses to registers")


def test_reset(r):
    """A reset in the middle of the work."""
    m = r.m
    load(r, CRYPT, NO_CIPHER)
    m.control(CTL_DESC_NS, 10000)
    for _ in range(3):
        r.put(b"abcd")
    m.reg(CD_COUNT, 3)
    m.step(15000)
    m.reg(PE_CONFIG, AUTO | 3)
    is_((m.reg(CD_COUNT), m.reg(RD_COUNT)), (0, 0), "both counts are 0")
    m.step(100000)
    is_(m.peek(r.rdr + 32 * ((r.at - 2) % r.SIZE), 32), bytes(32), "nothing is written later")
    m.control(CTL_DESC_NS, 500)


def main():
    """Run what there is."""
    build = tap.build()
    machines = sys.argv[2:] or ["mt7621", "airoha-virt"]
    for machine in machines:
        print(f"# {machine}")
        for name, test in list(globals().items()):
            if name.startswith("test_"):
                print(f"# {test.__doc__}")
                m = Machine(build, machine)
                test(Rings(m))
                m.close()
        m = Machine(build, machine, "-global", "eip93.option-1=0x00026004",
                    "-global", "eip93.fault-bus-error=1")
        r = Rings(m)
        load(r, CRYPT_HASH, AES, SHA256, mode=CBC, key=bytes(16), cmd1=HMAC)
        is_(r.run(bytes(16))[0], BUS, "a fault from the command line")
        is_(r.run(bytes(16))[0], ALG, "a hash that OPTION_1 does not have")
        load(r, CRYPT, AES, mode=CBC, key=bytes(32))
        is_(r.run(bytes(16))[0], ALG, "nor that length of key")
        load(r, CRYPT, DES3, mode=CBC, key=bytes(24))
        is_(r.run(bytes(16))[0], ALG, "nor 3DES")
        m.close()
    sys.exit(tap.done())


if __name__ == "__main__":
    main()
