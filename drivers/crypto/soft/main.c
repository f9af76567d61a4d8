// SPDX-License-Identifier: GPL-2.0-only
/*
 * Software engine of the ESP crypto ring: ESP on all CPUs, also for a single SA.
 */
#include <linux/err.h>
#include <linux/module.h>
#include <net/esp_ring.h>

#include "crypt.h"
#include "soft.h"

/* On a busy machine a thread can be kept from its CPU for long. */
#define SOFT_TIMEOUT_MS	10000
/* Enough for every thread, or the dynamic limit would starve all but one. */
#define SOFT_INFLIGHT	(128 * 1024)

module_param_cb(cpus, &soft_cpus_ops, NULL, 0644);
MODULE_PARM_DESC(cpus, "List of CPUs that do the work (default: all)");

static struct esp_ring_engine *soft_engine;

static int soft_sa_add(struct esp_ring_engine *engine,
		       const struct esp_ring_sa_params *params, void **priv,
		       struct netlink_ext_ack *extack)
{
	return esp_ring_soft_sa_new(params, (struct soft_sa **)priv, extack);
}

static void soft_sa_del(struct esp_ring_engine *engine, void *priv)
{
	esp_ring_soft_sa_free(priv);
}

static const struct esp_ring_engine_ops soft_ops = {
	.sa_add		= soft_sa_add,
	.sa_del		= soft_sa_del,
	.submit		= soft_submit,
	.doorbell	= soft_doorbell,
	.stop		= soft_stop,
	.start		= soft_start,
};

static const struct esp_ring_alg soft_algs[] = {
	{
		.cipher	= ESP_RING_CIPHER_ANY,
		.auth	= ESP_RING_AUTH_ANY,
		.esn	= true,
	},
};

static const struct esp_ring_engine_desc soft_desc = {
	.name		= "soft",
	.ops		= &soft_ops,
	.caps = {
		.algs		= soft_algs,
		.nr_algs	= ARRAY_SIZE(soft_algs),
		.flags		= ESP_RING_CAP_ALL,
		.max_len	= U16_MAX,
	},
	.rating		= 100,
	.slots		= SOFT_SLOTS,
	.min_inflight	= SOFT_INFLIGHT,
	.timeout_ms	= SOFT_TIMEOUT_MS,
};

static int __init soft_init(void)
{
	int err;

	err = soft_workers_init();
	if (err)
		return err;
	soft_engine = esp_ring_engine_register(&soft_desc);
	if (IS_ERR(soft_engine)) {
		soft_workers_exit();
		return PTR_ERR(soft_engine);
	}
	return 0;
}

static void __exit soft_exit(void)
{
	esp_ring_engine_unregister(soft_engine);
	soft_workers_exit();
}

module_init(soft_init);
module_exit(soft_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Software engine of the ESP crypto ring");
