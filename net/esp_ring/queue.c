// SPDX-License-Identifier: GPL-2.0-only
/*
 * Queues: one direction of one engine. Packets wait here, in order, and go to
 * the engine as far as the dynamic limit lets them. complete.c takes them out.
 */
#include <linux/bitfield.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "compat.h"
#include "internal.h"
#include "trace.h"

#define ESP_RING_SLOTS_DEFAULT	1024
#define ESP_RING_SLOTS_MAX	(ESP_RING_COOKIE_SLOT + 1)

/* After so many jiffies no packet of a queue is left behind it. */
#define HOME_QUIET		(HZ / 20)

/*
 * A TCP or UDP sender hands over 64 KiB at a time and several of them do so at
 * once; what is below this is a burst, not a standing queue.
 */
static unsigned int burst_bytes = 512 * 1024;
module_param(burst_bytes, uint, 0644);
MODULE_PARM_DESC(burst_bytes,
		 "bytes that may always wait in front of an engine, for each queue and priority (default 524288)");

/* The limit follows what the engine needs to stay busy, with the burst on top. */
static u32 backlog_limit(const struct esp_ring_queue *q)
{
	return READ_ONCE(burst_bytes) + 2 * q->dql.limit;
}

/* Called with q->lock held. */
static struct esp_ring_slot *next_waiting(struct esp_ring_queue *q)
{
	struct list_head *high = &q->backlog[ESP_RING_PRIO_HIGH];
	struct list_head *low = &q->backlog[ESP_RING_PRIO_LOW];
	bool low_turn = list_empty(high) || q->high_run >= ESP_RING_HIGH_BURST;

	return list_first_entry_or_null(!list_empty(low) && low_turn ? low : high,
					struct esp_ring_slot, list);
}

/*
 * Whether the limit lets a packet into the engine. What is urgent does not wait
 * for the others that are there, only for its own kind. Lock held.
 */
static bool may_enter(const struct esp_ring_queue *q, bool urgent)
{
	return dql_avail(&q->dql) >= 0 ||
	       (urgent && (!q->urgent_bytes || q->urgent_bytes < q->dql.limit));
}

static void ring_doorbell(struct esp_ring_queue *q)
{
	q->engine->ops->doorbell(q);
	q->unrung = 0;
	q->stats.doorbells++;
}

/*
 * Give the engine one packet. -EBUSY: it stays where it is, and the engine asks
 * for it again; 0 or another error: it is in flight, answered already in the
 * second case, for the order is that of submission all the same. Lock held.
 */
static __always_inline int hand_over(struct esp_ring_queue *q,
				     struct esp_ring_slot *slot,
				     const struct esp_ring_sa *sa)
{
	u32 len = slot->pkt.len;
	int err;

	slot->pkt.sa_priv = sa->engine_priv;
	slot->submitted = jiffies;
	atomic_set(&slot->token, slot->pkt.cookie | ESP_RING_TOKEN_HELD);
	err = q->engine->ops->submit(q, &slot->pkt);
	if (unlikely(err == -EBUSY)) {
		atomic_set(&slot->token, slot->pkt.cookie);
		q->stats.busy++;
		return err;
	}

	list_move_tail(&slot->list, &q->inflight[sa->prio]);
	if (slot->pkt.urgent) {
		q->urgent_bytes += len;
		q->high_run++;
	} else {
		q->high_run = 0;
	}
	q->inflight_len++;
	dql_queued(&q->dql, len);
	if (unlikely(err)) {
		esp_ring_slot_answer(slot, slot->pkt.cookie, err);
		q->stats.refused++;
		return err;
	}
	q->unrung++;
	return 0;
}

/*
 * After packets were handed over: the doorbell, where a batch is complete, the
 * engine would run dry or @ring says so, and what looks after them. Lock held.
 */
static void kick(struct esp_ring_queue *q, bool ring, bool failed)
{
	const struct esp_ring_engine *engine = q->engine;

	if (q->unrung &&
	    (ring || q->unrung >= engine->batch ||
	     q->inflight_len - q->unrung < 2 * engine->batch))
		ring_doorbell(q);
	if (q->inflight_len && !q->watchdog_on)
		esp_ring_watchdog_arm(q);
	if (unlikely(failed))
		esp_ring_schedule(q);
}

/**
 * esp_ring_feed - give the engine what waits, as far as the limit allows
 * @q: the queue; its lock is held, BH off
 * @ring: ring the doorbell for an incomplete batch too. Without it a busy
 *	engine is not disturbed: its next completion pass rings.
 */
void esp_ring_feed(struct esp_ring_queue *q, bool ring)
{
	bool failed = false;

	while (q->state == ESP_RING_Q_RUNNING) {
		struct esp_ring_slot *slot = next_waiting(q);
		u8 prio;
		int err;

		if (!slot || !may_enter(q, slot->pkt.urgent))
			break;

		prio = slot->sa->prio;
		err = hand_over(q, slot, slot->sa);
		if (err == -EBUSY)
			break;
		q->backlog_bytes[prio] -= slot->pkt.len;
		q->backlog_len[prio]--;
		if (likely(!err))
			trace_esp_ring_submit(q, slot);
		failed |= err;
	}
	kick(q, ring, failed);
}

/* A slot for a packet, still on the free list, or NULL. Lock held. */
static __always_inline struct esp_ring_slot *
fill_slot(struct esp_ring_queue *q, struct esp_ring_sa *sa, struct sk_buff *skb,
	  const struct esp_ring_pkt *pkt, ktime_t queued)
{
	struct esp_ring_slot *slot;

	slot = list_first_entry_or_null(&q->free, struct esp_ring_slot, list);
	if (unlikely(!slot))
		return NULL;

	refcount_inc(&sa->ref);
	slot->sa = sa;
	slot->skb = skb;
	slot->queued = queued;
	slot->pkt.esp = pkt->esp;
	slot->pkt.len = pkt->len;
	slot->pkt.seq_hi = pkt->seq_hi;
	slot->pkt.nonce = pkt->nonce;
	if (unlikely(pkt->nonce &&
		     !(q->engine->caps.flags & ESP_RING_CAP_CBC_NONCE))) {
		esp_ring_esp_no_nonce(sa, pkt);
		slot->pkt.nonce = false;
	}
	slot->pkt.urgent = sa->prio == ESP_RING_PRIO_HIGH;
	slot->pkt.cookie = (slot->pkt.cookie & ESP_RING_COOKIE_SLOT) |
			   ((slot->pkt.cookie + BIT(16)) & ESP_RING_COOKIE_GEN);
	return slot;
}

static bool has_room(const struct esp_ring_queue *q, u8 prio, u32 len)
{
	return q->backlog_bytes[prio] + len <= backlog_limit(q);
}

/* At the end of its list. Lock held. */
static void let_wait(struct esp_ring_queue *q, struct esp_ring_slot *slot,
		     u8 prio)
{
	atomic_set(&slot->token, slot->pkt.cookie);
	list_move_tail(&slot->list, &q->backlog[prio]);
	q->backlog_bytes[prio] += slot->pkt.len;
	q->backlog_len[prio]++;
}

/**
 * esp_ring_slot_take - put a packet at the end of its list
 * @q: the queue; its lock is held, BH off
 * @sa: the packet's SA; the slot gets a reference of its own
 * @skb: the packet; on success the queue's
 * @pkt: what esp.c found
 * @queued: when the packet came to the layer
 *
 * Return: false if the queue is full.
 */
bool esp_ring_slot_take(struct esp_ring_queue *q, struct esp_ring_sa *sa,
			struct sk_buff *skb, const struct esp_ring_pkt *pkt,
			ktime_t queued)
{
	struct esp_ring_slot *slot;

	if (!has_room(q, sa->prio, pkt->len))
		return false;
	slot = fill_slot(q, sa, skb, pkt, queued);
	if (!slot)
		return false;
	let_wait(q, slot, sa->prio);
	return true;
}

/*
 * To the engine at once where nothing waits and the limit allows it: a list would
 * be joined only to be left again. Behind others that wait a packet stays until
 * one that is in the engine has been taken out, or the engine asks. Lock held.
 *
 * Return: false if the queue is full.
 */
static bool take_packet(struct esp_ring_queue *q, struct esp_ring_sa *sa,
			struct sk_buff *skb, const struct esp_ring_pkt *pkt,
			ktime_t queued)
{
	bool urgent = sa->prio == ESP_RING_PRIO_HIGH;
	bool wait = q->state != ESP_RING_Q_RUNNING ||
		    q->backlog_len[ESP_RING_PRIO_HIGH] ||
		    q->backlog_len[ESP_RING_PRIO_LOW] ||
		    !may_enter(q, urgent);
	struct esp_ring_slot *slot;
	int err;

	if (wait && !has_room(q, sa->prio, pkt->len))
		return false;
	slot = fill_slot(q, sa, skb, pkt, queued);
	if (unlikely(!slot))
		return false;

	if (wait) {
		let_wait(q, slot, sa->prio);
		if (unlikely(urgent || !q->inflight_len))
			esp_ring_feed(q, false);
		return true;
	}

	err = hand_over(q, slot, sa);
	if (likely(!err))
		trace_esp_ring_submit(q, slot);
	else if (err == -EBUSY)
		let_wait(q, slot, sa->prio);
	kick(q, false, err && err != -EBUSY);
	return true;
}

/*
 * The home of a queue that has been quiet is where its next packet comes from.
 * While there is traffic it stays: see esp_ring_schedule(). Lock held.
 */
static void choose_home(struct esp_ring_queue *q)
{
	if (!q->engine->ops->poll &&
	    (q->home < 0 || time_after(jiffies, q->active + HOME_QUIET)))
		WRITE_ONCE(q->home, smp_processor_id());
}

/**
 * esp_ring_queue_settle - give a queue that an SA moves to a home
 * @q: the queue; its lock is held, BH off
 * @from: where the SA was, NULL for software; its lock is held too
 *
 * Before the first packet is fed, so that none of those that move is finished on
 * a CPU of which the next ones know nothing.
 */
void esp_ring_queue_settle(struct esp_ring_queue *q,
			   const struct esp_ring_queue *from)
{
	if (q->inflight_len || q->engine->ops->poll)
		return;

	choose_home(q);
	if (from && from->home >= 0)
		WRITE_ONCE(q->home, from->home);
	q->active = jiffies;
}

/**
 * esp_ring_enqueue - hand a packet to the queue of its SA
 * @sa: the SA
 * @skb: the packet, the queue's on success
 * @pkt: what esp.c found
 *
 * BH off, under rcu_read_lock.
 *
 * Return: 0; -ENOBUFS: the queue is full; -EMSGSIZE: more than the engine takes;
 * both counted, the packet is to be dropped; -ENODEV: the SA has no engine.
 */
int esp_ring_enqueue(struct esp_ring_sa *sa, struct sk_buff *skb,
		     const struct esp_ring_pkt *pkt)
{
	struct esp_ring_queue *q;
	ktime_t now = 0;
	u32 max_len;
	bool taken;

	/* Only the tracepoints want to know. */
	if (trace_esp_ring_submit_enabled() || trace_esp_ring_complete_enabled())
		now = ktime_get();

	for (;;) {
		q = rcu_dereference(sa->queue);
		if (!q)
			return -ENODEV;
		spin_lock(&q->lock);
		if (likely(rcu_access_pointer(sa->queue) == q))
			break;
		/* It moved to another queue while we waited for the lock. */
		spin_unlock(&q->lock);
	}

	max_len = q->engine->caps.max_len;
	if (unlikely(max_len && pkt->len > max_len)) {
		spin_unlock(&q->lock);
		esp_ring_count_drop(sa, q, ESP_RING_DROP_LENGTH);
		return -EMSGSIZE;
	}

	if (!q->inflight_len)
		choose_home(q);
	esp_ring_queue_load(q, pkt->len);
	taken = take_packet(q, sa, skb, pkt, now);
	if (unlikely(!taken))
		esp_ring_count_drop(sa, q, ESP_RING_DROP_FULL);
	spin_unlock(&q->lock);

	return taken ? 0 : -ENOBUFS;
}

/**
 * esp_ring_queue_hold - stop feeding the engine
 * @q: the queue; packets still come in and wait
 *
 * Process context.
 */
void esp_ring_queue_hold(struct esp_ring_queue *q)
{
	spin_lock_bh(&q->lock);
	q->state = ESP_RING_Q_HOLDING;
	if (q->unrung)
		ring_doorbell(q);
	spin_unlock_bh(&q->lock);
}

/**
 * esp_ring_queue_run - feed the engine again
 * @q: the queue
 *
 * Process context.
 */
void esp_ring_queue_run(struct esp_ring_queue *q)
{
	spin_lock_bh(&q->lock);
	q->state = ESP_RING_Q_RUNNING;
	esp_ring_feed(q, true);
	spin_unlock_bh(&q->lock);
}

/**
 * esp_ring_queue_abort - answer for an engine that has stopped
 * @q: the queue; held, and the engine touches none of its packets
 *
 * Every packet in the engine gets -EIO and is finished by NAPI. Process context.
 */
void esp_ring_queue_abort(struct esp_ring_queue *q)
{
	struct esp_ring_slot *slot;
	int prio;

	spin_lock_bh(&q->lock);
	for (prio = 0; prio < ESP_RING_NR_PRIOS; prio++)
		list_for_each_entry(slot, &q->inflight[prio], list)
			esp_ring_slot_answer(slot, slot->pkt.cookie, -EIO);
	q->unrung = 0;
	spin_unlock_bh(&q->lock);
	esp_ring_schedule(q);
}

/**
 * esp_ring_queue_wait_idle - wait until the engine holds nothing
 * @q: the queue
 * @timeout: jiffies
 *
 * Process context, may sleep.
 *
 * Return: whether it became so in time.
 */
bool esp_ring_queue_wait_idle(struct esp_ring_queue *q, unsigned long timeout)
{
	if (!wait_event_timeout(q->idle, !READ_ONCE(q->inflight_len), timeout))
		return false;

	/* Taken is not finished: what overtakes now would be reordered. */
	napi_synchronize(&q->napi);
	return true;
}

/**
 * esp_ring_queue_wait_done - wait until the engine has done what it holds
 * @q: the queue, held
 *
 * As long as it goes on; one that does nothing for its timeout will not.
 * Process context, may sleep, bounded by the number of slots.
 */
void esp_ring_queue_wait_done(struct esp_ring_queue *q)
{
	u64 before;

	do
		before = READ_ONCE(q->stats.completions);
	while (!esp_ring_queue_wait_idle(q, q->engine->timeout) &&
	       before != READ_ONCE(q->stats.completions));
}

/**
 * esp_ring_queue_purge - drop all packets that still wait
 * @q: the queue, of an engine that no SA is bound to
 *
 * What can be left here belongs to SAs that have been deleted. Process context.
 */
void esp_ring_queue_purge(struct esp_ring_queue *q)
{
	struct esp_ring_slot *slot;
	int prio;

	local_bh_disable();
	for (prio = 0; prio < ESP_RING_NR_PRIOS; prio++) {
		for (;;) {
			struct esp_ring_sa *sa;
			struct sk_buff *skb;

			spin_lock(&q->lock);
			slot = list_first_entry_or_null(&q->backlog[prio],
							struct esp_ring_slot,
							list);
			if (!slot) {
				spin_unlock(&q->lock);
				break;
			}
			sa = slot->sa;
			skb = slot->skb;
			q->backlog_bytes[prio] -= slot->pkt.len;
			q->backlog_len[prio]--;
			esp_ring_slot_release(q, slot);
			spin_unlock(&q->lock);

			esp_ring_count_drop(sa, q, ESP_RING_DROP_REBIND);
			esp_ring_esp_drop(sa, skb);
			esp_ring_sa_put(sa);
		}
	}
	local_bh_enable();
}

static int alloc_slots(struct esp_ring_queue *q, unsigned int nr, size_t priv)
{
	unsigned int i;

	q->slots = kvcalloc(nr, sizeof(*q->slots), GFP_KERNEL);
	if (!q->slots)
		return -ENOMEM;
	if (priv) {
		q->pkt_priv = kvcalloc(nr, priv, GFP_KERNEL);
		if (!q->pkt_priv)
			return -ENOMEM;
	}

	for (i = 0; i < nr; i++) {
		struct esp_ring_slot *slot = &q->slots[i];

		slot->pkt.cookie = i;
		if (priv)
			slot->pkt.priv = q->pkt_priv + i * priv;
		list_add_tail(&slot->list, &q->free);
	}
	q->nr_slots = nr;
	return 0;
}

/**
 * esp_ring_queue_init - make a queue ready
 * @q: zeroed memory, part of @engine
 * @engine: its owner, with its NAPI device
 * @dir: its direction
 * @desc: the engine's registration
 *
 * Process context. After an error esp_ring_queue_destroy() cleans up.
 *
 * Return: 0 or -ENOMEM.
 */
int esp_ring_queue_init(struct esp_ring_queue *q, struct esp_ring_engine *engine,
			enum esp_ring_dir dir,
			const struct esp_ring_engine_desc *desc)
{
	unsigned int nr = desc->slots ?: ESP_RING_SLOTS_DEFAULT;
	int prio, cpu;

	q->engine = engine;
	q->dir = dir;
	spin_lock_init(&q->lock);
	INIT_LIST_HEAD(&q->free);
	for (prio = 0; prio < ESP_RING_NR_PRIOS; prio++) {
		INIT_LIST_HEAD(&q->backlog[prio]);
		INIT_LIST_HEAD(&q->inflight[prio]);
	}
	INIT_DELAYED_WORK(&q->watchdog, esp_ring_watchdog);
	init_waitqueue_head(&q->idle);
	INIT_CSD(&q->csd, esp_ring_csd, q);
	q->cpu = -1;
	q->home = -1;
	q->ran_on = -1;
	q->asked_for = ESP_RING_COOKIE_NONE;
	dql_init(&q->dql, HZ);
	q->dql.min_limit = desc->min_inflight;
	dql_reset(&q->dql);
	/* What is always let in: without this the first packet goes alone. */
	q->dql.adj_limit = q->dql.limit;

	q->counts = alloc_percpu(struct esp_ring_counts);
	q->interrupts = alloc_percpu(u64);
	if (!q->counts || !q->interrupts)
		return -ENOMEM;
	for_each_possible_cpu(cpu)
		u64_stats_init(&per_cpu_ptr(q->counts, cpu)->syncp);

	if (alloc_slots(q, min_t(unsigned int, nr, ESP_RING_SLOTS_MAX),
			desc->pkt_priv))
		return -ENOMEM;

	netif_napi_add(engine->napi_dev, &q->napi, esp_ring_napi_poll);
	napi_enable(&q->napi);
	return 0;
}

/**
 * esp_ring_queue_destroy - free what esp_ring_queue_init() made
 * @q: a queue without packets, also one that failed to initialise
 */
void esp_ring_queue_destroy(struct esp_ring_queue *q)
{
	if (!q->engine)
		return;

	if (q->napi.dev) {
		cancel_delayed_work_sync(&q->watchdog);
		napi_disable(&q->napi);
		netif_napi_del(&q->napi);
	}
	kvfree(q->pkt_priv);
	kvfree(q->slots);
	free_percpu(q->interrupts);
	free_percpu(q->counts);
}
