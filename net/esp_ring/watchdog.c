// SPDX-License-Identifier: GPL-2.0-only
/*
 * Watchdog: an engine that keeps a packet too long has failed.
 */
#include "compat.h"
#include "internal.h"

/**
 * esp_ring_watchdog_arm - look after the packets in the engine
 * @q: the queue; its lock is held, and there are packets in the engine
 */
void esp_ring_watchdog_arm(struct esp_ring_queue *q)
{
	if (q->watchdog_on)
		return;

	q->watchdog_on = true;
	queue_delayed_work(esp_ring_wq, &q->watchdog, q->engine->timeout / 2);
}

/**
 * esp_ring_watchdog - look at the oldest packet in the engine
 * @work: the queue's
 *
 * Packets are answered in any order but taken in order of submission, so the
 * first on the list has been there longest. A hang is found after the timeout
 * at the earliest and one and a half times that at the latest.
 */
void esp_ring_watchdog(struct work_struct *work)
{
	struct esp_ring_queue *q = container_of(to_delayed_work(work),
						struct esp_ring_queue, watchdog);
	struct esp_ring_slot *slot;
	bool hung = false;

	spin_lock_bh(&q->lock);
	q->watchdog_on = false;
	slot = list_first_entry_or_null(&q->inflight, struct esp_ring_slot, list);
	if (slot) {
		hung = time_after(jiffies,
				  slot->submitted + q->engine->timeout) &&
		       (atomic_read(&slot->token) & ESP_RING_TOKEN_HELD);
		esp_ring_watchdog_arm(q);
	}
	spin_unlock_bh(&q->lock);

	/* An answered packet that nobody took is a lost interrupt: polling once
	 * before giving up costs nothing and saves the engine.
	 */
	if (slot)
		esp_ring_schedule(q);
	if (hung)
		esp_ring_engine_fail(q->engine, "a packet was not completed in time");
}
