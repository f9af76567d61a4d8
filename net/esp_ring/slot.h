/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A packet's place in a queue, and which of the engine's answers are for it.
 */
#ifndef _ESP_RING_SLOT_H
#define _ESP_RING_SLOT_H

#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/skbuff.h>
#include <net/esp_ring.h>

struct esp_ring_sa;

/**
 * struct esp_ring_slot - one packet's place in a queue
 * @pkt: what the engine sees
 * @list: on the queue's free, waiting or in-flight list; queue->lock
 * @skb: the packet
 * @sa: its SA, with a reference
 * @token: cookie of the packet that the slot holds now and, above it, how far it
 *	is: ESP_RING_TOKEN_*. An answer that does not fit is late or a duplicate.
 * @err: the engine's answer, valid once @token says that the engine is done
 * @submitted: jiffies when the engine got it
 * @queued: when the layer got it, for the latency in the trace; 0 without
 */
struct esp_ring_slot {
	struct esp_ring_pkt pkt;
	struct list_head list;
	struct sk_buff *skb;
	struct esp_ring_sa *sa;
	atomic_t token;
	int err;
	unsigned long submitted;
	ktime_t queued;
};

/* A cookie is the slot's index and a generation, so that a late answer is not
 * taken for that of the slot's next packet.
 */
#define ESP_RING_COOKIE_SLOT	GENMASK(15, 0)
#define ESP_RING_COOKIE_GEN	GENMASK(29, 16)
/* Of no packet. */
#define ESP_RING_COOKIE_NONE	BIT(31)
/* The engine has the packet. */
#define ESP_RING_TOKEN_HELD	BIT(30)
/* Somebody is writing the answer. */
#define ESP_RING_TOKEN_CLAIMED	BIT(31)

/**
 * esp_ring_slot_answer - note the engine's answer to a packet
 * @slot: the slot
 * @cookie: of the packet
 * @err: 0 or a negative error
 *
 * Any context. Only the first answer to a packet that the engine holds counts.
 *
 * Return: whether this was it.
 */
static inline bool esp_ring_slot_answer(struct esp_ring_slot *slot, u32 cookie,
					int err)
{
	if (unlikely(atomic_cmpxchg(&slot->token, cookie | ESP_RING_TOKEN_HELD,
				    cookie | ESP_RING_TOKEN_CLAIMED) !=
		     (int)(cookie | ESP_RING_TOKEN_HELD)))
		return false;

	slot->err = err;
	/* Pairs with the acquire in slot_answered(). */
	atomic_set_release(&slot->token, cookie);
	return true;
}

/* In ns; 0 for a packet from before the tracepoints were on. */
static inline u64 esp_ring_slot_age(const struct esp_ring_slot *slot)
{
	return slot->queued ?
		ktime_to_ns(ktime_sub(ktime_get(), slot->queued)) : 0;
}

#endif /* _ESP_RING_SLOT_H */
