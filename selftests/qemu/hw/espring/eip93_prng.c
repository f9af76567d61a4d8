/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SafeXcel EIP-93: the pseudo-random generator of ANSI X9.31, appendix A.2.4,
 * with AES-128. The driver seeds it, so the same seed gives the same bytes.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "eip93_op.h"

enum { MODE_OFF, MODE_SEED, MODE_RUN };

void eip93_prng_reset(EIP93State *s)
{
    memset(&s->prng, 0, sizeof(s->prng));
    memset(s->prng_result, 0, sizeof(s->prng_result));
    s->prng_ctrl = 0;
}

static void add_one(uint8_t *n, size_t len)
{
    do {
        n[--len]++;
    } while (len && !n[len]);
}

static void xor_block(uint8_t *dst, const uint8_t *src)
{
    for (int i = 0; i < 16; i++) {
        dst[i] ^= src[i];
    }
}

void eip93_prng_generate(EIP93Prng *p, uint8_t *buf, size_t len)
{
    uint8_t mid[16], block[16];

    while (len) {
        size_t n = MIN(len, sizeof(block));

        eip93_aes128_block(p->key, mid, p->time);
        add_one(p->time, sizeof(p->time));
        xor_block(p->seed, mid);
        eip93_aes128_block(p->key, block, p->seed);
        xor_block(mid, block);
        eip93_aes128_block(p->key, p->seed, mid);
        memcpy(buf, block, n);
        buf += n;
        len -= n;
    }
}

/* Key, seed and time are where others have key and digests */
uint32_t eip93_prng_op(EIP93Op *op)
{
    EIP93State *s = op->s;

    switch (FIELD_EX32(op->desc[DESC_CTRL], CTRL, PRNG_MODE)) {
    case MODE_SEED:
        memcpy(s->prng.key, op->sa + SA_KEY, 16);
        memcpy(s->prng.seed, op->sa + SA_INNER, 16);
        memcpy(s->prng.time, op->sa + SA_OUTER, 16);
        break;
    case MODE_RUN:
        break;
    default:
        return EIP93_ERR(EIP93_ERR_OP);
    }
    eip93_prng_generate(&s->prng, s->out, op->length);
    op->out_len = op->length;
    return eip93_write_output(op);
}

/* The registers: one block of 16 bytes for each start */
uint32_t eip93_prng_read(EIP93State *s, hwaddr addr)
{
    switch (addr) {
    case A_PRNG_CTRL:
        return s->prng_ctrl;
    case A_PRNG_RES0 ... A_PRNG_RES0 + 12:
        return s->prng_result[(addr - A_PRNG_RES0) / 4];
    }
    /* never busy; seed and key cannot be read */
    return 0;
}

void eip93_prng_write(EIP93State *s, hwaddr addr, uint32_t val)
{
    uint8_t block[16];

    switch (addr) {
    case A_PRNG_CTRL:
        s->prng_ctrl = val;
        if (val & 1) {
            eip93_prng_generate(&s->prng, block, sizeof(block));
            for (int i = 0; i < 4; i++) {
                s->prng_result[i] = ldl_le_p(block + 4 * i);
            }
        }
        break;
    case A_PRNG_SEED0 ... A_PRNG_SEED0 + 12:
        stl_le_p(s->prng.seed + (addr - A_PRNG_SEED0), val);
        break;
    case A_PRNG_KEY0 ... A_PRNG_KEY0 + 12:
        stl_le_p(s->prng.key + (addr - A_PRNG_KEY0), val);
        break;
    case A_PRNG_LFSR0 ... A_PRNG_LFSR0 + 4:
        stl_le_p(s->prng.time + (addr - A_PRNG_LFSR0), val);
        break;
    }
}
