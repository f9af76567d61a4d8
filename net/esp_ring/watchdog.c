// SPDX-License-Identifier: GPL-2.0-only
/*
 * Notices an engine that keeps a packet for too long.
 */
#include "compat.h"
#include "internal.h"

/* Looks in the time that an engine may keep a packet. */
#define LOOKS	4
/* Until a completion pass that was asked for has surely had its turn. */
#define GRACE	max(HZ / 50, 1)

/* The packet that the engine has had longest, lock held. */
static struct esp_ring_slot *oldest(struct esp_ring_queue *q)
{
	struct esp_ring_slot *one, *first = NULL;
	int prio;

	for (prio = 0; prio < ESP_RING_NR_PRIOS; prio++) {
		one = list_first_entry_or_null(&q->inflight[prio],
					       struct esp_ring_slot, list);
		if (!first || (one && time_before(one->submitted,
						  first->submitted)))
			first = one;
	}
	return first;
}

static void look_again(struct esp_ring_queue *q, unsigned long delay)
{
	q->watchdog_on = true;
	queue_delayed_work(esp_ring_wq, &q->watchdog, delay);
}

/**
 * esp_ring_watchdog_arm - look after the packets in the engine
 * @q: the queue; its lock is held, there are packets in the engine, and the
 *	watchdog is not on
 *
 * Once the watchdog is on it follows the oldest packet by itself.
 */
void esp_ring_watchdog_arm(struct esp_ring_queue *q)
{
	look_again(q, max(q->engine->timeout / LOOKS, 1UL));
}

/*
 * Whether the oldest packet is to be asked for, and whether the engine has
 * failed. An engine that works is not disturbed. None has failed before two
 * passes of NAPI, the first of which may have begun before we asked: the answer
 * may be there, and it was the CPU, or the host below it, that was held up, not
 * the engine. Called with q->lock held; the next look is arranged.
 */
static bool look(struct esp_ring_queue *q, const struct esp_ring_slot *slot,
		 bool *hung)
{
	unsigned long timeout = q->engine->timeout;
	unsigned long step = max(timeout / LOOKS, 1UL);
	unsigned long age = jiffies - slot->submitted;
	u32 cookie = slot->pkt.cookie;

	if (age <= step) {
		q->asked_for = ESP_RING_COOKIE_NONE;
		look_again(q, step - age + 1);
		return false;
	}
	if (q->asked_for != cookie) {
		q->asked_for = cookie;
		q->asked_pass = q->stats.passes;
	}
	*hung = age > timeout && q->stats.passes - q->asked_pass >= 2 &&
		(atomic_read(&slot->token) & ESP_RING_TOKEN_HELD);
	if (age <= timeout)
		look_again(q, min(step, timeout - age + 1));
	else
		look_again(q, *hung ? timeout : GRACE);
	return true;
}

/**
 * esp_ring_watchdog - look at the packet that has been in the engine longest
 * @work: the queue's
 *
 * Packets are answered in any order but taken in order of submission, so the
 * first on a list has been there longest. An interrupt that got lost costs half
 * the timeout at most; a hang is found as soon as it is one, where softirqs run.
 */
void esp_ring_watchdog(struct work_struct *work)
{
	struct esp_ring_queue *q = container_of(to_delayed_work(work),
						struct esp_ring_queue, watchdog);
	struct esp_ring_slot *slot;
	bool ask = false, hung = false;

	spin_lock_bh(&q->lock);
	q->watchdog_on = false;
	slot = oldest(q);
	if (slot)
		ask = look(q, slot, &hung);
	spin_unlock_bh(&q->lock);

	if (ask)
		esp_ring_schedule_again(q);
	if (hung)
		esp_ring_engine_fail(q->engine, "a packet was not completed in time");
}
