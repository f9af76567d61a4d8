// SPDX-License-Identifier: GPL-2.0-only
/*
 * Watchdog: an engine that keeps a packet too long has failed.
 */
#include "compat.h"
#include "internal.h"

/* Until a completion pass that was asked for has surely had its turn. */
#define ESP_RING_GRACE		max(HZ / 50, 1)

/* The packet that the engine has had longest, lock held. */
static struct esp_ring_slot *oldest(const struct esp_ring_queue *q)
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
 * @q: the queue; its lock is held, and there are packets in the engine
 *
 * Once the watchdog is on it follows the oldest packet by itself.
 */
void esp_ring_watchdog_arm(struct esp_ring_queue *q)
{
	if (!q->watchdog_on)
		look_again(q, q->engine->timeout / 2);
}

/*
 * Whether the engine has really kept the packet, lock held. What it has done is
 * not known before somebody polls: only a packet that is still there after two
 * passes, the first of which may have begun before we asked, is a hang. An
 * engine that answers by itself is never polled, and its word is the last.
 */
static bool is_hang(struct esp_ring_queue *q, const struct esp_ring_slot *slot)
{
	if (!(atomic_read(&slot->token) & ESP_RING_TOKEN_HELD))
		return false;
	if (!q->engine->ops->poll)
		return true;

	if (q->suspect != slot->pkt.cookie || !q->suspected) {
		q->suspected = true;
		q->suspect = slot->pkt.cookie;
		q->suspect_passes = q->stats.passes;
	}
	return q->stats.passes - q->suspect_passes >= 2;
}

/**
 * esp_ring_watchdog - look at the oldest packet in the engine
 * @work: the queue's
 *
 * Packets are answered in any order but taken in order of submission, so the
 * first on a list has been there longest. The watchdog sleeps until half of that
 * one's time is over, has the engine polled then, which is the cure of a lost
 * interrupt, and sleeps until it is due: a hang is found as soon as it is one.
 */
void esp_ring_watchdog(struct work_struct *work)
{
	struct esp_ring_queue *q = container_of(to_delayed_work(work),
						struct esp_ring_queue, watchdog);
	bool hung = false, overdue = false, poll = false;
	unsigned long timeout = q->engine->timeout;
	struct esp_ring_slot *slot;
	unsigned long half;

	spin_lock_bh(&q->lock);
	q->watchdog_on = false;
	slot = oldest(q);
	if (slot) {
		half = slot->submitted + timeout / 2;
		poll = time_after_eq(jiffies, half);
		overdue = time_after(jiffies, slot->submitted + timeout);
		hung = overdue && is_hang(q, slot);
		if (hung)
			look_again(q, timeout);
		else if (overdue)
			look_again(q, ESP_RING_GRACE);
		else if (poll)
			look_again(q, slot->submitted + timeout - jiffies + 1);
		else
			look_again(q, half - jiffies);
	}
	if (!overdue)
		q->suspected = false;
	spin_unlock_bh(&q->lock);

	if (poll)
		esp_ring_schedule(q);
	if (hung)
		esp_ring_engine_fail(q->engine, "a packet was not completed in time");
}
