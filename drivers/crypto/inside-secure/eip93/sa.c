// SPDX-License-Identifier: GPL-2.0-only
/*
 * SAs: parameters into the engine's records. The records are a pool that is
 * allocated once, in coherent memory: see ring.c.
 */
#include <crypto/aes.h>
#include <crypto/hash.h>
#include <crypto/hmac.h>
#include <crypto/md5.h>
#include <crypto/sha1.h>
#include <crypto/sha2.h>
#include <linux/bitfield.h>
#include <linux/bitmap.h>
#include <linux/dma-mapping.h>
#include <linux/slab.h>

#include "eip93.h"

/* Of all three hashes. */
#define HASH_BLOCK		64
#define STATE_WORDS_MAX		(SHA256_DIGEST_SIZE / sizeof(u32))

struct auth_info {
	const char *hash;
	u8 code;
	u8 state_words;
	bool swap;
};

static const struct auth_info auths[] = {
	[ESP_RING_AUTH_HMAC_MD5] = {
		"md5", EIP93_HASH_MD5, MD5_DIGEST_SIZE / sizeof(u32), false
	},
	[ESP_RING_AUTH_HMAC_SHA1] = {
		"sha1", EIP93_HASH_SHA1, SHA1_DIGEST_SIZE / sizeof(u32), true
	},
	[ESP_RING_AUTH_HMAC_SHA256] = {
		"sha256", EIP93_HASH_SHA256, STATE_WORDS_MAX, true
	},
};

/**
 * eip93_sa_init - the pool of records
 * @e: the device
 * @nr_sas: for so many SAs
 *
 * Return: 0 or -ENOMEM.
 */
int eip93_sa_init(struct eip93 *e, unsigned int nr_sas)
{
	e->nr_records = nr_sas * EIP93_MAX_RECORDS;
	mutex_init(&e->sa_lock);
	e->sa_pool = dmam_alloc_coherent(e->dev,
					 e->nr_records * sizeof(*e->sa_pool),
					 &e->sa_pool_dma, GFP_KERNEL);
	e->sa_used = devm_bitmap_zalloc(e->dev, e->nr_records, GFP_KERNEL);
	return e->sa_pool && e->sa_used ? 0 : -ENOMEM;
}

/*
 * One block through the hash. What export() gives begins with the state, in the
 * CPU's words, for all three and in all kernels; the self test would notice.
 */
static int hash_block(struct shash_desc *desc, const u8 *block, void *export,
		      u32 *state, unsigned int words)
{
	int err = crypto_shash_init(desc) ?:
		  crypto_shash_update(desc, block, HASH_BLOCK) ?:
		  crypto_shash_export(desc, export);

	if (!err)
		memcpy(state, export, words * sizeof(u32));
	return err;
}

/* Both hash states of HMAC (RFC 2104), into the record. */
static int set_auth_key(struct eip93_sa_record *rec,
			const struct esp_ring_sa_params *p)
{
	const struct auth_info *auth = &auths[p->auth];
	struct crypto_shash *tfm = crypto_alloc_shash(auth->hash, 0, 0);
	struct shash_desc *desc = NULL;
	u8 pad[HASH_BLOCK] = { };
	u8 *export = NULL;
	int err = -ENOMEM;
	unsigned int i;

	if (IS_ERR(tfm))
		return PTR_ERR(tfm);
	desc = kzalloc(sizeof(*desc) + crypto_shash_descsize(tfm), GFP_KERNEL);
	export = kzalloc(crypto_shash_statesize(tfm), GFP_KERNEL);
	if (!desc || !export)
		goto out;
	desc->tfm = tfm;

	if (p->auth_key_len > HASH_BLOCK) {
		err = crypto_shash_digest(desc, p->auth_key, p->auth_key_len,
					  pad);
		if (err)
			goto out;
	} else {
		memcpy(pad, p->auth_key, p->auth_key_len);
	}

	for (i = 0; i < HASH_BLOCK; i++)
		pad[i] ^= HMAC_IPAD_VALUE;
	err = hash_block(desc, pad, export, rec->inner, auth->state_words);
	if (err)
		goto out;
	for (i = 0; i < HASH_BLOCK; i++)
		pad[i] ^= HMAC_IPAD_VALUE ^ HMAC_OPAD_VALUE;
	err = hash_block(desc, pad, export, rec->outer, auth->state_words);
out:
	memzero_explicit(pad, sizeof(pad));
	kfree_sensitive(export);
	kfree_sensitive(desc);
	crypto_free_shash(tfm);
	return err;
}

/* Outbound in CBC the IV is a nonce that is encrypted before the payload. */
static bool encrypts_iv(const struct eip93 *e,
			const struct esp_ring_sa_params *p)
{
	return e->nonce && p->dir == ESP_RING_ENCRYPT &&
	       (p->cipher == ESP_RING_CIPHER_AES_CBC ||
		p->cipher == ESP_RING_CIPHER_DES3_CBC);
}

/* Cipher and its key; returns cmd1's part, cmd0's in *cmd0. */
static u32 set_cipher(struct eip93_sa_record *rec, struct eip93_sa *sa,
		      const struct esp_ring_sa_params *p, u32 *cmd0)
{
	unsigned int key_len = p->key_len;
	u32 mode = EIP93_MODE_CBC;

	switch (p->cipher) {
	case ESP_RING_CIPHER_AES_CTR:
		key_len -= sizeof(sa->nonce);
		memcpy(&sa->nonce, p->key + key_len, sizeof(sa->nonce));
		sa->counter = true;
		mode = EIP93_MODE_CTR;
		fallthrough;
	case ESP_RING_CIPHER_AES_CBC:
		*cmd0 = FIELD_PREP(EIP93_CMD0_CIPHER, EIP93_CIPHER_AES) |
			EIP93_CMD0_IV_FROM_STATE;
		memcpy(rec->key, p->key, key_len);
		return FIELD_PREP(EIP93_CMD1_MODE, mode) |
		       FIELD_PREP(EIP93_CMD1_AES_KEY_LEN, key_len / 8);
	case ESP_RING_CIPHER_DES3_CBC:
		*cmd0 = FIELD_PREP(EIP93_CMD0_CIPHER, EIP93_CIPHER_3DES) |
			EIP93_CMD0_IV_FROM_STATE;
		memcpy(rec->key, p->key, key_len);
		return FIELD_PREP(EIP93_CMD1_MODE, mode);
	default:
		*cmd0 = FIELD_PREP(EIP93_CMD0_CIPHER, EIP93_CIPHER_NULL);
		return FIELD_PREP(EIP93_CMD1_MODE, EIP93_MODE_ECB);
	}
}

static u32 hash_cmd0(const struct esp_ring_sa_params *p)
{
	return FIELD_PREP(EIP93_CMD0_HASH, auths[p->auth].code) |
	       FIELD_PREP(EIP93_CMD0_DIGEST_WORDS, p->icv_len / sizeof(u32));
}

/* One operation does both: the hash from the ESP header on, the cipher behind. */
static int fill_one(struct eip93_sa_record *rec, struct eip93_sa *sa,
		    const struct esp_ring_sa_params *p)
{
	u32 cmd0, cmd1 = set_cipher(rec, sa, p, &cmd0);

	cmd0 |= FIELD_PREP(EIP93_CMD0_OP, EIP93_OP_CRYPT_HASH) |
		EIP93_CMD0_PAD_ZERO | hash_cmd0(p);
	cmd1 |= EIP93_CMD1_HMAC | EIP93_CMD1_COPY_HEADER |
		FIELD_PREP(EIP93_CMD1_CRYPT_OFFSET, sa->clear / sizeof(u32));
	if (p->dir == ESP_RING_DECRYPT)
		cmd0 |= EIP93_CMD0_INBOUND;
	else
		cmd1 |= EIP93_CMD1_COPY_DIGEST | EIP93_CMD1_COPY_PAD;
	rec->cmd0 = cmd0;
	rec->cmd1 = cmd1;
	return set_auth_key(rec, p);
}

/*
 * With ESN the hash covers four bytes behind the ciphertext that the cipher must
 * not touch, and the engine knows no such thing in one operation. The hash goes
 * into the state record: where it would be written in the packet, behind those
 * four bytes, it would be four bytes too far.
 */
static int fill_two(struct eip93_sa_record *crypt, struct eip93_sa_record *hash,
		    struct eip93_sa *sa, const struct esp_ring_sa_params *p)
{
	u32 cmd0;

	crypt->cmd1 = set_cipher(crypt, sa, p, &cmd0);
	crypt->cmd0 = cmd0 | FIELD_PREP(EIP93_CMD0_OP, EIP93_OP_CRYPT) |
		      FIELD_PREP(EIP93_CMD0_HASH, EIP93_HASH_NULL) |
		      EIP93_CMD0_PAD_ZERO;
	if (p->dir == ESP_RING_DECRYPT)
		crypt->cmd0 |= EIP93_CMD0_INBOUND;

	hash->cmd0 = FIELD_PREP(EIP93_CMD0_OP, EIP93_OP_HASH) |
		     FIELD_PREP(EIP93_CMD0_CIPHER, EIP93_CIPHER_NULL) |
		     EIP93_CMD0_PAD_ZERO | EIP93_CMD0_SAVE_HASH | hash_cmd0(p);
	hash->cmd1 = EIP93_CMD1_HMAC;
	return set_auth_key(hash, p);
}

static int take_records(struct eip93 *e, struct eip93_sa *sa)
{
	unsigned int i;

	mutex_lock(&e->sa_lock);
	i = bitmap_find_next_zero_area(e->sa_used, e->nr_records, 0,
				       sa->nr_records, 0);
	if (i < e->nr_records)
		bitmap_set(e->sa_used, i, sa->nr_records);
	mutex_unlock(&e->sa_lock);
	if (i >= e->nr_records)
		return -ENOSPC;

	sa->record = i;
	sa->crypt_dma = lower_32_bits(e->sa_pool_dma) + i * sizeof(*e->sa_pool);
	if (sa->esn)
		sa->hash_dma = sa->crypt_dma + sizeof(*e->sa_pool);
	return 0;
}

/**
 * eip93_sa_new - make the records of an SA
 * @e: the device
 * @params: of a kind that is in the table of capabilities
 * @extack: says why not; may be NULL
 *
 * Process context.
 *
 * Return: the SA or an ERR_PTR.
 */
struct eip93_sa *eip93_sa_new(struct eip93 *e,
			      const struct esp_ring_sa_params *params,
			      struct netlink_ext_ack *extack)
{
	struct eip93_sa_record *rec;
	struct eip93_sa *sa;
	int err;

	sa = kzalloc(sizeof(*sa), GFP_KERNEL);
	if (!sa)
		return ERR_PTR(-ENOMEM);

	sa->e = e;
	sa->dir = params->dir;
	sa->head = EIP93_ESP_HDR + params->iv_len;
	sa->clear = encrypts_iv(e, params) ? EIP93_ESP_HDR : sa->head;
	sa->icv_len = params->icv_len;
	sa->esn = params->esn;
	sa->crypt = params->cipher != ESP_RING_CIPHER_NULL;
	sa->swap = auths[params->auth].swap;
	sa->nr_descs = sa->esn && sa->crypt ? 2 : 1;
	sa->nr_records = sa->esn ? 2 : 1;
	err = take_records(e, sa);
	if (err) {
		NL_SET_ERR_MSG_MOD(extack, "the EIP-93's SA records are all in use");
		kfree(sa);
		return ERR_PTR(err);
	}

	rec = &e->sa_pool[sa->record];
	err = sa->esn ? fill_two(rec, rec + 1, sa, params) :
			fill_one(rec, sa, params);
	if (err) {
		NL_SET_ERR_MSG_MOD(extack, "the integrity key cannot be prepared");
		eip93_sa_free(e, sa);
		return ERR_PTR(err);
	}
	return sa;
}

/**
 * eip93_sa_free - forget an SA
 * @e: the device, which has no packet of it
 * @sa: the SA
 */
void eip93_sa_free(struct eip93 *e, struct eip93_sa *sa)
{
	memzero_explicit(&e->sa_pool[sa->record],
			 sa->nr_records * sizeof(*e->sa_pool));
	mutex_lock(&e->sa_lock);
	bitmap_clear(e->sa_used, sa->record, sa->nr_records);
	mutex_unlock(&e->sa_lock);
	kfree_sensitive(sa);
}
