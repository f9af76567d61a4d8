/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SafeXcel EIP-93: ciphers and hashes by nettle.
 *
 * Nettle's hash contexts are public, so that a hash can be continued from the
 * state words of an SA or state record.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "eip93_crypto.h"
#include <nettle/aes.h>
#include <nettle/cbc.h>
#include <nettle/ctr.h>
#include <nettle/des.h>

typedef union CipherKey {
    struct aes128_ctx aes128;
    struct aes192_ctx aes192;
    struct aes256_ctx aes256;
    struct des_ctx des;
    struct des3_ctx des3;
} CipherKey;

/* Sets up the key and tells the function for blocks in the wanted direction */
static nettle_cipher_func *cipher_key(const EIP93Cipher *c, bool encrypt,
                                      CipherKey *k)
{
    switch (c->alg) {
    case EIP93_DES:
        /* a weak key is reported, and set all the same */
        des_set_key(&k->des, c->key);
        return (nettle_cipher_func *)(encrypt ? des_encrypt : des_decrypt);
    case EIP93_3DES:
        des3_set_key(&k->des3, c->key);
        return (nettle_cipher_func *)(encrypt ? des3_encrypt : des3_decrypt);
    }
    switch (c->key_len) {
    case 16:
        if (encrypt) {
            aes128_set_encrypt_key(&k->aes128, c->key);
            return (nettle_cipher_func *)aes128_encrypt;
        }
        aes128_set_decrypt_key(&k->aes128, c->key);
        return (nettle_cipher_func *)aes128_decrypt;
    case 24:
        if (encrypt) {
            aes192_set_encrypt_key(&k->aes192, c->key);
            return (nettle_cipher_func *)aes192_encrypt;
        }
        aes192_set_decrypt_key(&k->aes192, c->key);
        return (nettle_cipher_func *)aes192_decrypt;
    default:
        if (encrypt) {
            aes256_set_encrypt_key(&k->aes256, c->key);
            return (nettle_cipher_func *)aes256_encrypt;
        }
        aes256_set_decrypt_key(&k->aes256, c->key);
        return (nettle_cipher_func *)aes256_decrypt;
    }
}

static unsigned block_size(int alg)
{
    return alg == EIP93_AES ? 16 : alg == EIP93_NO_CIPHER ? 1 : 8;
}

unsigned eip93_cipher_unit(const EIP93Cipher *c)
{
    return c->mode >= EIP93_CTR ? 1 : block_size(c->alg);
}

unsigned eip93_cipher_iv_len(const EIP93Cipher *c)
{
    if (c->alg == EIP93_NO_CIPHER || c->mode == EIP93_ECB) {
        return 0;
    }
    return block_size(c->alg);
}

/*
 * The engine counts in the last bits of the counter block only; nettle counts
 * in all of it. So a run ends where those bits wrap.
 */
static void counter_mode(EIP93Cipher *c, const void *key, nettle_cipher_func *f,
                         uint8_t *dst, const uint8_t *src, size_t len)
{
    unsigned bits = c->mode == EIP93_CTR ? 32 : 16;
    uint64_t span = 1ULL << bits;
    uint8_t top[16];

    memcpy(top, c->iv, sizeof(top));
    while (len) {
        uint64_t now = ldl_be_p(c->iv + 12) & (span - 1);
        uint64_t room = (span - now) * 16;
        size_t n = MIN(len, room);
        uint32_t next = now + DIV_ROUND_UP(n, 16);

        ctr_crypt(key, f, 16, c->iv, n, dst, src);
        memcpy(c->iv, top, 16 - bits / 8);
        if (bits == 32) {
            stl_be_p(c->iv + 12, next);
        } else {
            stw_be_p(c->iv + 14, next);
        }
        dst += n;
        src += n;
        len -= n;
    }
}

void eip93_cipher(EIP93Cipher *c, uint8_t *dst, const uint8_t *src, size_t len)
{
    bool encrypt = c->encrypt || c->mode >= EIP93_CTR;
    unsigned block = block_size(c->alg);
    nettle_cipher_func *f;
    CipherKey k;

    if (c->alg == EIP93_NO_CIPHER) {
        memmove(dst, src, len);
        return;
    }
    f = cipher_key(c, encrypt, &k);
    switch (c->mode) {
    case EIP93_ECB:
        f(&k, len, dst, src);
        break;
    case EIP93_CBC:
        if (encrypt) {
            cbc_encrypt(&k, f, block, c->iv, len, dst, src);
        } else {
            cbc_decrypt(&k, f, block, c->iv, len, dst, src);
        }
        break;
    default:
        counter_mode(c, &k, f, dst, src, len);
    }
    memset(&k, 0, sizeof(k));
}

unsigned eip93_digest_words(int alg)
{
    static const uint8_t words[] = { 4, 5, 7, 8 };

    return words[alg];
}

/* Words of the chaining state, which SHA-224 has more of than of digest */
static unsigned state_words(int alg)
{
    return alg == EIP93_SHA224 ? 8 : eip93_digest_words(alg);
}

void eip93_hash_init(EIP93Hash *h, int alg)
{
    h->alg = alg;
    h->bytes = 0;
    switch (alg) {
    case EIP93_MD5:
        md5_init(&h->md5);
        break;
    case EIP93_SHA1:
        sha1_init(&h->sha1);
        break;
    case EIP93_SHA224:
        sha224_init(&h->sha256);
        break;
    default:
        sha256_init(&h->sha256);
    }
}

static uint32_t *state_of(EIP93Hash *h)
{
    switch (h->alg) {
    case EIP93_MD5:
        return h->md5.state;
    case EIP93_SHA1:
        return h->sha1.state;
    default:
        return h->sha256.state;
    }
}

void eip93_hash_import(EIP93Hash *h, int alg, const uint32_t *state,
                       uint64_t bytes)
{
    uint64_t blocks = bytes / EIP93_HASH_BLOCK;

    eip93_hash_init(h, alg);
    memcpy(state_of(h), state, 4 * state_words(alg));
    h->bytes = bytes;
    switch (alg) {
    case EIP93_MD5:
        h->md5.count = blocks;
        break;
    case EIP93_SHA1:
        h->sha1.count = blocks;
        break;
    default:
        h->sha256.count = blocks;
    }
}

void eip93_hash_export(const EIP93Hash *h, uint32_t *state)
{
    memset(state, 0, 4 * EIP93_DIGEST_WORDS);
    memcpy(state, state_of((EIP93Hash *)h), 4 * state_words(h->alg));
}

void eip93_hash_update(EIP93Hash *h, const uint8_t *data, size_t len)
{
    h->bytes += len;
    switch (h->alg) {
    case EIP93_MD5:
        md5_update(&h->md5, len, data);
        break;
    case EIP93_SHA1:
        sha1_update(&h->sha1, len, data);
        break;
    default:
        sha256_update(&h->sha256, len, data);
    }
}

void eip93_hash_final(EIP93Hash *h, uint32_t *digest)
{
    unsigned words = eip93_digest_words(h->alg);
    uint8_t bytes[4 * EIP93_DIGEST_WORDS];

    switch (h->alg) {
    case EIP93_MD5:
        md5_digest(&h->md5, 4 * words, bytes);
        break;
    case EIP93_SHA1:
        sha1_digest(&h->sha1, 4 * words, bytes);
        break;
    case EIP93_SHA224:
        sha224_digest(&h->sha256, 4 * words, bytes);
        break;
    default:
        sha256_digest(&h->sha256, 4 * words, bytes);
    }
    memset(digest, 0, 4 * EIP93_DIGEST_WORDS);
    for (unsigned i = 0; i < words; i++) {
        digest[i] = h->alg == EIP93_MD5 ? ldl_le_p(bytes + 4 * i)
                                        : ldl_be_p(bytes + 4 * i);
    }
}

void eip93_digest_bytes(int alg, const uint32_t *digest, unsigned words,
                        uint8_t *bytes)
{
    for (unsigned i = 0; i < words; i++) {
        if (alg == EIP93_MD5) {
            stl_le_p(bytes + 4 * i, digest[i]);
        } else {
            stl_be_p(bytes + 4 * i, digest[i]);
        }
    }
}

void eip93_aes128_block(const uint8_t *key, uint8_t *dst, const uint8_t *src)
{
    struct aes128_ctx ctx;

    aes128_set_encrypt_key(&ctx, key);
    aes128_encrypt(&ctx, 16, dst, src);
}
