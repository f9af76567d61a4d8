// SPDX-License-Identifier: GPL-2.0-only
/*
 * Engines: registration, removal, failure.
 */
#include <linux/export.h>
#include <linux/slab.h>
#include <linux/smp.h>

#include "compat.h"
#include "internal.h"

/* Every answered packet has been finished when NAPI has run; it may be late. */
#define ESP_RING_SETTLE		(5 * HZ)
#define ESP_RING_RESTARTS	3
#define ESP_RING_RESTART_EPOCH	(60 * HZ)
#define ESP_RING_MAX_ENGINES	64
/* With what recovery takes, traffic goes on within a second. */
#define ESP_RING_TIMEOUT_MS	500

/* Engines, and which SA is on which of them; see internal.h for the order. */
DEFINE_MUTEX(esp_ring_mutex);
LIST_HEAD(esp_ring_engines);
LIST_HEAD(esp_ring_sas);
LIST_HEAD(esp_ring_orphans);

static u64 used_indices;

/**
 * esp_ring_engine_priv - the engine's own data
 * @engine: the engine
 *
 * Return: &esp_ring_engine_desc.priv.
 */
void *esp_ring_engine_priv(const struct esp_ring_engine *engine)
{
	return engine->priv;
}
EXPORT_SYMBOL_GPL(esp_ring_engine_priv);

/**
 * esp_ring_engine_name - an engine's name
 * @engine: the engine
 *
 * Return: the name, for messages.
 */
const char *esp_ring_engine_name(const struct esp_ring_engine *engine)
{
	return engine->name;
}
EXPORT_SYMBOL_GPL(esp_ring_engine_name);

/**
 * esp_ring_queue_engine - whose queue it is
 * @q: the queue
 *
 * Return: its engine.
 */
struct esp_ring_engine *esp_ring_queue_engine(const struct esp_ring_queue *q)
{
	return q->engine;
}
EXPORT_SYMBOL_GPL(esp_ring_queue_engine);

/**
 * esp_ring_queue_dir - a queue's direction
 * @q: the queue
 *
 * Return: %ESP_RING_ENCRYPT or %ESP_RING_DECRYPT.
 */
enum esp_ring_dir esp_ring_queue_dir(const struct esp_ring_queue *q)
{
	return q->dir;
}
EXPORT_SYMBOL_GPL(esp_ring_queue_dir);

/**
 * esp_ring_engine_queue - a queue of an engine
 * @engine: the engine
 * @dir: which
 *
 * Return: the queue.
 */
struct esp_ring_queue *esp_ring_engine_queue(struct esp_ring_engine *engine,
					     enum esp_ring_dir dir)
{
	return &engine->queues[dir];
}
EXPORT_SYMBOL_GPL(esp_ring_engine_queue);

/**
 * esp_ring_engine_state_name - an engine's state in a word
 * @engine: the engine
 *
 * Return: the word.
 */
const char *esp_ring_engine_state_name(const struct esp_ring_engine *engine)
{
	switch (engine->state) {
	case ESP_RING_ENGINE_RUNNING:
		return "running";
	case ESP_RING_ENGINE_LEAVING:
		return "leaving";
	case ESP_RING_ENGINE_FAILED:
		return "failed";
	}
	return "unknown";
}

/**
 * esp_ring_engine_set_cpus - apply the rules for CPUs of completion
 */
void esp_ring_engine_set_cpus(void)
{
	struct esp_ring_engine *engine;
	int dir;

	mutex_lock(&esp_ring_mutex);
	list_for_each_entry(engine, &esp_ring_engines, list)
		for (dir = 0; dir < ESP_RING_NR_DIRS; dir++)
			WRITE_ONCE(engine->queues[dir].cpu,
				   esp_ring_rule_cpu(engine->name, dir));
	mutex_unlock(&esp_ring_mutex);
}

/**
 * esp_ring_engine_put_sa - the engine holds one SA less
 * @engine: the engine; may be freed by its owner as soon as this returns
 */
void esp_ring_engine_put_sa(struct esp_ring_engine *engine)
{
	/* The waiter passes through this lock before it frees the engine, and so
	 * does not do that before we are done with it. Process context.
	 */
	spin_lock_irq(&engine->gone.lock);
	if (atomic_dec_and_test(&engine->nr_sas))
		wake_up_locked(&engine->gone);
	spin_unlock_irq(&engine->gone.lock);
}

/**
 * esp_ring_engine_sa_gone - tell an engine to forget an SA
 * @engine: the engine
 * @priv: its handle; no packet of the SA is in the engine
 *
 * Process context.
 */
void esp_ring_engine_sa_gone(struct esp_ring_engine *engine, void *priv)
{
	engine->ops->sa_del(engine, priv);
	esp_ring_engine_put_sa(engine);
}

/* Stop the engine and finish, as errors, what it held. */
static void stop_engine(struct esp_ring_engine *engine)
{
	int dir;

	engine->ops->stop(engine);
	for (dir = 0; dir < ESP_RING_NR_DIRS; dir++) {
		struct esp_ring_queue *q = &engine->queues[dir];

		esp_ring_queue_abort(q);
		if (!esp_ring_queue_wait_idle(q, ESP_RING_SETTLE))
			pr_err("esp_ring: %s: completion does not run\n",
			       engine->name);
	}
}

static void hold_queues(struct esp_ring_engine *engine)
{
	int dir;

	for (dir = 0; dir < ESP_RING_NR_DIRS; dir++)
		esp_ring_queue_hold(&engine->queues[dir]);
}

/* In process context, BH on: what is pending here is done before this returns. */
static int run_softirqs(void *unused)
{
	local_bh_disable();
	local_bh_enable();
	return 0;
}

/*
 * Give away all SAs of an engine that is not to work again. Behind us are lists
 * for each CPU (gro_cells, backlog): what the engine finished last leaves them
 * before the next one's packets come to those of another CPU.
 */
static void empty_engine(struct esp_ring_engine *engine)
{
	unsigned int cpu;
	int dir;

	for_each_online_cpu(cpu)
		smp_call_on_cpu(cpu, run_softirqs, NULL, false);

	esp_ring_rebind_all(engine);
	for (dir = 0; dir < ESP_RING_NR_DIRS; dir++)
		esp_ring_queue_purge(&engine->queues[dir]);
}

/* Some failures are cured by a restart; one that comes back soon is not. */
static bool may_restart(struct esp_ring_engine *engine)
{
	if (time_after(jiffies, engine->restart_epoch + ESP_RING_RESTART_EPOCH)) {
		engine->restart_epoch = jiffies;
		engine->restarts = 0;
	}
	return engine->restarts++ < ESP_RING_RESTARTS;
}

/**
 * esp_ring_engine_fail_work - recover from a failure
 * @work: the engine's
 *
 * The packets that the engine held are lost. Those that wait stay in order and
 * go on, in the engine if it can be restarted, in another one otherwise.
 */
void esp_ring_engine_fail_work(struct work_struct *work)
{
	struct esp_ring_engine *engine = container_of(work,
						      struct esp_ring_engine,
						      fail_work);
	const char *why = engine->fail_why;
	bool restart;
	int dir;

	mutex_lock(&esp_ring_mutex);
	if (engine->state != ESP_RING_ENGINE_RUNNING) {
		mutex_unlock(&esp_ring_mutex);
		return;
	}
	engine->failures++;
	restart = may_restart(engine);
	mutex_unlock(&esp_ring_mutex);

	hold_queues(engine);
	stop_engine(engine);
	WRITE_ONCE(engine->fail_why, NULL);

	if (restart && !engine->ops->start(engine)) {
		pr_warn("esp_ring: %s: %s; restarted\n", engine->name, why);
		for (dir = 0; dir < ESP_RING_NR_DIRS; dir++)
			esp_ring_queue_run(&engine->queues[dir]);
		return;
	}

	pr_err("esp_ring: %s: %s; given up\n", engine->name, why);
	mutex_lock(&esp_ring_mutex);
	if (engine->state == ESP_RING_ENGINE_RUNNING)
		engine->state = ESP_RING_ENGINE_FAILED;
	mutex_unlock(&esp_ring_mutex);
	empty_engine(engine);
}

/**
 * esp_ring_engine_fail - an engine does not work any more
 * @engine: the engine
 * @why: for the log; a constant
 *
 * Any context. The engine is stopped and restarted, or its SAs go elsewhere;
 * that is done later, in process context.
 */
void esp_ring_engine_fail(struct esp_ring_engine *engine, const char *why)
{
	if (!cmpxchg(&engine->fail_why, NULL, why))
		queue_work(esp_ring_wq, &engine->fail_work);
}
EXPORT_SYMBOL_GPL(esp_ring_engine_fail);

static void free_engine(struct esp_ring_engine *engine)
{
	int dir;

	for (dir = 0; dir < ESP_RING_NR_DIRS; dir++)
		esp_ring_queue_destroy(&engine->queues[dir]);
	if (engine->napi_dev)
		free_netdev(engine->napi_dev);
	kfree(engine);
}

/* esp_ring_mutex is held. */
static int list_engine(struct esp_ring_engine *engine)
{
	struct esp_ring_engine *other;

	list_for_each_entry(other, &esp_ring_engines, list)
		if (!strcmp(other->name, engine->name))
			return -EEXIST;
	if (used_indices == U64_MAX)
		return -ENOSPC;

	engine->index = __ffs64(~used_indices);
	used_indices |= BIT_ULL(engine->index);
	list_add_tail(&engine->list, &esp_ring_engines);
	return 0;
}

/**
 * esp_ring_engine_register - make an engine known
 * @desc: what it is; may be on the stack
 *
 * Process context. SAs and packets may come before this returns. SAs that lost
 * their engine before are offered to this one.
 *
 * Return: the engine, or an ERR_PTR: -EINVAL, -EEXIST if the name is taken,
 * -ENOSPC, -ENOMEM.
 */
struct esp_ring_engine *
esp_ring_engine_register(const struct esp_ring_engine_desc *desc)
{
	const struct esp_ring_engine_ops *ops = desc->ops;
	struct esp_ring_engine *engine;
	int dir, err = -ENOMEM;

	if (!ops || !ops->sa_add || !ops->sa_del || !ops->submit ||
	    !ops->doorbell || !ops->stop || !ops->start || !desc->name ||
	    !*desc->name || strlen(desc->name) >= ESP_RING_NAME_LEN)
		return ERR_PTR(-EINVAL);

	engine = kzalloc(sizeof(*engine), GFP_KERNEL);
	if (!engine)
		return ERR_PTR(-ENOMEM);

	strscpy(engine->name, desc->name, sizeof(engine->name));
	engine->ops = ops;
	engine->caps = desc->caps;
	engine->rating = desc->rating;
	engine->batch = desc->batch ?: 1;
	engine->timeout = msecs_to_jiffies(desc->timeout_ms ?:
					   ESP_RING_TIMEOUT_MS);
	engine->fwnode = desc->fwnode;
	engine->priv = desc->priv;
	engine->restart_epoch = jiffies;
	INIT_LIST_HEAD(&engine->list);
	INIT_LIST_HEAD(&engine->sas);
	INIT_WORK(&engine->fail_work, esp_ring_engine_fail_work);
	init_waitqueue_head(&engine->gone);

	engine->napi_dev = alloc_netdev_dummy(0);
	if (!engine->napi_dev)
		goto free;
	for (dir = 0; dir < ESP_RING_NR_DIRS; dir++) {
		err = esp_ring_queue_init(&engine->queues[dir], engine, dir,
					  desc);
		if (err)
			goto free;
	}

	mutex_lock(&esp_ring_mutex);
	err = list_engine(engine);
	mutex_unlock(&esp_ring_mutex);
	if (err)
		goto free;

	esp_ring_engine_set_cpus();
	esp_ring_adopt_orphans();
	return engine;

free:
	free_engine(engine);
	return ERR_PTR(err);
}
EXPORT_SYMBOL_GPL(esp_ring_engine_register);

/**
 * esp_ring_engine_unregister - take an engine out of use, under load if need be
 * @engine: the engine; freed
 *
 * What the engine holds is completed, if it does so in time. Packets that wait
 * go on in other engines, in order; its SAs too, or in software. On return
 * none of the engine's functions is called any more. Process context.
 */
void esp_ring_engine_unregister(struct esp_ring_engine *engine)
{
	int dir;

	mutex_lock(&esp_ring_mutex);
	engine->state = ESP_RING_ENGINE_LEAVING;
	mutex_unlock(&esp_ring_mutex);
	/* Recovery that has begun ends; none begins any more. */
	flush_work(&engine->fail_work);

	hold_queues(engine);
	for (dir = 0; dir < ESP_RING_NR_DIRS; dir++)
		esp_ring_queue_wait_done(&engine->queues[dir]);
	stop_engine(engine);
	empty_engine(engine);

	wait_event(engine->gone, !atomic_read(&engine->nr_sas));
	spin_lock_irq(&engine->gone.lock);
	spin_unlock_irq(&engine->gone.lock);

	mutex_lock(&esp_ring_mutex);
	list_del(&engine->list);
	used_indices &= ~BIT_ULL(engine->index);
	mutex_unlock(&esp_ring_mutex);

	/* Enqueuers that still look at our queues, and NAPI asked for by IPI. */
	synchronize_rcu();
	kick_all_cpus_sync();
	for (dir = 0; dir < ESP_RING_NR_DIRS; dir++)
		cancel_delayed_work_sync(&engine->queues[dir].watchdog);
	cancel_work_sync(&engine->fail_work);
	free_engine(engine);
}
EXPORT_SYMBOL_GPL(esp_ring_engine_unregister);
