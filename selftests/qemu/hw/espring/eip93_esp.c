/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SafeXcel EIP-93: the ESP operations (RFC 4303).
 *
 * Outbound, the input is what ESP protects; the engine makes header, IV,
 * trailer and ICV, and keeps the sequence number in the SA record. Inbound,
 * the input is the packet from the ESP header to the ICV.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "eip93_op.h"

#define ESP_HEADER      8
#define ESP_TRAILER     2
#define WINDOW          64

/* What both directions work with */
typedef struct Esp {
    EIP93Cipher c;
    EIP93Hash h;
    bool hash;
    uint32_t icv;
    uint64_t bytes;
    uint32_t digest[EIP93_DIGEST_WORDS];
    uint8_t tag[4 * EIP93_DIGEST_WORDS];
} Esp;

static bool store_seq(EIP93Op *op)
{
    return eip93_dma_write(op->s, op->desc[DESC_SA] + SA_SEQ, op->sa + SA_SEQ,
                           SA_NONCE - SA_SEQ,
                           FIELD_EX32(op->s->pe_config, PE_CONFIG, SWAP_SA));
}

/* IV bytes on the wire: a counter mode has a nonce and a counter around them */
static unsigned wire_iv_len(const EIP93Cipher *c)
{
    return c->mode >= EIP93_CTR ? 8 : eip93_cipher_iv_len(c);
}

static void set_iv(EIP93Op *op, EIP93Cipher *c, const uint8_t *wire)
{
    if (c->mode < EIP93_CTR) {
        memcpy(c->iv, wire, eip93_cipher_iv_len(c));
        return;
    }
    memcpy(c->iv, op->sa + SA_NONCE, 4);
    memcpy(c->iv + 4, wire, 8);
    stl_be_p(c->iv + 12, 1);
}

/*
 * The trailer fills up the cipher's blocks, and what the descriptor asks for:
 * its pad control is the exponent of an alignment.
 */
static uint32_t pad_len(EIP93Op *op, const EIP93Cipher *c)
{
    uint32_t ctrl = FIELD_EX32(op->desc[DESC_CTRL], CTRL, PAD_CTRL);
    uint32_t align = MAX(1u << MIN(ctrl, 8), 4);

    align = MAX(align, eip93_cipher_unit(c));
    return ROUND_UP(op->length + ESP_TRAILER, align) - op->length - ESP_TRAILER;
}

static uint32_t next_seq(EIP93Op *op)
{
    uint32_t seq = ldl_le_p(op->sa + SA_SEQ);

    if (seq == UINT32_MAX) {
        return EIP93_ST_SEQ;
    }
    stl_le_p(op->sa + SA_SEQ, seq + 1);
    return 0;
}

static uint32_t esp_begin(EIP93Op *op, Esp *e, bool encrypt)
{
    uint32_t err = eip93_load_cipher(op, &e->c, encrypt);

    e->hash = FIELD_EX32(op->cmd0, CMD0, HASH) != EIP93_NO_HASH;
    e->icv = e->hash ? eip93_icv_len(op) : 0;
    e->bytes = 0;
    return !err && e->hash ? eip93_load_hash(op, &e->h) : err;
}

/* The ICV of a packet from its ESP header through its ciphertext */
static void esp_tag(EIP93Op *op, Esp *e, const uint8_t *packet, uint32_t len)
{
    if (!e->hash) {
        return;
    }
    eip93_hash_update(&e->h, packet, len);
    e->bytes = e->h.bytes;
    eip93_finish_hash(op, &e->h, e->digest);
    eip93_digest_bytes(e->h.alg, e->digest, EIP93_DIGEST_WORDS, e->tag);
}

static uint32_t esp_end(EIP93Op *op, Esp *e, bool seq)
{
    if (e->hash && FIELD_EX32(op->cmd1, CMD1, COPY_DIGEST)) {
        memcpy(op->s->out + op->out_len, e->tag, e->icv);
        op->out_len += e->icv;
    }
    if (seq && !store_seq(op)) {
        return EIP93_ERR(EIP93_ERR_BUS);
    }
    return eip93_write_output(op) ?:
           eip93_save_state(op, &e->c, e->bytes, e->hash ? e->digest : NULL);
}

uint32_t eip93_esp_out(EIP93Op *op)
{
    EIP93State *s = op->s;
    uint32_t source = FIELD_EX32(op->cmd0, CMD0, IV_SOURCE);
    uint32_t pad, body, iv_len, head, err;
    uint8_t *p = s->out;
    Esp e;

    err = esp_begin(op, &e, true) ?: eip93_read_input(op, 0);
    if (err) {
        return err;
    }
    if (op->bypass) {
        return EIP93_ERR(EIP93_ERR_OP);
    }
    err = next_seq(op);
    if (err) {
        op->status |= err;
        return 0;
    }

    if (FIELD_EX32(op->cmd0, CMD0, HEADER)) {
        stl_be_p(p, ldl_le_p(op->sa + SA_SPI));
        stl_be_p(p + 4, ldl_le_p(op->sa + SA_SEQ));
        p += ESP_HEADER;
    }
    iv_len = wire_iv_len(&e.c);
    if (iv_len) {
        if (source == IV_PRNG) {
            eip93_prng_generate(&s->prng, p, iv_len);
        } else {
            memcpy(p, e.c.iv, iv_len);
        }
        set_iv(op, &e.c, p);
        p += iv_len;
    }
    head = p - s->out;

    pad = pad_len(op, &e.c);
    if (pad > 255) {
        return EIP93_ERR(EIP93_ERR_PKT_LENGTH);
    }
    body = op->length + pad + ESP_TRAILER;
    memcpy(p, s->in, op->length);
    for (uint32_t i = 0; i < pad; i++) {
        p[op->length + i] = i + 1;
    }
    p[body - 2] = pad;
    p[body - 1] = FIELD_EX32(op->desc[DESC_CTRL], CTRL, PAD_VALUE);
    eip93_cipher(&e.c, p, p, body);

    op->out_len = head + body;
    esp_tag(op, &e, s->out, op->out_len);
    return esp_end(op, &e, true);
}

/* The window's bit i is for the highest number seen less i */
static bool seq_is_new(EIP93Op *op, uint32_t seq)
{
    uint32_t top = ldl_le_p(op->sa + SA_SEQ);
    uint64_t mask = ldq_le_p(op->sa + SA_SEQ_MASK);

    if (!seq) {
        return false;
    }
    return seq > top ||
           (top - seq < WINDOW && !(mask & 1ULL << (top - seq)));
}

static void seq_seen(EIP93Op *op, uint32_t seq)
{
    uint32_t top = ldl_le_p(op->sa + SA_SEQ);
    uint64_t mask = ldq_le_p(op->sa + SA_SEQ_MASK);

    if (seq > top) {
        mask = seq - top < WINDOW ? mask << (seq - top) : 0;
        top = seq;
    }
    mask |= 1ULL << (top - seq);
    stl_le_p(op->sa + SA_SEQ, top);
    stq_le_p(op->sa + SA_SEQ_MASK, mask);
}

/* Length of the trailer, and whether its padding is what RFC 4303 says */
static uint32_t check_trailer(EIP93Op *op, const uint8_t *body, uint32_t len)
{
    uint32_t pad = len >= ESP_TRAILER ? body[len - 2] : 0;

    if (len < ESP_TRAILER || pad + ESP_TRAILER > len) {
        op->status |= EIP93_ST_PAD;
        return 0;
    }
    for (uint32_t i = 0; i < pad; i++) {
        if (body[len - ESP_TRAILER - pad + i] != i + 1) {
            op->status |= EIP93_ST_PAD;
        }
    }
    op->desc[DESC_CTRL] = FIELD_DP32(op->desc[DESC_CTRL], CTRL, PAD_VALUE,
                                     body[len - 1]);
    op->desc[DESC_CTRL] = FIELD_DP32(op->desc[DESC_CTRL], CTRL, PAD_CTRL, pad);
    return pad + ESP_TRAILER;
}

uint32_t eip93_esp_in(EIP93Op *op)
{
    EIP93State *s = op->s;
    bool check_seq = FIELD_EX32(op->cmd1, CMD1, SEQ_CHECK);
    uint32_t head, len, seq, trailer, err;
    uint8_t *p = s->out;
    bool accept;
    Esp e;

    err = esp_begin(op, &e, false);
    if (err) {
        return err;
    }
    head = ESP_HEADER + wire_iv_len(&e.c);
    if (op->bypass || op->length < head + e.icv) {
        return EIP93_ERR(EIP93_ERR_PKT_LENGTH);
    }
    len = op->length - head - e.icv;
    if (len % eip93_cipher_unit(&e.c)) {
        return EIP93_ERR(EIP93_ERR_BLOCK);
    }
    err = eip93_read_input(op, 0);
    if (err) {
        return err;
    }
    if (FIELD_EX32(op->cmd0, CMD0, HEADER) &&
        ldl_be_p(s->in) != ldl_le_p(op->sa + SA_SPI)) {
        return EIP93_ERR(EIP93_ERR_SPI);
    }
    seq = ldl_be_p(s->in + 4);
    if (check_seq && !seq_is_new(op, seq)) {
        op->status |= EIP93_ST_SEQ;
    }
    if (FIELD_EX32(op->cmd0, CMD0, IV_SOURCE) == IV_INPUT) {
        set_iv(op, &e.c, s->in + ESP_HEADER);
    }

    esp_tag(op, &e, s->in, head + len);
    if (e.hash && memcmp(e.tag, s->in + head + len, e.icv)) {
        op->status |= EIP93_ST_AUTH;
    }
    if (FIELD_EX32(op->cmd1, CMD1, COPY_HEADER)) {
        memcpy(p, s->in, head);
        p += head;
    }
    eip93_cipher(&e.c, p, s->in + head, len);
    trailer = check_trailer(op, p, len);
    op->out_len = p - s->out + len;
    if (!FIELD_EX32(op->cmd1, CMD1, COPY_PAD)) {
        op->out_len -= trailer;
    }

    accept = check_seq && !(op->status & (EIP93_ST_AUTH | EIP93_ST_SEQ));
    if (accept) {
        seq_seen(op, seq);
    }
    return esp_end(op, &e, accept);
}
