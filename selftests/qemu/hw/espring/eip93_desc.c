/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SafeXcel EIP-93: execution of one descriptor, the basic operations.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/log.h"
#include "exec/address-spaces.h"
#include "exec/memory.h"
#include "eip93_op.h"

/* The engine's addresses have 32 bits; it reaches memory only, no devices */
static const MemTxAttrs dma_attrs = { .memory = 1 };

static void swap_words(void *buf, size_t len)
{
    uint8_t *p = buf;

    for (size_t i = 0; i < len; i += 4) {
        stl_le_p(p + i, ldl_be_p(p + i));
    }
}

/* All byte lanes of the master interface turned around, whatever the data is */
static bool lanes_reversed(EIP93State *s)
{
    return (s->endian & 0xff) == 0x1b;
}

/* With swap, buf must have room for whole words */
bool eip93_dma_read(EIP93State *s, uint32_t addr, void *buf, size_t len,
                    bool swap)
{
    swap ^= lanes_reversed(s);
    if (swap) {
        len = ROUND_UP(len, 4);
    }
    if ((addr & 3) || (uint64_t)addr + len > 1ULL << 32 ||
        address_space_read(&address_space_memory, addr, dma_attrs, buf, len)) {
        return false;
    }
    if (swap) {
        swap_words(buf, len);
    }
    return true;
}

bool eip93_dma_write(EIP93State *s, uint32_t addr, const void *buf, size_t len,
                     bool swap)
{
    g_autofree uint8_t *copy = NULL;

    swap ^= lanes_reversed(s);
    if (swap) {
        copy = g_malloc0(ROUND_UP(len, 4));
        memcpy(copy, buf, len);
        len = ROUND_UP(len, 4);
        swap_words(copy, len);
        buf = copy;
    }
    return !(addr & 3) && (uint64_t)addr + len <= 1ULL << 32 &&
           !address_space_write(&address_space_memory, addr, dma_attrs, buf,
                                len);
}

static bool swap_data(EIP93Op *op)
{
    return FIELD_EX32(op->s->pe_config, PE_CONFIG, SWAP_DATA);
}

static bool swap_sa(EIP93Op *op)
{
    return FIELD_EX32(op->s->pe_config, PE_CONFIG, SWAP_SA);
}

uint32_t eip93_read_input(EIP93Op *op, size_t extra)
{
    return eip93_dma_read(op->s, op->desc[DESC_SRC], op->s->in,
                          op->length + extra, swap_data(op)) ?
           0 : EIP93_ERR(EIP93_ERR_BUS);
}

uint32_t eip93_write_output(EIP93Op *op)
{
    return !op->out_len ||
           eip93_dma_write(op->s, op->desc[DESC_DST], op->s->out, op->out_len,
                           swap_data(op)) ?
           0 : EIP93_ERR(EIP93_ERR_BUS);
}

/* A unit whose clock is off never finishes: only a reset helps */
static bool no_clock(EIP93Op *op, bool on, const char *unit)
{
    if (!on) {
        qemu_log_mask(LOG_GUEST_ERROR, "eip93: %s used without its clock\n",
                      unit);
        op->s->stuck = true;
    }
    return !on;
}

/*
 * Only the part of a state record that is used is read: drivers let it be an IV
 * alone. Address 0 is none.
 */
static uint32_t load_iv(EIP93Op *op, EIP93Cipher *c)
{
    unsigned len = eip93_cipher_iv_len(c);
    uint32_t state = op->desc[DESC_STATE];

    memset(c->iv, 0, sizeof(c->iv));
    switch (FIELD_EX32(op->cmd0, CMD0, IV_SOURCE)) {
    case IV_KEEP:
        memcpy(c->iv, op->s->last_iv, sizeof(c->iv));
        break;
    case IV_STATE:
        if (len && state &&
            !eip93_dma_read(op->s, state + STATE_IV, c->iv, len, swap_sa(op))) {
            return EIP93_ERR(EIP93_ERR_BUS);
        }
        break;
    }
    return 0;
}

uint32_t eip93_load_cipher(EIP93Op *op, EIP93Cipher *c, bool encrypt)
{
    EIP93State *s = op->s;
    uint32_t aes_key = FIELD_EX32(op->cmd1, CMD1, AES_KEY);
    uint32_t aes_keys = FIELD_EX32(s->option_1, OPTION_1, AES_KEYS);

    c->alg = FIELD_EX32(op->cmd0, CMD0, CIPHER);
    c->mode = FIELD_EX32(op->cmd1, CMD1, MODE);
    c->encrypt = encrypt;
    switch (c->alg) {
    case EIP93_NO_CIPHER:
        c->mode = EIP93_ECB;
        return 0;
    case EIP93_DES:
    case EIP93_3DES:
        if (!FIELD_EX32(s->option_1, OPTION_1, DES) || c->mode > EIP93_CBC) {
            return EIP93_ERR(EIP93_ERR_ALG);
        }
        if (no_clock(op, FIELD_EX32(s->clocks, CLOCK_CTRL, DES), "DES")) {
            return EIP93_ERR(EIP93_ERR_PROC);
        }
        c->key_len = c->alg == EIP93_DES ? 8 : 24;
        break;
    case EIP93_AES:
        /* a decryption key schedule's last key is not taken, see README.md */
        if (!FIELD_EX32(s->option_1, OPTION_1, AES) ||
            aes_key < 2 || aes_key > 4 ||
            !(aes_keys & 1 << (aes_key - 2)) ||
            FIELD_EX32(op->cmd1, CMD1, DEC_KEY)) {
            return EIP93_ERR(EIP93_ERR_ALG);
        }
        if (no_clock(op, FIELD_EX32(s->clocks, CLOCK_CTRL, AES), "AES")) {
            return EIP93_ERR(EIP93_ERR_PROC);
        }
        c->key_len = 8 * aes_key;
        break;
    default:
        return EIP93_ERR(EIP93_ERR_ALG);
    }
    memcpy(c->key, op->sa + SA_KEY, c->key_len);
    return load_iv(op, c);
}

static void load_words(uint32_t *words, const uint8_t *record)
{
    for (int i = 0; i < EIP93_DIGEST_WORDS; i++) {
        words[i] = ldl_le_p(record + 4 * i);
    }
}

uint32_t eip93_load_hash(EIP93Op *op, EIP93Hash *h)
{
    uint32_t alg = FIELD_EX32(op->cmd0, CMD0, HASH);
    uint8_t state[EIP93_STATE_SIZE - STATE_COUNT] = { 0 };
    uint32_t words[EIP93_DIGEST_WORDS];
    uint64_t bytes;

    if (alg > EIP93_SHA256 ||
        !(FIELD_EX32(op->s->option_1, OPTION_1, HASHES) & 1 << alg)) {
        return EIP93_ERR(EIP93_ERR_ALG);
    }
    if (no_clock(op, FIELD_EX32(op->s->clocks, CLOCK_CTRL, HASH), "hash")) {
        return EIP93_ERR(EIP93_ERR_PROC);
    }
    switch (FIELD_EX32(op->cmd0, CMD0, HASH_SOURCE)) {
    case HASH_SA:
        /* HMAC's key block has gone before */
        load_words(words, op->sa + SA_INNER);
        eip93_hash_import(h, alg, words, EIP93_HASH_BLOCK);
        return 0;
    case HASH_STATE:
        if (op->desc[DESC_STATE] &&
            !eip93_dma_read(op->s, op->desc[DESC_STATE] + STATE_COUNT, state,
                            sizeof(state), swap_sa(op))) {
            return EIP93_ERR(EIP93_ERR_BUS);
        }
        bytes = ldq_le_p(state);
        if (bytes % EIP93_HASH_BLOCK) {
            return EIP93_ERR(EIP93_ERR_PROC);
        }
        load_words(words, state + STATE_DIGEST - STATE_COUNT);
        eip93_hash_import(h, alg, words, bytes);
        return 0;
    case HASH_INIT:
        eip93_hash_init(h, alg);
        return 0;
    }
    return EIP93_ERR(EIP93_ERR_OP);
}

uint32_t eip93_icv_len(EIP93Op *op)
{
    uint32_t words = FIELD_EX32(op->cmd0, CMD0, DIGEST_WORDS);

    /* SRTP and TLS have more words than a digest */
    return 4 * MIN(words ?: 3, EIP93_DIGEST_WORDS);
}

void eip93_finish_hash(EIP93Op *op, EIP93Hash *h, uint32_t *digest)
{
    uint32_t words[EIP93_DIGEST_WORDS];
    uint8_t inner[4 * EIP93_DIGEST_WORDS];
    unsigned n = eip93_digest_words(h->alg);

    eip93_hash_final(h, digest);
    if (FIELD_EX32(op->cmd1, CMD1, HMAC)) {
        eip93_digest_bytes(h->alg, digest, n, inner);
        load_words(words, op->sa + SA_OUTER);
        eip93_hash_import(h, h->alg, words, EIP93_HASH_BLOCK);
        eip93_hash_update(h, inner, 4 * n);
        eip93_hash_final(h, digest);
    }
    if (eip93_strikes(op->s, &op->s->faults.wrong_icv)) {
        digest[0] ^= 1;
    }
}

uint32_t eip93_save_state(EIP93Op *op, const EIP93Cipher *c, uint64_t bytes,
                          const uint32_t *digest)
{
    uint32_t addr = op->desc[DESC_STATE];
    unsigned iv_len = c ? eip93_cipher_iv_len(c) : 0;
    uint8_t buf[EIP93_STATE_SIZE - STATE_COUNT];

    if (iv_len) {
        memcpy(op->s->last_iv, c->iv, sizeof(op->s->last_iv));
    }
    if (!addr) {
        return 0;
    }
    if (iv_len && FIELD_EX32(op->cmd0, CMD0, SAVE_IV) &&
        !eip93_dma_write(op->s, addr + STATE_IV, c->iv, iv_len, swap_sa(op))) {
        return EIP93_ERR(EIP93_ERR_BUS);
    }
    if (digest && FIELD_EX32(op->cmd0, CMD0, SAVE_HASH)) {
        stq_le_p(buf, bytes);
        for (int i = 0; i < EIP93_DIGEST_WORDS; i++) {
            stl_le_p(buf + 8 + 4 * i, digest[i]);
        }
        if (!eip93_dma_write(op->s, addr + STATE_COUNT, buf, sizeof(buf),
                             swap_sa(op))) {
            return EIP93_ERR(EIP93_ERR_BUS);
        }
    }
    return 0;
}

/* Hash only. The digest goes to the state record or behind what is copied. */
static uint32_t hash_op(EIP93Op *op)
{
    EIP93State *s = op->s;
    bool final = FIELD_EX32(op->desc[DESC_CTRL], CTRL, HASH_FINAL) ||
                 FIELD_EX32(op->cmd1, CMD1, HMAC);
    uint32_t skip = 4 * op->bypass;
    uint32_t digest[EIP93_DIGEST_WORDS];
    EIP93Hash h;
    uint64_t bytes;
    uint32_t err;

    err = eip93_load_hash(op, &h) ?: eip93_read_input(op, 0);
    if (err) {
        return err;
    }
    if (!final && (op->length - skip) % EIP93_HASH_BLOCK) {
        return EIP93_ERR(EIP93_ERR_BLOCK);
    }
    eip93_hash_update(&h, s->in + skip, op->length - skip);
    bytes = h.bytes;
    if (final) {
        eip93_finish_hash(op, &h, digest);
    } else {
        eip93_hash_export(&h, digest);
    }
    if (FIELD_EX32(op->cmd1, CMD1, COPY_PAYLOAD)) {
        memcpy(s->out, s->in, op->length);
        op->out_len = op->length;
    }
    if (final && FIELD_EX32(op->cmd1, CMD1, COPY_DIGEST) &&
        !FIELD_EX32(op->cmd0, CMD0, SAVE_HASH)) {
        for (int i = 0; i < eip93_icv_len(op) / 4; i++) {
            stl_le_p(s->out + op->out_len + 4 * i, digest[i]);
        }
        op->out_len += eip93_icv_len(op);
    }
    return eip93_write_output(op) ?:
           eip93_save_state(op, NULL, bytes, digest);
}

/* Input that is copied but not encrypted, counted from the bypassed words on */
static uint32_t header_len(EIP93Op *op, bool hash)
{
    uint32_t offset = FIELD_EX32(op->cmd1, CMD1, OFFSET);

    if (!hash) {
        return 0;
    }
    return FIELD_EX32(op->cmd1, CMD1, OFFSET_BYTES) ? offset : 4 * offset;
}

/*
 * Encryption or decryption, with a hash over header and ciphertext or without.
 * An ICV of a packet that comes in lies behind the given length and is
 * compared as it is on the wire; one that goes out is written as words.
 */
static uint32_t crypt_op(EIP93Op *op, bool hash)
{
    EIP93State *s = op->s;
    bool in = FIELD_EX32(op->cmd0, CMD0, INBOUND);
    uint32_t skip = 4 * op->bypass;
    uint32_t head = header_len(op, hash);
    uint32_t icv = hash ? eip93_icv_len(op) : 0;
    uint32_t len, copied, err;
    uint32_t digest[EIP93_DIGEST_WORDS] = { 0 };
    uint8_t tag[4 * EIP93_DIGEST_WORDS];
    uint64_t bytes = 0;
    EIP93Cipher c;
    EIP93Hash h;

    err = eip93_load_cipher(op, &c, !in);
    if (!err && hash) {
        err = eip93_load_hash(op, &h);
    }
    if (err) {
        return err;
    }
    if (FIELD_EX32(op->cmd0, CMD0, IV_SOURCE) == IV_PRNG) {
        return EIP93_ERR(EIP93_ERR_OP);
    }
    if (FIELD_EX32(op->cmd0, CMD0, IV_SOURCE) == IV_INPUT) {
        head += eip93_cipher_iv_len(&c);
    }
    if (head > op->length - skip) {
        return EIP93_ERR(EIP93_ERR_PKT_LENGTH);
    }
    len = op->length - skip - head;
    if (len % eip93_cipher_unit(&c)) {
        return EIP93_ERR(EIP93_ERR_BLOCK);
    }
    err = eip93_read_input(op, in ? icv : 0);
    if (err) {
        return err;
    }
    if (FIELD_EX32(op->cmd0, CMD0, IV_SOURCE) == IV_INPUT) {
        memcpy(c.iv, s->in + skip + head - eip93_cipher_iv_len(&c),
               eip93_cipher_iv_len(&c));
    }

    if (hash && in) {
        eip93_hash_update(&h, s->in + skip, head + len);
    }
    copied = skip;
    memcpy(s->out, s->in, skip);
    if (FIELD_EX32(op->cmd1, CMD1, COPY_HEADER)) {
        memcpy(s->out + copied, s->in + skip, head);
        copied += head;
    }
    eip93_cipher(&c, s->out + copied, s->in + skip + head, len);
    op->out_len = copied + len;
    if (hash && !in) {
        eip93_hash_update(&h, s->in + skip, head);
        eip93_hash_update(&h, s->out + copied, len);
    }

    if (hash) {
        bytes = h.bytes;
        eip93_finish_hash(op, &h, digest);
        eip93_digest_bytes(h.alg, digest, EIP93_DIGEST_WORDS, tag);
        if (in && memcmp(tag, s->in + op->length, icv)) {
            op->status |= EIP93_ST_AUTH;
        }
        if (FIELD_EX32(op->cmd1, CMD1, COPY_DIGEST)) {
            for (int i = 0; i < icv / 4; i++) {
                stl_le_p(s->out + op->out_len + 4 * i, digest[i]);
            }
            op->out_len += icv;
        }
    }
    return eip93_write_output(op) ?:
           eip93_save_state(op, &c, bytes, hash ? digest : NULL);
}

static uint32_t basic_op(EIP93Op *op)
{
    bool in = FIELD_EX32(op->cmd0, CMD0, INBOUND);

    switch (FIELD_EX32(op->cmd0, CMD0, OPCODE)) {
    case OP_CRYPT:
        return crypt_op(op, false);
    case OP_CRYPT_HASH:
        return crypt_op(op, true);
    case OP_HASH:
        return hash_op(op);
    case OP_PRNG:
        return in ? EIP93_ERR(EIP93_ERR_OP) : eip93_prng_op(op);
    }
    return EIP93_ERR(EIP93_ERR_OP);
}

static uint32_t protocol_op(EIP93Op *op)
{
    if (FIELD_EX32(op->cmd0, CMD0, OPCODE) != OP_ESP) {
        qemu_log_mask(LOG_UNIMP, "eip93: only ESP of the protocols\n");
        return EIP93_ERR(EIP93_ERR_OP);
    }
    return FIELD_EX32(op->cmd0, CMD0, INBOUND) ? eip93_esp_in(op)
                                               : eip93_esp_out(op);
}

static uint32_t run_op(EIP93Op *op)
{
    EIP93State *s = op->s;
    uint32_t *desc = op->desc;

    if (FIELD_EX32(desc[DESC_CTRL], CTRL, OWN) != EIP93_OWN_HOST ||
        FIELD_EX32(desc[DESC_LENGTH], LENGTH, OWN) != EIP93_OWN_HOST) {
        return EIP93_ERR(EIP93_ERR_OWNER);
    }
    if (eip93_strikes(s, &s->faults.bus_error) ||
        ((desc[DESC_SRC] | desc[DESC_DST] | desc[DESC_STATE]) & 3) ||
        !eip93_dma_read(s, desc[DESC_SA], op->sa, EIP93_SA_SIZE, swap_sa(op))) {
        return EIP93_ERR(EIP93_ERR_BUS);
    }
    op->cmd0 = ldl_le_p(op->sa + SA_CMD0);
    op->cmd1 = ldl_le_p(op->sa + SA_CMD1);
    if (!op->length) {
        return EIP93_ERR(EIP93_ERR_ZERO);
    }
    if (4 * op->bypass >= op->length) {
        return EIP93_ERR(EIP93_ERR_PKT_LENGTH);
    }
    switch (FIELD_EX32(op->cmd0, CMD0, GROUP)) {
    case GROUP_BASIC:
        return basic_op(op);
    case GROUP_PROTOCOL:
        return protocol_op(op);
    }
    return EIP93_ERR(EIP93_ERR_OP);
}

static void count(EIP93Op *op)
{
    EIP93Stats *st = &op->s->stats;

    if (FIELD_EX32(op->cmd0, CMD0, INBOUND)) {
        st->desc_in++;
        st->bytes_in += op->length;
    } else {
        st->desc_out++;
        st->bytes_out += op->length;
    }
    if (op->status & EIP93_ST_EXT) {
        st->errors++;
    } else if (op->status & EIP93_ST_AUTH) {
        st->auth_errors++;
    }
}

/* Makes the result out of the command, in place */
void eip93_execute(EIP93State *s, uint32_t *desc)
{
    EIP93Op op = {
        .s = s,
        .desc = desc,
        .length = FIELD_EX32(desc[DESC_LENGTH], LENGTH, BYTES),
        .bypass = FIELD_EX32(desc[DESC_LENGTH], LENGTH, BYPASS),
    };
    uint32_t err = run_op(&op);

    if (s->stuck) {
        return;
    }
    if (err) {
        op.status = err;
        op.out_len = 0;
    }
    count(&op);
    desc[DESC_CTRL] &= ~(R_CTRL_STATUS_MASK | R_CTRL_OWN_MASK);
    desc[DESC_CTRL] |= op.status | EIP93_OWN_ENGINE;
    desc[DESC_LENGTH] = FIELD_DP32(desc[DESC_LENGTH], LENGTH, BYTES,
                                   op.out_len);
    desc[DESC_LENGTH] = FIELD_DP32(desc[DESC_LENGTH], LENGTH, OWN,
                                   EIP93_OWN_ENGINE);
    memset(op.sa, 0, sizeof(op.sa));
}
