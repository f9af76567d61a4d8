// SPDX-License-Identifier: GPL-2.0-only
/*
 * EIP-93 engine of the ESP crypto ring: the device, its start and its end.
 *
 * Everything is undone by devres, in the opposite order: first the engine is
 * taken from the layer, under load if need be, then the hardware is stopped,
 * then the interrupt and the memory go.
 */
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/idr.h>
#include <linux/jiffies.h>
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/of.h>
#include <linux/platform_device.h>
#include <linux/pm.h>
#include <linux/property.h>
#include <linux/sizes.h>

#include "eip93.h"

#define EIP93_RATING		300
/* Packets in the rings, of both directions together. */
#define EIP93_RING_MIN		64
#define EIP93_RING_MAX		1024
#define EIP93_BATCH		16
/* About 32 packets of 1500 bytes: enough that interrupts come for 16 of them. */
#define EIP93_INFLIGHT		(48 * SZ_1K)
/* A full ring takes some 20 ms, a very slow engine a few times that. */
#define EIP93_TIMEOUT_MS	1000
#define EIP93_SUSPEND_MS	200
#define EIP93_MAX_SAS		4096

static unsigned int ring_size = 512;
module_param_named(ring, ring_size, uint, 0444);
MODULE_PARM_DESC(ring, "descriptors in the ring, a power of two from 64 to 1024 (default 512)");

static unsigned int max_sas = 256;
module_param(max_sas, uint, 0444);
MODULE_PARM_DESC(max_sas, "SAs, both directions together, 1 to 4096 (default 256)");

static unsigned int timeout_ms = EIP93_TIMEOUT_MS;
module_param(timeout_ms, uint, 0444);
MODULE_PARM_DESC(timeout_ms, "a packet held longer is a hang (default 1000)");

static bool legacy;
module_param(legacy, bool, 0444);
MODULE_PARM_DESC(legacy, "offer 3DES and HMAC-MD5 too (default: no)");

static DEFINE_IDA(names);

static int eip93_add_sa(struct esp_ring_engine *engine,
			const struct esp_ring_sa_params *params, void **priv,
			struct netlink_ext_ack *extack)
{
	struct eip93 *e = esp_ring_engine_priv(engine);
	struct eip93_sa *sa;
	int dir;

	/* SAs come before registration returns. */
	WRITE_ONCE(e->engine, engine);
	for (dir = 0; dir < ESP_RING_NR_DIRS; dir++)
		WRITE_ONCE(e->queue[dir].q, esp_ring_engine_queue(engine, dir));
	sa = eip93_sa_new(e, params, extack);
	if (IS_ERR(sa))
		return PTR_ERR(sa);
	*priv = sa;
	return 0;
}

static void eip93_del_sa(struct esp_ring_engine *engine, void *priv)
{
	eip93_sa_free(esp_ring_engine_priv(engine), priv);
}

/* The ring is empty and rests; the registers may be anything. */
static int start(struct eip93 *e)
{
	const struct esp_ring_alg *alg = &e->algs[0];
	int err;

	err = eip93_hw_start(e);
	if (err)
		return err;

	/* Before the first time there is nothing yet that it could be asked. */
	if (e->nr_algs) {
		eip93_ring_set_run(e, EIP93_TESTING);
		err = eip93_selftest(e, alg, fls64(alg->key_lens) - 1,
				     fls64(alg->icv_lens) - 1, false);
		eip93_ring_set_run(e, EIP93_STOPPED);
	}
	return err;
}

static void run(struct eip93 *e)
{
	eip93_ring_set_run(e, EIP93_RUNNING);
	eip93_irq_on(e);
}

static void stop(struct eip93 *e, bool answer)
{
	eip93_ring_set_run(e, EIP93_STOPPED);
	eip93_irq_off(e);
	eip93_hw_stop(e);
	eip93_ring_forget(e, answer);
}

/* While it is suspended it stands, and nobody touches a register. */
static void eip93_stop(struct esp_ring_engine *engine)
{
	struct eip93 *e = esp_ring_engine_priv(engine);

	mutex_lock(&e->life_lock);
	if (!e->suspended)
		stop(e, false);
	mutex_unlock(&e->life_lock);
}

static int eip93_start(struct esp_ring_engine *engine)
{
	struct eip93 *e = esp_ring_engine_priv(engine);
	int err = 0;

	mutex_lock(&e->life_lock);
	/* Otherwise resume does it; until then it is busy. */
	if (!e->suspended) {
		err = start(e);
		if (err)
			eip93_hw_stop(e);
		else
			run(e);
	}
	mutex_unlock(&e->life_lock);
	return err;
}

static const struct esp_ring_engine_ops eip93_ops = {
	.sa_add		= eip93_add_sa,
	.sa_del		= eip93_del_sa,
	.submit		= eip93_submit,
	.doorbell	= eip93_doorbell,
	.poll		= eip93_poll,
	.arm		= eip93_arm,
	.stop		= eip93_stop,
	.start		= eip93_start,
};

static void free_name(void *data)
{
	struct eip93 *e = data;

	ida_free(&names, e->index);
}

static int give_name(struct eip93 *e)
{
	e->index = ida_alloc(&names, GFP_KERNEL);
	if (e->index < 0)
		return e->index;
	if (e->index)
		snprintf(e->name, sizeof(e->name), "eip93-%d", e->index);
	else
		strscpy(e->name, "eip93", sizeof(e->name));
	return devm_add_action_or_reset(e->dev, free_name, e);
}

static void clocks_off(void *data)
{
	eip93_hw_clocks_off(data);
}

static void hw_stop(void *data)
{
	stop(data, false);
}

static void leave(void *data)
{
	struct eip93 *e = data;

	eip93_debugfs_del(e);
	esp_ring_engine_unregister(e->engine);
	WRITE_ONCE(e->engine, NULL);
}

static int enter(struct eip93 *e)
{
	const struct esp_ring_engine_desc desc = {
		.name		= e->name,
		.ops		= &eip93_ops,
		.caps = {
			.algs		= e->algs,
			.nr_algs	= e->nr_algs,
			.flags		= ESP_RING_CAP_ALL |
					  (e->nonce ? ESP_RING_CAP_CBC_NONCE : 0),
			.max_len	= U16_MAX,
			.max_sas	= e->nr_records,
		},
		.rating		= EIP93_RATING,
		.batch		= EIP93_BATCH,
		.min_inflight	= EIP93_INFLIGHT,
		.timeout_ms	= timeout_ms,
		.fwnode		= dev_fwnode(e->dev),
		.priv		= e,
	};
	struct esp_ring_engine *engine;

	run(e);
	engine = esp_ring_engine_register(&desc);
	if (IS_ERR(engine))
		return dev_err_probe(e->dev, PTR_ERR(engine), "not registered\n");
	WRITE_ONCE(e->engine, engine);
	eip93_debugfs_add(e);
	return devm_add_action_or_reset(e->dev, leave, e);
}

static int get_memory(struct eip93 *e)
{
	int err;

	/* Addresses in descriptors have 32 bits, whatever the CPU has. */
	err = dma_set_mask_and_coherent(e->dev, DMA_BIT_MASK(32));
	if (err)
		return dev_err_probe(e->dev, err, "no DMA\n");
	return eip93_ring_init(e, ring_size) ?: eip93_sa_init(e, max_sas);
}

static int eip93_probe(struct platform_device *pdev)
{
	struct device *dev = &pdev->dev;
	struct eip93 *e;
	int err;

	e = devm_kzalloc(dev, sizeof(*e), GFP_KERNEL);
	if (!e)
		return -ENOMEM;
	e->dev = dev;
	mutex_init(&e->life_lock);
	platform_set_drvdata(pdev, e);
	e->counts = devm_alloc_percpu(dev, struct eip93_counts);
	if (!e->counts)
		return -ENOMEM;
	e->base = devm_platform_ioremap_resource(pdev, 0);
	if (IS_ERR(e->base))
		return PTR_ERR(e->base);
	e->irq = platform_get_irq(pdev, 0);
	if (e->irq < 0)
		return e->irq;

	err = give_name(e) ?: get_memory(e) ?: eip93_hw_get(e);
	if (err)
		return err;
	err = devm_add_action_or_reset(dev, clocks_off, e);
	if (err)
		return err;

	/* start() leaves the interrupts off, and so nothing comes too early. */
	err = start(e) ?: devm_add_action_or_reset(dev, hw_stop, e) ?:
	      eip93_irq_get(e);
	if (err)
		return err;

	eip93_ring_set_run(e, EIP93_TESTING);
	err = eip93_caps_find(e, legacy) ?: eip93_irq_find_window(e);
	eip93_ring_set_run(e, EIP93_STOPPED);
	if (err)
		return dev_err_probe(dev, err, "no transform passes its self test\n");
	dev_info(dev, "%s: %u transforms of ESP, options 0x%08x\n", e->name,
		 e->nr_algs, e->options);
	return enter(e);
}

/*
 * The memory is soon another kernel's. Out of the layer first: for that an engine
 * that only stops has hung, and would be started again before kexec comes to its
 * end. What is still sent until then is encrypted in software.
 */
static void eip93_shutdown(struct platform_device *pdev)
{
	struct eip93 *e = platform_get_drvdata(pdev);

	devm_release_action(e->dev, leave, e);
	stop(e, false);
}

static bool idle(const struct eip93 *e)
{
	int dir;

	for (dir = 0; dir < ESP_RING_NR_DIRS; dir++)
		if (READ_ONCE(e->queue[dir].head) !=
		    READ_ONCE(e->queue[dir].tail))
			return false;
	return true;
}

/* Packets wait in the layer from here on, which is told that we are busy. */
static int eip93_suspend(struct device *dev)
{
	struct eip93 *e = dev_get_drvdata(dev);
	unsigned long end = jiffies + msecs_to_jiffies(EIP93_SUSPEND_MS);

	mutex_lock(&e->life_lock);
	eip93_ring_set_run(e, EIP93_DRAINING);
	while (!idle(e) && time_before(jiffies, end))
		usleep_range(1000, 2000);
	stop(e, true);
	eip93_hw_clocks_off(e);
	e->suspended = true;
	mutex_unlock(&e->life_lock);
	return 0;
}

static int eip93_resume(struct device *dev)
{
	struct eip93 *e = dev_get_drvdata(dev);
	int dir, err;

	mutex_lock(&e->life_lock);
	err = eip93_hw_clocks_on(e);
	if (err)
		goto out;
	e->suspended = false;
	/* One that does not start is stopped and restarted, or given up. */
	if (start(e))
		eip93_fail(e, "no resume");
	else
		run(e);
out:
	mutex_unlock(&e->life_lock);
	if (err)
		return err;

	for (dir = 0; dir < ESP_RING_NR_DIRS; dir++)
		if (e->queue[dir].q)
			esp_ring_schedule(e->queue[dir].q);
	return 0;
}

static DEFINE_SIMPLE_DEV_PM_OPS(eip93_pm, eip93_suspend, eip93_resume);

/* The names of the kernel's inside-secure,safexcel-eip93 binding. */
static const struct of_device_id eip93_of_match[] = {
	{ .compatible = "inside-secure,safexcel-eip93i" },
	{ .compatible = "inside-secure,safexcel-eip93ie" },
	{ .compatible = "inside-secure,safexcel-eip93is" },
	{ .compatible = "inside-secure,safexcel-eip93ies" },
	{ }
};
MODULE_DEVICE_TABLE(of, eip93_of_match);

static struct platform_driver eip93_driver = {
	.probe		= eip93_probe,
	.shutdown	= eip93_shutdown,
	.driver = {
		.name		= KBUILD_MODNAME,
		.of_match_table	= eip93_of_match,
		.pm		= pm_sleep_ptr(&eip93_pm),
	},
};

static int __init eip93_init(void)
{
	int err;

	if (!is_power_of_2(ring_size) || ring_size < EIP93_RING_MIN ||
	    ring_size > EIP93_RING_MAX) {
		pr_err(KBUILD_MODNAME ": ring=%u: not a power of two from %u to %u\n",
		       ring_size, EIP93_RING_MIN, EIP93_RING_MAX);
		return -EINVAL;
	}
	if (!max_sas || max_sas > EIP93_MAX_SAS) {
		pr_err(KBUILD_MODNAME ": max_sas=%u: not from 1 to %u\n",
		       max_sas, EIP93_MAX_SAS);
		return -EINVAL;
	}

	eip93_debugfs_init();
	err = platform_driver_register(&eip93_driver);
	if (err)
		eip93_debugfs_exit();
	return err;
}

static void __exit eip93_exit(void)
{
	platform_driver_unregister(&eip93_driver);
	eip93_debugfs_exit();
}

module_init(eip93_init);
module_exit(eip93_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("SafeXcel EIP-93 engine of the ESP crypto ring");
