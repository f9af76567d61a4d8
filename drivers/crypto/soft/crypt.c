// SPDX-License-Identifier: GPL-2.0-only
/*
 * Software engine of the ESP crypto ring: SAs and the cryptography of one
 * packet, by the kernel's crypto API.
 *
 * The IV is in the packet already, hence the transforms are used without the
 * IV generators that plain ESP wraps around them. As with those, the IV is the
 * end of the associated data: RFC 4106 and its relatives expect it there, and
 * for authenc() the ICV covers it.
 */
#include <crypto/authenc.h>
#include <linux/crypto.h>
#include <linux/err.h>
#include <linux/ip.h>
#include <linux/mutex.h>
#include <linux/random.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <net/esp_ring.h>

#include "crypt.h"

#define SOFT_TRIAL_LEN	64

/**
 * struct soft_sa - one SA
 * @tfm: its transform, shared by all threads: only requests are written to
 * @assoc_len: bytes of associated data: ESP header, high sequence number, IV
 * @iv_len: bytes of IV
 * @icv_len: bytes of ICV
 * @encrypt: direction
 * @esn: the associated data has the high half of the sequence number
 */
struct soft_sa {
	struct crypto_aead *tfm;
	u8 assoc_len;
	u8 iv_len;
	u8 icv_len;
	bool encrypt;
	bool esn;
};

/* Protects the list of contexts and the request size they have room for. */
static DEFINE_MUTEX(soft_ctx_lock);
static LIST_HEAD(soft_ctxs);
static unsigned int soft_reqsize;

/**
 * soft_ctx_grow - replace a context's request by a larger one
 * @ctx: whose thread may be using the present request
 * @size: bytes, struct aead_request included
 *
 * Return: 0 or -ENOMEM.
 */
static int soft_ctx_grow(struct soft_ctx *ctx, unsigned int size)
{
	struct aead_request *req = kzalloc(size, GFP_KERNEL);

	if (!req)
		return -ENOMEM;
	/* one that the thread has not taken yet comes back from the xchg */
	kfree_sensitive(xchg(&ctx->spare, req));
	return 0;
}

/**
 * esp_ring_soft_ctx_init - make a context ready for every SA there is or will be
 * @ctx: to be initialised; has no request until the first SA comes
 */
void esp_ring_soft_ctx_init(struct soft_ctx *ctx)
{
	ctx->req = NULL;
	ctx->spare = NULL;
	crypto_init_wait(&ctx->wait);

	mutex_lock(&soft_ctx_lock);
	list_add(&ctx->list, &soft_ctxs);
	/* a packet that finds no request is failed with -ENOMEM */
	if (soft_reqsize)
		soft_ctx_grow(ctx, soft_reqsize);
	mutex_unlock(&soft_ctx_lock);
}
EXPORT_SYMBOL_GPL(esp_ring_soft_ctx_init);

/**
 * esp_ring_soft_ctx_exit - end of a context
 * @ctx: that no thread uses any more
 */
void esp_ring_soft_ctx_exit(struct soft_ctx *ctx)
{
	mutex_lock(&soft_ctx_lock);
	list_del(&ctx->list);
	mutex_unlock(&soft_ctx_lock);

	kfree_sensitive(ctx->req);
	kfree_sensitive(ctx->spare);
	memzero_explicit(ctx->iv, sizeof(ctx->iv));
}
EXPORT_SYMBOL_GPL(esp_ring_soft_ctx_exit);

/* Let all contexts have room for a request of @tfm. */
static int soft_ctxs_reserve(struct crypto_aead *tfm)
{
	unsigned int size = sizeof(struct aead_request) +
			    crypto_aead_reqsize(tfm);
	struct soft_ctx *ctx;
	int err = 0;

	mutex_lock(&soft_ctx_lock);
	if (size > soft_reqsize) {
		list_for_each_entry(ctx, &soft_ctxs, list) {
			err = soft_ctx_grow(ctx, size);
			if (err)
				break;
		}
		if (!err)
			soft_reqsize = size;
	}
	mutex_unlock(&soft_ctx_lock);
	return err;
}

static bool soft_is_combined(enum esp_ring_cipher cipher)
{
	switch (cipher) {
	case ESP_RING_CIPHER_AES_GCM:
	case ESP_RING_CIPHER_AES_GMAC:
	case ESP_RING_CIPHER_AES_CCM:
	case ESP_RING_CIPHER_CHACHA20_POLY1305:
		return true;
	default:
		return false;
	}
}

/**
 * soft_setkey - give a transform the keys of an SA
 * @tfm: transform
 * @params: SA
 * @authenc: keys go in authenc's form
 * @random: other keys of the same lengths, for a trial
 *
 * Return: 0 or a negative error number.
 */
static int soft_setkey(struct crypto_aead *tfm,
		       const struct esp_ring_sa_params *params, bool authenc,
		       bool random)
{
	unsigned int head = authenc ? RTA_SPACE(sizeof(struct crypto_authenc_key_param)) : 0;
	unsigned int auth_len = authenc ? params->auth_key_len : 0;
	unsigned int len = head + auth_len + params->key_len;
	struct crypto_authenc_key_param *param;
	struct rtattr *rta;
	u8 *blob;
	int err;

	blob = kzalloc(len ?: 1, GFP_KERNEL);
	if (!blob)
		return -ENOMEM;
	if (authenc) {
		rta = (struct rtattr *)blob;
		rta->rta_type = CRYPTO_AUTHENC_KEYA_PARAM;
		rta->rta_len = RTA_LENGTH(sizeof(*param));
		param = RTA_DATA(rta);
		param->enckeylen = cpu_to_be32(params->key_len);
	}
	if (random) {
		get_random_bytes(blob + head, len - head);
	} else {
		if (auth_len)
			memcpy(blob + head, params->auth_key, auth_len);
		memcpy(blob + head + auth_len, params->key, params->key_len);
	}
	err = crypto_aead_setkey(tfm, blob, len);
	kfree_sensitive(blob);
	return err;
}

static bool soft_tfm_may_be_async(struct crypto_aead *tfm)
{
	return crypto_aead_tfm(tfm)->__crt_alg->cra_flags & CRYPTO_ALG_ASYNC;
}

/**
 * soft_tfm_defers - see whether a transform leaves the work to somebody else
 * @tfm: transform without a key
 * @params: SA, for the lengths
 * @authenc: form of the keys
 *
 * CRYPTO_ALG_ASYNC alone does not tell: on x86 up to 6.12 the fast transforms
 * have it, but finish at once where the CPU's vector unit may be used, as in
 * our threads. pcrypt(), cryptd() and hardware do not, at whatever depth of the
 * template they are. So one packet is encrypted, under a key that is thrown
 * away.
 *
 * Return: true if it does.
 */
static bool soft_tfm_defers(struct crypto_aead *tfm,
			    const struct esp_ring_sa_params *params,
			    bool authenc)
{
	unsigned int assoc = sizeof(struct ip_esp_hdr) + params->iv_len;
	unsigned int len = assoc + SOFT_TRIAL_LEN + params->icv_len;
	struct aead_request *req = NULL;
	DECLARE_CRYPTO_WAIT(wait);
	struct scatterlist sg;
	bool defers = false;
	u8 *buf;
	int err;

	buf = kzalloc(len + SOFT_MAX_IV, GFP_KERNEL);
	if (!buf || soft_setkey(tfm, params, authenc, true) ||
	    crypto_aead_setauthsize(tfm, params->icv_len))
		goto out;
	req = aead_request_alloc(tfm, GFP_KERNEL);
	if (!req)
		goto out;

	sg_init_one(&sg, buf, len);
	aead_request_set_callback(req, CRYPTO_TFM_REQ_MAY_BACKLOG,
				  crypto_req_done, &wait);
	aead_request_set_crypt(req, &sg, &sg, SOFT_TRIAL_LEN, buf + len);
	aead_request_set_ad(req, assoc);
	err = crypto_aead_encrypt(req);
	defers = err == -EINPROGRESS || err == -EBUSY;
	crypto_wait_req(err, &wait);
out:
	aead_request_free(req);
	kfree(buf);
	return defers;
}

/* pcrypt(X) and cryptd(X) hide X, which is what we want: find X by its name. */
static struct crypto_aead *soft_tfm_unwrap(struct crypto_aead *tfm)
{
	char name[CRYPTO_MAX_ALG_NAME];
	struct crypto_aead *better;
	char *inner = name;
	size_t len;

	strscpy(name, crypto_tfm_alg_driver_name(crypto_aead_tfm(tfm)),
		sizeof(name));
	while (strstarts(inner, "pcrypt(") || strstarts(inner, "cryptd(")) {
		inner = strchr(inner, '(') + 1;
		len = strlen(inner);
		if (!len || inner[len - 1] != ')')
			return tfm;
		inner[len - 1] = '\0';
	}
	if (inner == name)
		return tfm;

	better = crypto_alloc_aead(inner, 0, CRYPTO_ALG_KERN_DRIVER_ONLY);
	if (IS_ERR(better))
		return tfm;
	crypto_free_aead(tfm);
	return better;
}

/**
 * soft_tfm_alloc - the fastest transform that works in the calling thread
 * @name: of the algorithm
 * @params: SA
 * @authenc: form of the keys
 *
 * Return: a transform without a key or an error pointer.
 */
static struct crypto_aead *
soft_tfm_alloc(const char *name, const struct esp_ring_sa_params *params,
	       bool authenc)
{
	struct crypto_aead *tfm;

	tfm = crypto_alloc_aead(name, 0, CRYPTO_ALG_KERN_DRIVER_ONLY);
	if (!IS_ERR(tfm)) {
		tfm = soft_tfm_unwrap(tfm);
		if (!soft_tfm_may_be_async(tfm) ||
		    !soft_tfm_defers(tfm, params, authenc))
			return tfm;
		crypto_free_aead(tfm);
	}
	return crypto_alloc_aead(name, 0, CRYPTO_ALG_ASYNC);
}

/* The transform of an SA, by the names that plain ESP would use. */
static struct crypto_aead *soft_tfm_new(const struct esp_ring_sa_params *params,
					bool *authenc)
{
	char name[CRYPTO_MAX_ALG_NAME];
	struct crypto_aead *tfm;

	*authenc = params->auth != ESP_RING_AUTH_NONE ||
		   (!soft_is_combined(params->cipher) &&
		    params->cipher != ESP_RING_CIPHER_ANY);
	if (!*authenc) {
		tfm = soft_tfm_alloc(params->cipher_name, params, false);
		if (!IS_ERR(tfm) || params->cipher != ESP_RING_CIPHER_ANY)
			return tfm;
		/*
		 * No AEAD, which is -ENOENT or, from a template, -EINVAL: a cipher
		 * unknown to the layer, without integrity.
		 */
		*authenc = true;
	}
	if (snprintf(name, sizeof(name), "%s(%s,%s)",
		     params->esn ? "authencesn" : "authenc",
		     params->auth_name ?: "digest_null",
		     params->cipher_name) >= sizeof(name))
		return ERR_PTR(-ENAMETOOLONG);
	return soft_tfm_alloc(name, params, true);
}

/**
 * esp_ring_soft_sa_new - prepare for the packets of an SA
 * @params: SA
 * @sap: where to store our handle
 * @extack: for the reason of a failure, or NULL
 *
 * Process context. Return: 0 or a negative error number.
 */
int esp_ring_soft_sa_new(const struct esp_ring_sa_params *params,
			 struct soft_sa **sap, struct netlink_ext_ack *extack)
{
	struct crypto_aead *tfm;
	struct soft_sa *sa;
	bool authenc;
	int err;

	if (params->iv_len > SOFT_MAX_IV) {
		NL_SET_ERR_MSG_MOD(extack, "IV is too long");
		return -EOPNOTSUPP;
	}
	sa = kzalloc(sizeof(*sa), GFP_KERNEL);
	if (!sa)
		return -ENOMEM;

	tfm = soft_tfm_new(params, &authenc);
	if (IS_ERR(tfm)) {
		NL_SET_ERR_MSG_MOD(extack, "Crypto API has no transform for this SA");
		err = PTR_ERR(tfm) == -ENOENT ? -EOPNOTSUPP : PTR_ERR(tfm);
		goto err_free;
	}
	err = -EOPNOTSUPP;
	if (crypto_aead_ivsize(tfm) != params->iv_len) {
		NL_SET_ERR_MSG_MOD(extack, "Transform has an IV of another length");
		goto err_tfm;
	}
	err = soft_setkey(tfm, params, authenc, false);
	if (err) {
		NL_SET_ERR_MSG_MOD(extack, "Transform refuses the key");
		goto err_tfm;
	}
	err = crypto_aead_setauthsize(tfm, params->icv_len);
	if (err) {
		NL_SET_ERR_MSG_MOD(extack, "Transform refuses the ICV length");
		goto err_tfm;
	}
	err = soft_ctxs_reserve(tfm);
	if (err)
		goto err_tfm;

	sa->tfm = tfm;
	sa->encrypt = params->dir == ESP_RING_ENCRYPT;
	sa->esn = params->esn;
	sa->iv_len = params->iv_len;
	sa->icv_len = params->icv_len;
	sa->assoc_len = sizeof(struct ip_esp_hdr) + params->iv_len;
	if (sa->esn)
		sa->assoc_len += sizeof(__be32);
	*sap = sa;
	return 0;

err_tfm:
	crypto_free_aead(tfm);
err_free:
	kfree(sa);
	return err;
}
EXPORT_SYMBOL_GPL(esp_ring_soft_sa_new);

/**
 * esp_ring_soft_sa_free - forget an SA and its keys
 * @sa: of which no packet is being worked on
 */
void esp_ring_soft_sa_free(struct soft_sa *sa)
{
	/* zeroes the key schedule */
	crypto_free_aead(sa->tfm);
	kfree(sa);
}
EXPORT_SYMBOL_GPL(esp_ring_soft_sa_free);

/* Take over a larger request, if there is one. */
static struct aead_request *soft_ctx_req(struct soft_ctx *ctx)
{
	struct aead_request *req;

	if (unlikely(READ_ONCE(ctx->spare))) {
		req = xchg(&ctx->spare, NULL);
		kfree_sensitive(ctx->req);
		ctx->req = req;
	}
	return ctx->req;
}

/**
 * esp_ring_soft_crypt - encrypt or decrypt a packet in place
 * @ctx: of the calling thread
 * @pkt: packet
 *
 * Process context: the crypto API may have to wait, for instance for cryptd.
 *
 * Return: 0, -EBADMSG for a wrong ICV, or another negative error number.
 */
int esp_ring_soft_crypt(struct soft_ctx *ctx, const struct esp_ring_pkt *pkt)
{
	const struct soft_sa *sa = pkt->sa_priv;
	struct aead_request *req = soft_ctx_req(ctx);
	unsigned int len = pkt->len;
	u8 *data = pkt->esp;
	__be32 saved;
	int err;

	if (unlikely(!req))
		return -ENOMEM;

	memcpy(ctx->iv, data + sizeof(struct ip_esp_hdr), sa->iv_len);
	if (sa->esn) {
		/* make room for the high half: SPI | high | low | IV */
		data -= sizeof(saved);
		len += sizeof(saved);
		memcpy(&saved, data, sizeof(saved));
		memcpy(data, pkt->esp, sizeof(saved));
		memcpy(pkt->esp, &pkt->seq_hi, sizeof(saved));
	}

	sg_init_one(&ctx->sg, data, len);
	aead_request_set_tfm(req, sa->tfm);
	aead_request_set_callback(req, CRYPTO_TFM_REQ_MAY_BACKLOG,
				  crypto_req_done, &ctx->wait);
	aead_request_set_ad(req, sa->assoc_len);
	len -= sa->assoc_len;
	if (sa->encrypt) {
		aead_request_set_crypt(req, &ctx->sg, &ctx->sg,
				       len - sa->icv_len, ctx->iv);
		err = crypto_aead_encrypt(req);
	} else {
		aead_request_set_crypt(req, &ctx->sg, &ctx->sg, len, ctx->iv);
		err = crypto_aead_decrypt(req);
	}
	err = crypto_wait_req(err, &ctx->wait);

	if (sa->esn) {
		memcpy(pkt->esp, data, sizeof(saved));
		memcpy(data, &saved, sizeof(saved));
	}
	return err;
}
EXPORT_SYMBOL_GPL(esp_ring_soft_crypt);
