// SPDX-License-Identifier: GPL-2.0-only
/*
 * One SA: its parameters out of xfrm_state, and its life.
 */
#include <crypto/internal/geniv.h>
#include <linux/slab.h>
#include <net/esp.h>

#include "compat.h"
#include "internal.h"

struct name_value {
	const char *name;
	int value;
};

static const struct name_value aeads[] = {
	{ "rfc4106(gcm(aes))", ESP_RING_CIPHER_AES_GCM },
	{ "rfc4543(gcm(aes))", ESP_RING_CIPHER_AES_GMAC },
	{ "rfc4309(ccm(aes))", ESP_RING_CIPHER_AES_CCM },
	{ "rfc7539esp(chacha20,poly1305)", ESP_RING_CIPHER_CHACHA20_POLY1305 },
	{ }
};

static const struct name_value ciphers[] = {
	{ "ecb(cipher_null)", ESP_RING_CIPHER_NULL },
	{ "cbc(aes)", ESP_RING_CIPHER_AES_CBC },
	{ "rfc3686(ctr(aes))", ESP_RING_CIPHER_AES_CTR },
	{ "cbc(des3_ede)", ESP_RING_CIPHER_DES3_CBC },
	{ }
};

static const struct name_value auths[] = {
	{ "digest_null", ESP_RING_AUTH_NONE },
	{ "hmac(md5)", ESP_RING_AUTH_HMAC_MD5 },
	{ "hmac(sha1)", ESP_RING_AUTH_HMAC_SHA1 },
	{ "hmac(sha256)", ESP_RING_AUTH_HMAC_SHA256 },
	{ "hmac(sha384)", ESP_RING_AUTH_HMAC_SHA384 },
	{ "hmac(sha512)", ESP_RING_AUTH_HMAC_SHA512 },
	{ }
};

/* The _ANY of both enums is 0: an algorithm that only its name tells. */
static int lookup(const struct name_value *table, const char *name)
{
	for (; table->name; table++)
		if (!strcmp(table->name, name))
			return table->value;
	return 0;
}

static int check_state(const struct xfrm_state *x,
		       struct netlink_ext_ack *extack)
{
	if (x->xso.type != XFRM_DEV_OFFLOAD_CRYPTO) {
		NL_SET_ERR_MSG_MOD(extack, "packet offload is not supported, crypto offload is");
		return -EOPNOTSUPP;
	}
	if (x->id.proto != IPPROTO_ESP) {
		NL_SET_ERR_MSG_MOD(extack, "only ESP can be offloaded");
		return -EOPNOTSUPP;
	}
	switch (x->props.mode) {
	case XFRM_MODE_TRANSPORT:
	case XFRM_MODE_TUNNEL:
	case XFRM_MODE_BEET:
		break;
	default:
		NL_SET_ERR_MSG_MOD(extack, "only transport, tunnel and BEET mode can be offloaded");
		return -EOPNOTSUPP;
	}
	if (x->encap && x->encap->encap_type != UDP_ENCAP_ESPINUDP) {
		NL_SET_ERR_MSG_MOD(extack, "only UDP encapsulation can be offloaded");
		return -EOPNOTSUPP;
	}
	if (ESP_RING_NO_IF_ID_IN && x->if_id &&
	    x->xso.dir == XFRM_DEV_OFFLOAD_IN) {
		NL_SET_ERR_MSG_MOD(extack, "inbound SAs of xfrm interfaces cannot be offloaded");
		return -EOPNOTSUPP;
	}
	if (x->tfcpad) {
		NL_SET_ERR_MSG_MOD(extack, "TFC padding cannot be offloaded");
		return -EOPNOTSUPP;
	}
	return 0;
}

/* How outbound IVs are made, the kernel's way; see write_iv() in esp.c. */
static int get_iv_rule(struct esp_ring_sa *sa, const struct xfrm_state *x,
		       struct netlink_ext_ack *extack)
{
	struct crypto_aead *aead = x->data;
	const char *geniv = x->geniv ?: "";
	const char *driver = crypto_tfm_alg_driver_name(crypto_aead_tfm(aead));

	if (sa->params.dir == ESP_RING_DECRYPT || !sa->params.iv_len)
		return 0;
	if (!strcmp(geniv, "echainiv")) {
		get_random_bytes(&sa->salt, sizeof(sa->salt));
		return 0;
	}

	if (strcmp(geniv, "seqiv") || strncmp(driver, "seqiv(", 6) ||
	    sa->params.iv_len != sizeof(sa->salt)) {
		NL_SET_ERR_MSG_MOD(extack, "the IV generator of this SA is not seqiv or echainiv");
		return -EOPNOTSUPP;
	}

	memcpy(&sa->salt,
	       ((struct aead_geniv_ctx *)crypto_aead_ctx(aead))->salt,
	       sizeof(sa->salt));
	sa->seqiv = true;
	return 0;
}

static int copy_key(const u8 **to, unsigned int *len, const char *from,
		    unsigned int bits)
{
	*len = DIV_ROUND_UP(bits, 8);
	if (!*len)
		return 0;
	*to = kmemdup(from, *len, GFP_KERNEL);
	return *to ? 0 : -ENOMEM;
}

static int get_algs(struct esp_ring_sa *sa, const struct xfrm_state *x)
{
	struct esp_ring_sa_params *p = &sa->params;
	struct crypto_aead *aead = x->data;
	int err;

	p->iv_len = crypto_aead_ivsize(aead);
	p->icv_len = crypto_aead_authsize(aead);
	p->block_len = crypto_aead_blocksize(aead);
	sa->align = ALIGN(crypto_aead_blocksize(aead), 4);
	p->auth = ESP_RING_AUTH_NONE;

	if (x->aead) {
		p->cipher = lookup(aeads, x->aead->alg_name);
		p->cipher_name = sa->cipher_name;
		strscpy(sa->cipher_name, x->aead->alg_name,
			sizeof(sa->cipher_name));
		return copy_key(&p->key, &p->key_len, x->aead->alg_key,
				x->aead->alg_key_len);
	}

	p->cipher = lookup(ciphers, x->ealg->alg_name);
	p->cipher_name = sa->cipher_name;
	strscpy(sa->cipher_name, x->ealg->alg_name, sizeof(sa->cipher_name));
	err = copy_key(&p->key, &p->key_len, x->ealg->alg_key,
		       x->ealg->alg_key_len);
	if (err || !x->aalg)
		return err;

	p->auth = lookup(auths, x->aalg->alg_name);
	if (p->auth != ESP_RING_AUTH_NONE) {
		p->auth_name = sa->auth_name;
		strscpy(sa->auth_name, x->aalg->alg_name,
			sizeof(sa->auth_name));
	}
	return copy_key(&p->auth_key, &p->auth_key_len, x->aalg->alg_key,
			x->aalg->alg_key_len);
}

static void sa_free(struct esp_ring_sa *sa)
{
	kfree_sensitive(sa->params.key);
	kfree_sensitive(sa->params.auth_key);
	free_percpu(sa->counts);
	esp_ring_beside_put(&sa->beside);
	memzero_explicit(&sa->salt, sizeof(sa->salt));
	kfree_rcu(sa, rcu);
}

/* The last packet has left: the engine may forget the SA. */
static void sa_release(struct work_struct *work)
{
	struct esp_ring_sa *sa = container_of(work, struct esp_ring_sa, release);
	struct esp_ring_totals totals = { };

	if (sa->holder)
		esp_ring_engine_sa_gone(sa->holder, sa->engine_priv);
	esp_ring_sum(&totals, sa->counts);
	esp_ring_port_retire(sa->port, sa->params.dir, &totals);
	esp_ring_port_put(sa->port);
	sa_free(sa);
}

/**
 * esp_ring_sa_put_many - drop references
 * @sa: the SA; the last reference frees it, in process context later
 * @n: how many
 *
 * Any context but hard interrupts.
 */
void esp_ring_sa_put_many(struct esp_ring_sa *sa, unsigned int n)
{
	if (refcount_sub_and_test(n, &sa->ref))
		queue_work(esp_ring_wq, &sa->release);
}

/**
 * esp_ring_sa_create - take an SA's parameters from its xfrm_state
 * @x: the state, complete but not yet in use
 * @port: where it is offloaded to; the SA takes over the caller's reference on
 *	success
 * @extack: says why not; may be NULL
 *
 * Process context.
 *
 * Return: an SA with one reference, bound to no engine; -EOPNOTSUPP if it is of
 * a kind that the layer cannot do; -ENOMEM.
 */
struct esp_ring_sa *esp_ring_sa_create(struct xfrm_state *x,
				       struct esp_ring_port *port,
				       struct netlink_ext_ack *extack)
{
	struct esp_ring_sa *sa;
	int err, cpu;

	err = check_state(x, extack);
	if (err)
		return ERR_PTR(err);

	sa = kzalloc(sizeof(*sa), GFP_KERNEL);
	if (!sa)
		return ERR_PTR(-ENOMEM);

	refcount_set(&sa->ref, 1);
	INIT_LIST_HEAD(&sa->engine_list);
	INIT_LIST_HEAD(&sa->all);
	INIT_WORK(&sa->release, sa_release);
	sa->params.dir = x->xso.dir == XFRM_DEV_OFFLOAD_IN ? ESP_RING_DECRYPT :
							     ESP_RING_ENCRYPT;
	sa->params.family = x->props.family;
	sa->params.mode = x->props.mode;
	sa->params.encap = x->encap;
	sa->params.esn = x->props.flags & XFRM_STATE_ESN;
	sa->params.spi = x->id.spi;
	sa->prio = esp_ring_rule_prio(x);
	sa->daddr = x->id.daddr;
	sa->saddr = x->props.saddr;
	sa->reqid = x->props.reqid;

	err = -ENOMEM;
	sa->counts = alloc_percpu(struct esp_ring_counts);
	if (!sa->counts)
		goto free;
	for_each_possible_cpu(cpu)
		u64_stats_init(&per_cpu_ptr(sa->counts, cpu)->syncp);

	err = get_algs(sa, x);
	if (err)
		goto free;
	err = get_iv_rule(sa, x, extack);
	if (err)
		goto free;

	esp_ring_beside_get(&sa->beside, port->dev);
	sa->port = port;
	return sa;

free:
	sa_free(sa);
	return ERR_PTR(err);
}
