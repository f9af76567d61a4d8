// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is offered: what the device says that it has (OPTION_1), as far as the
 * self test finds that it does it right.
 */
#include "eip93.h"

#define ICV(n)		BIT_ULL(n)
#define KEY(n)		BIT_ULL(n)

/** struct part - a cipher or a hash of the engine
 * @id: the layer's name of it
 * @option: bits of OPTION_1 that it takes
 * @legacy: only on demand: the algorithm is deprecated for ESP (RFC 8221)
 */
struct part {
	u8 id;
	u32 option;
	bool legacy;
};

static const struct part ciphers[EIP93_CIPHERS] = {
	{ ESP_RING_CIPHER_AES_CBC, EIP93_OPTION_AES, false },
	{ ESP_RING_CIPHER_AES_CTR, EIP93_OPTION_AES, false },
	{ ESP_RING_CIPHER_NULL, 0, false },
	{ ESP_RING_CIPHER_DES3_CBC, EIP93_OPTION_DES, true },
};

static const struct part auths[EIP93_AUTHS] = {
	{ ESP_RING_AUTH_HMAC_SHA1, EIP93_OPTION_SHA1, false },
	{ ESP_RING_AUTH_HMAC_SHA256, EIP93_OPTION_SHA256, false },
	{ ESP_RING_AUTH_HMAC_MD5, EIP93_OPTION_MD5, true },
};

/* The crypto API's names, for the self test and for people. */
const char * const eip93_cipher_names[] = {
	[ESP_RING_CIPHER_NULL]		= "ecb(cipher_null)",
	[ESP_RING_CIPHER_DES3_CBC]	= "cbc(des3_ede)",
	[ESP_RING_CIPHER_AES_CBC]	= "cbc(aes)",
	[ESP_RING_CIPHER_AES_CTR]	= "rfc3686(ctr(aes))",
};

const char * const eip93_auth_names[] = {
	[ESP_RING_AUTH_HMAC_MD5]	= "hmac(md5)",
	[ESP_RING_AUTH_HMAC_SHA1]	= "hmac(sha1)",
	[ESP_RING_AUTH_HMAC_SHA256]	= "hmac(sha256)",
};

static u64 key_lens(const struct eip93 *e, enum esp_ring_cipher cipher)
{
	u64 set = 0;

	switch (cipher) {
	case ESP_RING_CIPHER_AES_CBC:
	case ESP_RING_CIPHER_AES_CTR:
		if (e->options & EIP93_OPTION_AES_128)
			set |= KEY(16);
		if (e->options & EIP93_OPTION_AES_192)
			set |= KEY(24);
		if (e->options & EIP93_OPTION_AES_256)
			set |= KEY(32);
		return set;
	case ESP_RING_CIPHER_DES3_CBC:
		return KEY(24);
	default:
		return KEY(0);
	}
}

/* RFC 2403, 2404 and 4868; for SHA-256 also the 96 bits of old Linux. */
static u64 icv_lens(enum esp_ring_auth auth)
{
	return auth == ESP_RING_AUTH_HMAC_SHA256 ? ICV(16) | ICV(12) : ICV(12);
}

static bool fitted(const struct eip93 *e, const struct part *part, bool legacy)
{
	return (e->options & part->option) == part->option &&
	       (legacy || !part->legacy);
}

/* Leave in *set what passes the self test; false if nothing does. */
static bool test_lens(struct eip93 *e, struct esp_ring_alg *alg, bool esn)
{
	u64 icvs = alg->icv_lens;
	int key, icv, err;

	for (icv = 0; icv < 64; icv++) {
		if (!(icvs & ICV(icv)))
			continue;
		for (key = 0; key < 64; key++) {
			if (!(alg->key_lens & KEY(key)))
				continue;
			err = eip93_selftest(e, alg, key, icv, esn);
			if (!err)
				continue;
			dev_warn(e->dev, "self test of %s with %s%s, key %d, ICV %d bytes: %d, not offered\n",
				 eip93_cipher_names[alg->cipher],
				 eip93_auth_names[alg->auth],
				 esn ? " and ESN" : "", key, icv, err);
			/* ESN cannot be had for some lengths only. */
			if (esn)
				return false;
			alg->key_lens &= ~KEY(key);
		}
	}
	return alg->key_lens;
}

/*
 * Nobody is known to have had this engine encrypt an IV: where it does not, it
 * gets one.
 */
static void find_nonce(struct eip93 *e)
{
	struct esp_ring_alg alg = {
		.cipher = ESP_RING_CIPHER_AES_CBC,
		.auth = ESP_RING_AUTH_HMAC_SHA1,
	};
	u64 keys = key_lens(e, alg.cipher);
	int err;

	if (!keys || !(e->options & EIP93_OPTION_SHA1))
		return;
	e->nonce = true;
	err = eip93_selftest(e, &alg, __ffs64(keys), 12, false) ?:
	      eip93_selftest(e, &alg, __ffs64(keys), 12, true);
	if (!err)
		return;
	dev_info(e->dev, "IVs are not encrypted: %d\n", err);
	e->nonce = false;
}

/**
 * eip93_caps_find - fill the table of capabilities
 * @e: the device; started, for the self test
 * @legacy: offer deprecated algorithms too
 *
 * Process context.
 *
 * Return: 0; -ENODEV if nothing of it works.
 */
int eip93_caps_find(struct eip93 *e, bool legacy)
{
	int c, a;

	find_nonce(e);
	for (c = 0; c < EIP93_CIPHERS; c++) {
		if (!fitted(e, &ciphers[c], legacy) ||
		    !key_lens(e, ciphers[c].id))
			continue;
		for (a = 0; a < EIP93_AUTHS; a++) {
			struct esp_ring_alg *alg = &e->algs[e->nr_algs];

			if (!fitted(e, &auths[a], legacy))
				continue;
			alg->cipher = ciphers[c].id;
			alg->auth = auths[a].id;
			alg->key_lens = key_lens(e, alg->cipher);
			alg->icv_lens = icv_lens(alg->auth);
			if (!test_lens(e, alg, false))
				continue;
			alg->esn = test_lens(e, alg, true);
			e->nr_algs++;
		}
	}
	return e->nr_algs ? 0 : -ENODEV;
}
