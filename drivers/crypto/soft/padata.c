// SPDX-License-Identifier: GPL-2.0-only
/*
 * Software engine of the ESP crypto ring, on top of padata, to be compared with
 * esp_ring_soft: padata's unbound workers do the cryptography, its own
 * reordering and serial callback precede those of the layer.
 */
#include <linux/err.h>
#include <linux/module.h>
#include <linux/padata.h>
#include <linux/percpu.h>
#include <net/esp_ring.h>

#include "crypt.h"

struct padata_pkt {
	struct padata_priv padata;
	struct esp_ring_queue *q;
	struct esp_ring_pkt *pkt;
};

static DEFINE_PER_CPU(struct soft_ctx, padata_ctxs);
static struct padata_instance *padata_inst;
static struct padata_shell *padata_shells[ESP_RING_NR_DIRS];
static struct esp_ring_engine *padata_engine;

static void padata_serial(struct padata_priv *padata)
{
	struct padata_pkt *p = container_of(padata, struct padata_pkt, padata);
	struct esp_ring_queue *q = p->q;

	esp_ring_complete(q, p->pkt->cookie, padata->info);
	esp_ring_schedule(q);
}

static void padata_parallel(struct padata_priv *padata)
{
	struct padata_pkt *p = container_of(padata, struct padata_pkt, padata);

	padata->info = esp_ring_soft_crypt(this_cpu_ptr(&padata_ctxs), p->pkt);
	padata_do_serial(padata);
}

static int padata_submit(struct esp_ring_queue *q, struct esp_ring_pkt *pkt)
{
	struct padata_pkt *p = pkt->priv;
	int cpu = 0;

	memset(&p->padata, 0, sizeof(p->padata));
	p->padata.parallel = padata_parallel;
	p->padata.serial = padata_serial;
	p->q = q;
	p->pkt = pkt;
	return padata_do_parallel(padata_shells[esp_ring_queue_dir(q)],
				  &p->padata, &cpu);
}

static int padata_sa_add(struct esp_ring_engine *engine,
			 const struct esp_ring_sa_params *params, void **priv,
			 struct netlink_ext_ack *extack)
{
	return esp_ring_soft_sa_new(params, (struct soft_sa **)priv, extack);
}

static void padata_sa_del(struct esp_ring_engine *engine, void *priv)
{
	esp_ring_soft_sa_free(priv);
}

static void padata_doorbell(struct esp_ring_queue *q)
{
}

static void padata_stop(struct esp_ring_engine *engine)
{
}

static int padata_start(struct esp_ring_engine *engine)
{
	return 0;
}

static const struct esp_ring_engine_ops padata_ops = {
	.sa_add		= padata_sa_add,
	.sa_del		= padata_sa_del,
	.submit		= padata_submit,
	.doorbell	= padata_doorbell,
	.stop		= padata_stop,
	.start		= padata_start,
};

static const struct esp_ring_alg padata_algs[] = {
	{
		.cipher	= ESP_RING_CIPHER_ANY,
		.auth	= ESP_RING_AUTH_ANY,
		.esn	= true,
	},
};

static const struct esp_ring_engine_desc padata_desc = {
	.name		= "padata",
	.ops		= &padata_ops,
	.caps = {
		.algs		= padata_algs,
		.nr_algs	= ARRAY_SIZE(padata_algs),
		.flags		= ESP_RING_CAP_ALL,
		.max_len	= U16_MAX,
	},
	.rating		= 50,
	.min_inflight	= 128 * 1024,
	.timeout_ms	= 10000,
	.pkt_priv	= sizeof(struct padata_pkt),
};

static int __init padata_engine_init(void)
{
	int cpu, dir;

	for_each_possible_cpu(cpu)
		esp_ring_soft_ctx_init(per_cpu_ptr(&padata_ctxs, cpu));
	padata_inst = padata_alloc("esp_ring_padata");
	if (!padata_inst)
		return -ENOMEM;
	for (dir = 0; dir < ESP_RING_NR_DIRS; dir++)
		padata_shells[dir] = padata_alloc_shell(padata_inst);
	padata_engine = esp_ring_engine_register(&padata_desc);
	return PTR_ERR_OR_ZERO(padata_engine);
}

/* Cannot be unloaded: it is for one measurement. */
module_init(padata_engine_init);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Software engine of the ESP crypto ring, on padata");
