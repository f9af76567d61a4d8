// SPDX-License-Identifier: GPL-2.0-only
/*
 * Watchdog: an engine that keeps a packet too long has failed.
 */
#include "compat.h"
#include "internal.h"

/* Looks in the time that an engine may keep a packet. */
#define LOOKS	4

/**
 * esp_ring_watchdog_arm - look after the packets in the engine
 * @q: the queue; its lock is held, and there are packets in the engine
 */
void esp_ring_watchdog_arm(struct esp_ring_queue *q)
{
	if (q->watchdog_on)
		return;

	q->watchdog_on = true;
	queue_delayed_work(esp_ring_wq, &q->watchdog,
			   max(q->engine->timeout / LOOKS, 1UL));
}

/*
 * Whether the oldest packet is to be asked for, and whether the engine has
 * failed. An engine that works is not disturbed. None has failed before NAPI has
 * run once more since we first asked: the answer may be there, and it was the
 * CPU, or the host below it, that was held up, not the engine. Called with
 * q->lock held.
 */
static bool look(struct esp_ring_queue *q, const struct esp_ring_slot *slot,
		 bool *hung)
{
	unsigned long timeout = q->engine->timeout;
	u32 cookie = slot->pkt.cookie;

	if (!time_after(jiffies, slot->submitted + timeout / LOOKS)) {
		q->asked_for = ESP_RING_COOKIE_NONE;
		return false;
	}
	if (q->asked_for != cookie) {
		q->asked_for = cookie;
		q->asked_pass = q->stats.passes;
		return true;
	}
	*hung = time_after(jiffies, slot->submitted + timeout) &&
		q->stats.passes != q->asked_pass &&
		(atomic_read(&slot->token) & ESP_RING_TOKEN_HELD);
	return true;
}

/**
 * esp_ring_watchdog - look at the oldest packet in the engine
 * @work: the queue's
 *
 * Packets are answered in any order but taken in order of submission, so the
 * first on the list has been there longest. An interrupt that got lost costs half
 * the timeout at most; a hang is found after the timeout at the earliest and one
 * and a quarter of it at the latest, where softirqs run.
 */
void esp_ring_watchdog(struct work_struct *work)
{
	struct esp_ring_queue *q = container_of(to_delayed_work(work),
						struct esp_ring_queue, watchdog);
	struct esp_ring_slot *slot;
	bool ask = false, hung = false;

	spin_lock_bh(&q->lock);
	q->watchdog_on = false;
	slot = list_first_entry_or_null(&q->inflight, struct esp_ring_slot, list);
	if (slot) {
		ask = look(q, slot, &hung);
		esp_ring_watchdog_arm(q);
	}
	spin_unlock_bh(&q->lock);

	if (ask)
		esp_ring_schedule_again(q);
	if (hung)
		esp_ring_engine_fail(q->engine, "a packet was not completed in time");
}
