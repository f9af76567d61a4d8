// SPDX-License-Identifier: GPL-2.0-only
/*
 * Completion: engines answer from wherever they are, NAPI takes the answers in
 * order of submission and gives the packets back to the stack.
 */
#include <linux/bitfield.h>
#include <linux/export.h>

#include "compat.h"
#include "internal.h"
#include "trace.h"

static bool slot_answered(const struct esp_ring_slot *slot)
{
	/* Pairs with the release in esp_ring_slot_answer(): err and the packet's
	 * bytes are seen too.
	 */
	return !(atomic_read_acquire(&slot->token) &
		 (ESP_RING_TOKEN_HELD | ESP_RING_TOKEN_CLAIMED));
}

/**
 * esp_ring_complete - an engine's answer to one packet
 * @q: the queue that it was submitted to
 * @cookie: &esp_ring_pkt.cookie
 * @err: 0; -EBADMSG: the ICV does not match; another error: not done
 *
 * Any context, any CPU, in any order; the layer restores the order. Packets
 * are finished by NAPI: from its poll function the engine need do nothing
 * more, from elsewhere it calls esp_ring_schedule() after one or several.
 * After a successful call the packet's memory is not the engine's any more.
 *
 * Return: false if the engine did not hold such a packet; it is counted and
 * otherwise ignored.
 */
bool esp_ring_complete(struct esp_ring_queue *q, u32 cookie, int err)
{
	u32 i = cookie & ESP_RING_COOKIE_SLOT;

	if (likely(i < q->nr_slots && !(cookie & ~(ESP_RING_COOKIE_SLOT |
						   ESP_RING_COOKIE_GEN)) &&
		   esp_ring_slot_answer(&q->slots[i], cookie, err)))
		return true;

	atomic_inc(&q->spurious);
	return false;
}
EXPORT_SYMBOL_GPL(esp_ring_complete);

/**
 * esp_ring_csd - run NAPI on the CPU that this runs on
 * @info: the queue, whose NAPI esp_ring_schedule() has claimed
 */
void esp_ring_csd(void *info)
{
	struct esp_ring_queue *q = info;

	__napi_schedule_irqoff(&q->napi);
}

/* On @cpu, or here if that is none or not online. */
static void schedule_on(struct esp_ring_queue *q, int cpu)
{
	/* If it runs or will, it looks once more: no need to go there. */
	if (!napi_schedule_prep(&q->napi))
		return;

	if (cpu >= 0 && cpu != raw_smp_processor_id() &&
	    !smp_call_function_single_async(cpu, &q->csd))
		return;

	if (in_hardirq() || irqs_disabled()) {
		__napi_schedule(&q->napi);
	} else {
		/* Process context has no softirq to return to: make one. */
		local_bh_disable();
		__napi_schedule(&q->napi);
		local_bh_enable();
	}
}

static int chosen_cpu(const struct esp_ring_queue *q)
{
	int cpu = READ_ONCE(q->cpu);

	return cpu < 0 ? READ_ONCE(q->home) : cpu;
}

/**
 * esp_ring_schedule - let NAPI look at a queue
 * @q: the queue: there are answers to collect or to take, or room in an engine
 *	that was busy
 *
 * Any context. NAPI runs on the CPU that the admin chose, else on that where an
 * engine's interrupts come, else, for an engine that answers from many CPUs, on
 * the queue's home: behind us are queues for each CPU (of NICs, backlog,
 * gro_cells), and packets that wander between them overtake each other.
 */
void esp_ring_schedule(struct esp_ring_queue *q)
{
	schedule_on(q, chosen_cpu(q));
}
EXPORT_SYMBOL_GPL(esp_ring_schedule);

/**
 * esp_ring_schedule_again - the same for who is not where the answers come
 * @q: the queue
 *
 * NAPI runs where it did the last time, unless another CPU was chosen.
 */
void esp_ring_schedule_again(struct esp_ring_queue *q)
{
	int cpu = chosen_cpu(q);

	schedule_on(q, cpu < 0 ? READ_ONCE(q->ran_on) : cpu);
}

/**
 * esp_ring_count_irq - count an interrupt of a queue
 * @q: the queue
 *
 * For the engine's interrupt handler; not to be called elsewhere.
 */
void esp_ring_count_irq(struct esp_ring_queue *q)
{
	this_cpu_inc(*q->interrupts);
}
EXPORT_SYMBOL_GPL(esp_ring_count_irq);

/* Take answered packets off a list, in order, up to @budget with the @n before. */
static int take(struct esp_ring_queue *q, struct list_head *list, int n,
		int budget, unsigned int *bytes)
{
	struct esp_ring_slot *slot, *next;

	list_for_each_entry_safe(slot, next, list, list) {
		struct esp_ring_done *done = &q->done[n];

		if (n == budget || !slot_answered(slot))
			break;
		trace_esp_ring_complete(q, slot);
		done->skb = slot->skb;
		done->sa = slot->sa;
		done->len = slot->pkt.len;
		done->err = slot->err;
		*bytes += slot->pkt.len;
		esp_ring_slot_release(q, slot);
		n++;
	}
	return n;
}

/* Take up to @budget answered packets, the urgent ones first, and make room. */
static int reap(struct esp_ring_queue *q, int budget)
{
	unsigned int bytes = 0;
	u32 used;
	int n;

	spin_lock(&q->lock);
	used = q->backlog_len[ESP_RING_PRIO_HIGH] +
	       q->backlog_len[ESP_RING_PRIO_LOW] + q->inflight_len;
	if (used > q->stats.high_water)
		q->stats.high_water = used;
	n = take(q, &q->inflight[ESP_RING_PRIO_HIGH], 0, budget, &bytes);
	q->urgent_bytes -= bytes;
	n = take(q, &q->inflight[ESP_RING_PRIO_LOW], n, budget, &bytes);
	if (n) {
		q->inflight_len -= n;
		q->stats.completions += n;
		q->active = jiffies;
		dql_completed(&q->dql, bytes);
	}
	q->stats.passes++;
	esp_ring_feed(q, true);
	if (!q->inflight_len && wq_has_sleeper(&q->idle))
		wake_up(&q->idle);
	spin_unlock(&q->lock);

	return n;
}

/*
 * Finish the packets at the front that are of one SA: they are counted together,
 * and so are their references. Returns how many.
 */
static int finish_run(struct esp_ring_queue *q, const struct esp_ring_done *done,
		      int left)
{
	struct esp_ring_sa *sa = done->sa;
	unsigned int packets = 0, bytes = 0;
	int n;

	for (n = 0; n < left && done[n].sa == sa; n++) {
		if (unlikely(done[n].err)) {
			esp_ring_count_drop(sa, q, done[n].err == -EBADMSG ?
					    ESP_RING_DROP_ICV :
					    ESP_RING_DROP_ENGINE);
			continue;
		}
		packets++;
		bytes += done[n].len;
	}
	if (packets)
		esp_ring_count_packets(sa, q, packets, bytes);

	esp_ring_esp_finish(sa, done, n);
	esp_ring_sa_put_many(sa, n);
	return n;
}

/**
 * esp_ring_napi_poll - one completion pass of a queue
 * @napi: the queue's
 * @budget: packets
 *
 * Return: packets finished, as NAPI wants it.
 */
int esp_ring_napi_poll(struct napi_struct *napi, int budget)
{
	struct esp_ring_queue *q = container_of(napi, struct esp_ring_queue,
						napi);
	const struct esp_ring_engine_ops *ops = q->engine->ops;
	int n, i;

	if (unlikely(budget <= 0))
		return 0;

	WRITE_ONCE(q->ran_on, smp_processor_id());
	budget = min_t(int, budget, ARRAY_SIZE(q->done));
	if (ops->poll)
		ops->poll(q, budget);

	n = reap(q, budget);
	for (i = 0; i < n;)
		i += finish_run(q, &q->done[i], n - i);

	if (n < budget && napi_complete_done(napi, n) &&
	    ops->arm && ops->arm(q))
		napi_schedule(napi);

	return n;
}
