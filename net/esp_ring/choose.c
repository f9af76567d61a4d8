// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which engine gets an SA: what each can do, the admin's binding, the engines
 * beside the port, the balance.
 */
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/sizes.h>
#include <linux/string.h>

#include "compat.h"
#include "internal.h"

/*
 * The later in this list, the closer an engine came; the SA's owner is told the
 * last of them.
 */
enum refusal {
	NO_ENGINE,
	NOT_BOUND,
	NOT_RUNNING,
	NO_FAMILY,
	NO_MODE,
	NO_ENCAP,
	NO_CIPHER,
	NO_AUTH,
	NO_KEY_LEN,
	NO_ICV_LEN,
	NO_ESN,
	NO_ROOM,
	TRIED,
	FITS,
};

static const char * const refusals[] = {
	[NO_ENGINE] = KBUILD_MODNAME ": no engine is registered",
	[NOT_BOUND] = KBUILD_MODNAME ": the engine that this port is bound to is not registered",
	[NOT_RUNNING] = KBUILD_MODNAME ": the engine has failed or is being removed",
	[NO_FAMILY] = KBUILD_MODNAME ": no engine does this address family",
	[NO_MODE] = KBUILD_MODNAME ": no engine does this mode",
	[NO_ENCAP] = KBUILD_MODNAME ": no engine does UDP encapsulation",
	[NO_CIPHER] = KBUILD_MODNAME ": no engine does this cipher",
	[NO_AUTH] = KBUILD_MODNAME ": no engine does this integrity algorithm with this cipher",
	[NO_KEY_LEN] = KBUILD_MODNAME ": no engine does this key length",
	[NO_ICV_LEN] = KBUILD_MODNAME ": no engine does this ICV length",
	[NO_ESN] = KBUILD_MODNAME ": no engine does extended sequence numbers with this algorithm",
	[NO_ROOM] = KBUILD_MODNAME ": no engine has room for another SA",
	[TRIED] = KBUILD_MODNAME ": the engine refused this SA",
};

/**
 * struct balance - how to choose among engines of one rating
 * @name: as in the module parameter
 * @better: whether @a is to be preferred to @b, which comes before it in the
 *	order of registration
 */
struct balance {
	const char *name;
	bool (*better)(struct esp_ring_queue *a, struct esp_ring_queue *b);
};

/**
 * esp_ring_queue_forget - let a queue's load get old
 * @q: the queue; its lock is held
 * @elapsed: jiffies since that was done last
 *
 * See esp_ring_queue_load().
 */
void esp_ring_queue_forget(struct esp_ring_queue *q, unsigned long elapsed)
{
	q->load_at += elapsed;
	q->load >>= min(elapsed / HZ, 63UL);
	q->load = div_u64(q->load * HZ, HZ + elapsed % HZ);
}

static u64 load_of(struct esp_ring_queue *q)
{
	u64 load;

	spin_lock_bh(&q->lock);
	load = esp_ring_queue_load(q, 0);
	spin_unlock_bh(&q->lock);
	return load;
}

/*
 * Bytes tell of load now, where they differ by more than chance; SAs, of load to
 * come.
 */
static bool less_loaded(struct esp_ring_queue *a, struct esp_ring_queue *b)
{
	u64 a_load = load_of(a), b_load = load_of(b);
	u64 more = max(a_load, b_load), less = min(a_load, b_load);

	if (more - less > SZ_64K && more - less > more / 4)
		return a_load < b_load;
	return READ_ONCE(a->nr_sas) < READ_ONCE(b->nr_sas);
}

/* The one that got its last SA longest ago. */
static bool longer_ago(struct esp_ring_queue *a, struct esp_ring_queue *b)
{
	return (s64)(a->last_chosen - b->last_chosen) < 0;
}

static const struct balance balances[] = {
	{ "least-loaded", less_loaded },
	{ "round-robin", longer_ago },
};

static const struct balance *balance = &balances[0];
static u64 choices;

static int set_balance(const char *val, const struct kernel_param *kp)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(balances); i++) {
		if (sysfs_streq(val, balances[i].name)) {
			WRITE_ONCE(balance, &balances[i]);
			return 0;
		}
	}
	pr_err("esp_ring: balance is least-loaded or round-robin\n");
	return -EINVAL;
}

static int get_balance(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%s\n", READ_ONCE(balance)->name);
}

static const struct kernel_param_ops balance_ops = {
	.set = set_balance,
	.get = get_balance,
};

module_param_cb(balance, &balance_ops, NULL, 0644);
MODULE_PARM_DESC(balance,
		 "choice among equal engines for a new SA: least-loaded (default) or round-robin");

static bool in_set(u64 set, unsigned int n)
{
	return !set || (n < 64 && set & BIT_ULL(n));
}

/* Salt and nonce are keying material, but no part of the cipher's key length. */
static unsigned int cipher_key_len(const struct esp_ring_sa_params *p)
{
	switch (p->cipher) {
	case ESP_RING_CIPHER_AES_CCM:
		return p->key_len - 3;
	case ESP_RING_CIPHER_AES_CTR:
	case ESP_RING_CIPHER_AES_GCM:
	case ESP_RING_CIPHER_AES_GMAC:
	case ESP_RING_CIPHER_CHACHA20_POLY1305:
		return p->key_len - 4;
	default:
		return p->key_len;
	}
}

static enum refusal alg_fits(const struct esp_ring_alg *alg,
			     const struct esp_ring_sa_params *p)
{
	if (alg->cipher != ESP_RING_CIPHER_ANY && alg->cipher != p->cipher)
		return NO_CIPHER;
	if (alg->auth != ESP_RING_AUTH_ANY && alg->auth != p->auth)
		return NO_AUTH;
	if (!in_set(alg->key_lens, cipher_key_len(p)))
		return NO_KEY_LEN;
	if (!in_set(alg->icv_lens, p->icv_len))
		return NO_ICV_LEN;
	if (p->esn && !alg->esn)
		return NO_ESN;
	return FITS;
}

static u32 mode_cap(u8 mode)
{
	switch (mode) {
	case XFRM_MODE_TRANSPORT:
		return ESP_RING_CAP_TRANSPORT;
	case XFRM_MODE_BEET:
		return ESP_RING_CAP_BEET;
	default:
		return ESP_RING_CAP_TUNNEL;
	}
}

static enum refusal engine_fits(const struct esp_ring_engine *engine,
				const struct esp_ring_sa_params *p, u64 tried)
{
	const struct esp_ring_caps *caps = &engine->caps;
	enum refusal best = NO_CIPHER, one;
	unsigned int i;

	if (engine->state != ESP_RING_ENGINE_RUNNING)
		return NOT_RUNNING;
	if (tried & BIT_ULL(engine->index))
		return TRIED;
	if (!(caps->flags & (p->family == AF_INET6 ? ESP_RING_CAP_IPV6 :
						     ESP_RING_CAP_IPV4)))
		return NO_FAMILY;
	if (!(caps->flags & mode_cap(p->mode)))
		return NO_MODE;
	if (p->encap && !(caps->flags & ESP_RING_CAP_ENCAP))
		return NO_ENCAP;

	for (i = 0; i < caps->nr_algs && best != FITS; i++) {
		one = alg_fits(&caps->algs[i], p);
		best = max(best, one);
	}
	if (best == FITS && caps->max_sas &&
	    atomic_read(&engine->nr_sas) >= caps->max_sas)
		return NO_ROOM;
	return best;
}

/* Both can do it. An engine beside the port comes first, or another would do its
 * work over a longer way; then the rating.
 */
static bool prefer(const struct esp_ring_sa *sa, struct esp_ring_engine *a,
		   struct esp_ring_engine *b)
{
	unsigned int a_rank = esp_ring_beside_rank(&sa->beside, a);
	unsigned int b_rank = esp_ring_beside_rank(&sa->beside, b);
	enum esp_ring_dir dir = sa->params.dir;

	if (a_rank != b_rank)
		return a_rank < b_rank;
	if (a->rating != b->rating)
		return a->rating > b->rating;
	return READ_ONCE(balance)->better(&a->queues[dir], &b->queues[dir]);
}

/**
 * esp_ring_choose - choose an engine for an SA
 * @sa: the SA
 * @tried: engines not to be considered, by their index
 * @why: says why none is found
 *
 * esp_ring_mutex is held.
 *
 * Return: an engine, or NULL.
 */
struct esp_ring_engine *esp_ring_choose(const struct esp_ring_sa *sa, u64 tried,
					const char **why)
{
	struct esp_ring_engine *engine, *best = NULL;
	enum refusal closest = NO_ENGINE, one;
	char name[ESP_RING_NAME_LEN];
	bool bound;

	bound = esp_ring_rule_engine(sa->port->name, name);
	if (bound)
		closest = NOT_BOUND;

	list_for_each_entry(engine, &esp_ring_engines, list) {
		if (bound && strcmp(name, engine->name))
			continue;
		one = engine_fits(engine, &sa->params, tried);
		closest = max(closest, one);
		if (one == FITS && (!best || prefer(sa, engine, best)))
			best = engine;
	}

	if (best)
		best->queues[sa->params.dir].last_chosen = ++choices;
	else
		*why = refusals[closest];
	return best;
}
