/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the EIP-93 computes, done by nettle.
 */
#ifndef HW_ESPRING_EIP93_CRYPTO_H
#define HW_ESPRING_EIP93_CRYPTO_H

#include <nettle/md5.h>
#include <nettle/sha1.h>
#include <nettle/sha2.h>

/* Values of the SA record's fields */
enum {
    EIP93_DES = 0, EIP93_3DES = 1, EIP93_AES = 3, EIP93_NO_CIPHER = 15,
};
enum { EIP93_ECB, EIP93_CBC, EIP93_CTR, EIP93_ICM };
enum {
    EIP93_MD5, EIP93_SHA1, EIP93_SHA224, EIP93_SHA256, EIP93_NO_HASH = 15,
};

typedef struct EIP93Cipher {
    int alg;
    int mode;
    unsigned key_len;
    bool encrypt;
    uint8_t key[32];
    uint8_t iv[16];
} EIP93Cipher;

typedef struct EIP93Hash {
    int alg;
    uint64_t bytes;
    union {
        struct md5_ctx md5;
        struct sha1_ctx sha1;
        struct sha256_ctx sha256;
    };
} EIP93Hash;

/* Words of the longest digest */
#define EIP93_DIGEST_WORDS      8
#define EIP93_HASH_BLOCK        64

/* Bytes that a length must be a multiple of: 1 for counter modes and NULL */
unsigned eip93_cipher_unit(const EIP93Cipher *c);
unsigned eip93_cipher_iv_len(const EIP93Cipher *c);
/* c->iv is what comes after the data then; dst may be src */
void eip93_cipher(EIP93Cipher *c, uint8_t *dst, const uint8_t *src, size_t len);

unsigned eip93_digest_words(int alg);
void eip93_hash_init(EIP93Hash *h, int alg);
/* Go on from a state after bytes, a multiple of the block */
void eip93_hash_import(EIP93Hash *h, int alg, const uint32_t *state,
                       uint64_t bytes);
void eip93_hash_export(const EIP93Hash *h, uint32_t *state);
void eip93_hash_update(EIP93Hash *h, const uint8_t *data, size_t len);
void eip93_hash_final(EIP93Hash *h, uint32_t *digest);
/* Digest words as the bytes that the standard writes */
void eip93_digest_bytes(int alg, const uint32_t *digest, unsigned words,
                        uint8_t *bytes);

/* One block of AES, for the PRNG */
void eip93_aes128_block(const uint8_t *key, uint8_t *dst, const uint8_t *src);

#endif
