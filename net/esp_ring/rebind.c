// SPDX-License-Identifier: GPL-2.0-only
/*
 * Binding: an SA gets an engine, leaves one that goes away, and comes back when
 * there is one again. Packets that wait move along, in order.
 */
#include "compat.h"
#include "internal.h"
#include "trace.h"

/* Stands in for the lock of a queue where an SA runs in software and has none. */
static DEFINE_SPINLOCK(software_lock);

static const char *engine_name(const struct esp_ring_engine *engine)
{
	return engine ? engine->name : "software";
}

/*
 * Have some engine take the SA. Drops esp_ring_mutex meanwhile: an engine may
 * load modules for it. The engine found holds one SA more, which keeps it.
 */
static struct esp_ring_engine *find_engine(struct esp_ring_sa *sa, void **priv,
					   const char **why,
					   struct netlink_ext_ack *extack)
{
	struct esp_ring_engine *engine;
	u64 tried = 0;
	int err;

	while ((engine = esp_ring_choose(sa, tried, why))) {
		atomic_inc(&engine->nr_sas);
		mutex_unlock(&esp_ring_mutex);
		err = engine->ops->sa_add(engine, &sa->params, priv, extack);
		mutex_lock(&esp_ring_mutex);
		if (!err && engine->state == ESP_RING_ENGINE_RUNNING)
			return engine;

		tried |= BIT_ULL(engine->index);
		if (!err)
			esp_ring_engine_sa_gone(engine, *priv);
		else
			esp_ring_engine_put_sa(engine);
	}
	return NULL;
}

/* Take the SA's waiting packets out of its old queue, or into the new one. */
static void move_waiting(struct esp_ring_sa *sa, struct esp_ring_queue *from,
			 struct esp_ring_queue *to, struct sk_buff_head *dropped)
{
	struct esp_ring_slot *slot, *next;

	list_for_each_entry_safe(slot, next, &from->backlog[sa->prio], list) {
		if (slot->sa != sa)
			continue;
		from->backlog_bytes[sa->prio] -= slot->pkt.len;
		from->backlog_len[sa->prio]--;
		if (!to || !esp_ring_slot_take(to, sa, slot->skb, &slot->pkt,
					       slot->queued))
			__skb_queue_tail(dropped, slot->skb);
		/* The new slot has a reference of its own; ours is not the last:
		 * the caller has one.
		 */
		refcount_dec(&sa->ref);
		esp_ring_slot_release(from, slot);
	}
}

static struct esp_ring_slot *first_waiting(const struct esp_ring_sa *sa,
					   const struct esp_ring_queue *q)
{
	struct esp_ring_slot *slot;

	list_for_each_entry(slot, &q->backlog[sa->prio], list)
		if (slot->sa == sa)
			return slot;
	return NULL;
}

/*
 * Software does the packets that wait; those that come meanwhile queue up behind
 * them, until there are none: so the order is kept. The queue's length is the
 * bound for those who come faster than this. esp_ring_mutex is held, and a
 * reference to the SA.
 */
static void drain_to_software(struct esp_ring_sa *sa, struct esp_ring_queue *q)
{
	struct esp_ring_slot *slot;
	struct esp_ring_pkt pkt;
	struct sk_buff *skb;
	unsigned int n;

	for (n = 0; n < q->nr_slots; n++) {
		local_bh_disable();
		spin_lock(&q->lock);
		slot = first_waiting(sa, q);
		if (!slot) {
			RCU_INIT_POINTER(sa->queue, NULL);
			if (!sa->leaving)
				q->nr_sas--;
			spin_unlock(&q->lock);
			local_bh_enable();
			return;
		}
		skb = slot->skb;
		pkt = slot->pkt;
		q->backlog_bytes[sa->prio] -= pkt.len;
		q->backlog_len[sa->prio]--;
		esp_ring_slot_release(q, slot);
		spin_unlock(&q->lock);

		esp_ring_esp_software_resume(sa, skb, &pkt);
		/* Not the last: the caller has one. */
		refcount_dec(&sa->ref);
		local_bh_enable();
		cond_resched();
	}
}

/*
 * Let the SA's next packet go to another queue, or to software with @engine
 * NULL; one of the two is not software. What the old engine held has been
 * answered. esp_ring_mutex is held, and a reference to the SA.
 */
static void switch_queue(struct esp_ring_sa *sa, struct esp_ring_engine *engine,
			 void *priv)
{
	spinlock_t *from_lock, *to_lock;
	struct esp_ring_queue *from, *to;
	struct sk_buff_head dropped;
	struct sk_buff *skb;
	bool counted;

	from = rcu_dereference_protected(sa->queue,
					 lockdep_is_held(&esp_ring_mutex));
	to = engine ? &engine->queues[sa->params.dir] : NULL;
	if (!to)
		drain_to_software(sa, from);
	from_lock = from ? &from->lock : &software_lock;
	to_lock = to ? &to->lock : &software_lock;
	__skb_queue_head_init(&dropped);

	local_bh_disable();
	spin_lock(from_lock);
	spin_lock_nested(to_lock, SINGLE_DEPTH_NESTING);
	/* Where it has not been drained to software. */
	counted = from && rcu_access_pointer(sa->queue) == from && !sa->leaving;
	rcu_assign_pointer(sa->queue, to);
	sa->engine_priv = priv;
	if (from) {
		move_waiting(sa, from, to, &dropped);
		if (counted)
			from->nr_sas--;
	}
	if (to) {
		if (!sa->leaving)
			to->nr_sas++;
		esp_ring_queue_settle(to, from);
		esp_ring_feed(to, true);
	}
	spin_unlock(to_lock);
	spin_unlock(from_lock);

	while ((skb = __skb_dequeue(&dropped))) {
		esp_ring_count_drop(sa, from, ESP_RING_DROP_REBIND);
		esp_ring_esp_drop(sa, skb);
	}
	local_bh_enable();
}

static void set_engine(struct esp_ring_sa *sa, struct esp_ring_engine *engine,
		       void *priv)
{
	switch_queue(sa, engine, priv);
	sa->engine = engine;
	sa->holder = engine;
	list_move_tail(&sa->engine_list, engine ? &engine->sas :
						  &esp_ring_orphans);
}

/**
 * esp_ring_bind - give a new SA an engine
 * @sa: the SA, not yet in use
 * @extack: says why it gets none; may be NULL
 *
 * Process context.
 *
 * Return: 0 or -EOPNOTSUPP.
 */
int esp_ring_bind(struct esp_ring_sa *sa, struct netlink_ext_ack *extack)
{
	struct esp_ring_engine *engine;
	const char *why;
	void *priv;

	mutex_lock(&esp_ring_mutex);
	engine = find_engine(sa, &priv, &why, extack);
	if (engine) {
		set_engine(sa, engine, priv);
		list_add_tail(&sa->all, &esp_ring_sas);
	}
	mutex_unlock(&esp_ring_mutex);

	if (!engine) {
		/* An engine's own words are more to the point. */
		if (extack && !extack->_msg)
			extack->_msg = why;
		return -EOPNOTSUPP;
	}
	return 0;
}

/**
 * esp_ring_leave - an SA has been deleted, and brings no new packets
 * @sa: the SA; those that wait may keep it for long yet, on an engine that is
 *	short, which is then no reason to spare that engine new ones
 *
 * Any context but hard interrupts.
 */
void esp_ring_leave(struct esp_ring_sa *sa)
{
	struct esp_ring_queue *q;
	spinlock_t *lock; /* the queue's, or that of SAs without one */

	rcu_read_lock();
	for (;;) {
		q = rcu_dereference(sa->queue);
		lock = q ? &q->lock : &software_lock;
		spin_lock_bh(lock);
		if (likely(rcu_access_pointer(sa->queue) == q))
			break;
		spin_unlock_bh(lock);
	}
	if (q && !sa->leaving)
		q->nr_sas--;
	sa->leaving = true;
	spin_unlock_bh(lock);
	rcu_read_unlock();
}

/**
 * esp_ring_unbind - let an SA go
 * @sa: the SA; packets on their way still hold it and its engine's handle
 *
 * Process context.
 */
void esp_ring_unbind(struct esp_ring_sa *sa)
{
	struct esp_ring_queue *q;

	mutex_lock(&esp_ring_mutex);
	q = rcu_dereference_protected(sa->queue,
				      lockdep_is_held(&esp_ring_mutex));
	if (q) {
		spin_lock_bh(&q->lock);
		RCU_INIT_POINTER(sa->queue, NULL);
		if (!sa->leaving)
			q->nr_sas--;
		spin_unlock_bh(&q->lock);
	}
	sa->engine = NULL;
	list_del_init(&sa->engine_list);
	list_del_init(&sa->all);
	mutex_unlock(&esp_ring_mutex);
}

/* Find a place for an SA that is bound to @from. esp_ring_mutex is held. */
static void replace(struct esp_ring_sa *sa, struct esp_ring_engine *from)
{
	void *old_priv = sa->engine_priv, *priv = NULL;
	struct esp_ring_engine *to;
	const char *why;

	refcount_inc(&sa->ref);
	to = find_engine(sa, &priv, &why, NULL);
	if (list_empty(&sa->all)) {
		/* Deleted while we looked; its last packet tells @from. */
		if (to)
			esp_ring_engine_sa_gone(to, priv);
		goto out;
	}
	if (!from && !to) {
		list_move_tail(&sa->engine_list, &esp_ring_orphans);
		goto out;
	}

	sa->rebinds++;
	trace_esp_ring_rebind(sa, engine_name(from), engine_name(to));
	set_engine(sa, to, priv);
	if (from) {
		from->rebinds++;
		esp_ring_engine_sa_gone(from, old_priv);
	}
out:
	esp_ring_sa_put(sa);
}

/**
 * esp_ring_rebind_all - move every SA of an engine elsewhere
 * @engine: not running; its queues are held and it has no packets
 *
 * Process context.
 */
void esp_ring_rebind_all(struct esp_ring_engine *engine)
{
	mutex_lock(&esp_ring_mutex);
	while (!list_empty(&engine->sas))
		replace(list_first_entry(&engine->sas, struct esp_ring_sa,
					 engine_list), engine);
	mutex_unlock(&esp_ring_mutex);
}

/**
 * esp_ring_adopt_orphans - offer the SAs that run in software to the engines
 *
 * Process context.
 */
void esp_ring_adopt_orphans(void)
{
	LIST_HEAD(todo);

	mutex_lock(&esp_ring_mutex);
	list_splice_init(&esp_ring_orphans, &todo);
	while (!list_empty(&todo))
		replace(list_first_entry(&todo, struct esp_ring_sa,
					 engine_list), NULL);
	mutex_unlock(&esp_ring_mutex);
}
