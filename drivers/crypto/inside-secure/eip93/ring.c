// SPDX-License-Identifier: GPL-2.0-only
/*
 * The rings: descriptors in, results out, for both queues.
 *
 * Rings and records are coherent memory, which on MIPS is uncached: a
 * descriptor is written once and read once by each side, and the engine reads a
 * record for every packet, so there is nothing that a cache could keep, while
 * its maintenance would cost several instructions for each line. The writes are
 * posted.
 */
#include <linux/bitfield.h>
#include <linux/build_bug.h>
#include <linux/dma-mapping.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "eip93.h"

static int init_queue(struct eip93 *e, struct eip93_queue *eq)
{
	spin_lock_init(&eq->finish_lock);
	eq->size = e->ring.size / EIP93_MAX_DESCS;
	/* One less than half of the ring each: it is never quite full. */
	eq->share = eq->size - 1;
	eq->req = devm_kcalloc(e->dev, eq->size, sizeof(*eq->req), GFP_KERNEL);
	return eq->req ? 0 : -ENOMEM;
}

/**
 * eip93_ring_init - memory of the rings and of both queues
 * @e: the device
 * @size: descriptors, a power of two
 *
 * Return: 0 or -ENOMEM.
 */
int eip93_ring_init(struct eip93 *e, unsigned int size)
{
	struct eip93_ring *r = &e->ring;
	int dir, err;

	r->size = size;
	spin_lock_init(&r->submit_lock);
	spin_lock_init(&r->result_lock);
	r->cdr = dmam_alloc_coherent(e->dev, size * sizeof(*r->cdr),
				     &r->cdr_dma, GFP_KERNEL);
	r->rdr = dmam_alloc_coherent(e->dev, size * sizeof(*r->rdr),
				     &r->rdr_dma, GFP_KERNEL);
	r->state = dmam_alloc_coherent(e->dev, (size + 1) * sizeof(*r->state),
				       &r->state_dma, GFP_KERNEL);
	r->dir = devm_kcalloc(e->dev, size, sizeof(*r->dir), GFP_KERNEL);
	if (!r->cdr || !r->rdr || !r->state || !r->dir)
		return -ENOMEM;

	for (dir = 0; dir < ESP_RING_NR_DIRS; dir++) {
		err = init_queue(e, &e->queue[dir]);
		if (err)
			return err;
	}
	return 0;
}

/**
 * eip93_ring_set_run - change what the ring does
 * @e: the device
 * @run: what
 *
 * Process context, may sleep. On return nobody is in the middle of what has ended:
 * all who look at it have BH or interrupts off. This is what orders, too: who finds
 * the ring running after it had been stopped sees all that was done in between.
 */
void eip93_ring_set_run(struct eip93 *e, enum eip93_run run)
{
	WRITE_ONCE(e->ring.run, run);
	/* An engine that is restarted is waited for. */
	synchronize_rcu_expedited();
}

/*
 * The state record of a direction's next descriptor: its own until the entry in
 * eq->req is free again, while the place in the rings is free once the result has
 * been taken, which may be by the other direction.
 */
static unsigned int next_state(const struct eip93_queue *eq, u8 dir)
{
	/* Both have a record for each of their entries. */
	BUILD_BUG_ON(ESP_RING_NR_DIRS > EIP93_MAX_DESCS);
	return dir * eq->size + (eq->head & (eq->size - 1));
}

static u32 state_dma(const struct eip93_ring *r, unsigned int i)
{
	return lower_32_bits(r->state_dma) + i * sizeof(*r->state);
}

/* The counter block of RFC 3686. */
static void write_counter(struct eip93_state *state, const struct eip93_req *req)
{
	state->iv[0] = req->sa->nonce;
	state->iv[1] = req->iv[0];
	state->iv[2] = req->iv[1];
	state->iv[3] = (__force u32)cpu_to_be32(1);
}

/* What one descriptor is to do. */
struct op {
	u32 data;
	u32 len;
	u32 sa;
	u32 state;
};

/* The next descriptor; submit_lock is held. */
static __always_inline void put(struct eip93 *e, struct eip93_queue *eq, u8 dir,
				const struct op *op)
{
	struct eip93_ring *r = &e->ring;
	unsigned int head = r->head;
	unsigned int slot = head & (r->size - 1);
	struct eip93_desc *d = &r->cdr[slot];

	d->src = op->data;
	d->dst = op->data;
	d->sa = op->sa;
	d->state = op->state;
	d->user_id = head;
	d->length = op->len | FIELD_PREP(EIP93_LEN_OWNER, EIP93_OWNER_ENGINE);
	d->ctrl = EIP93_CTRL_HASH_FINAL |
		  FIELD_PREP(EIP93_CTRL_OWNER, EIP93_OWNER_ENGINE);
	r->dir[slot] = dir;
	WRITE_ONCE(r->head, head + 1);
	WRITE_ONCE(eq->head, eq->head + 1);
}

/* The cipher, and the hash where one descriptor does both. */
static __always_inline void put_crypt(struct eip93 *e, struct eip93_queue *eq,
				      const struct eip93_req *req, bool esn)
{
	const struct eip93_sa *sa = req->sa;
	struct eip93_ring *r = &e->ring;
	u32 dma = lower_32_bits(req->dma);
	struct op op;

	op.data = dma;
	op.len = req->pkt->len - sa->icv_len;
	op.sa = sa->crypt_dma;
	if (esn) {
		op.data += sa->clear;
		op.len -= sa->clear;
	}
	if (sa->counter) {
		unsigned int i = next_state(eq, sa->dir);

		write_counter(&r->state[i], req);
		op.state = state_dma(r, i);
	} else if (sa->clear != sa->head) {
		op.state = state_dma(r, r->size);
	} else {
		/* An IV needs no record: the engine reads it where it is. */
		op.state = sa->crypt ? dma + EIP93_ESP_HDR : 0;
	}
	put(e, eq, sa->dir, &op);
}

/* The hash alone, over the high sequence number too; into the state record. */
static void put_hash(struct eip93 *e, struct eip93_queue *eq,
		     const struct eip93_req *req)
{
	const struct eip93_sa *sa = req->sa;
	struct eip93_ring *r = &e->ring;
	struct op op = {
		.data	= lower_32_bits(req->dma),
		.len	= req->pkt->len - sa->icv_len + sizeof(__be32),
		.sa	= sa->hash_dma,
		.state	= state_dma(r, next_state(eq, sa->dir)),
	};

	put(e, eq, sa->dir, &op);
}

/*
 * With ESN there are two, if there is a cipher; the hash is over ciphertext. Where
 * its digest will be is kept.
 */
static void put_esn(struct eip93 *e, struct eip93_queue *eq, struct eip93_req *req)
{
	const struct eip93_sa *sa = req->sa;

	if (sa->crypt)
		eq->req[eq->head & (eq->size - 1)].pkt = NULL;
	if (sa->crypt && sa->dir == ESP_RING_ENCRYPT)
		put_crypt(e, eq, req, true);
	req->state = next_state(eq, sa->dir);
	put_hash(e, eq, req);
	if (sa->crypt && sa->dir == ESP_RING_DECRYPT)
		put_crypt(e, eq, req, true);
}

/**
 * eip93_ring_add - write the descriptors of a packet
 * @e: the device
 * @eq: the direction, in which there is room
 * @req: the packet, mapped, in the place of its last descriptor
 *
 * BH off; one caller at a time for each direction.
 */
void eip93_ring_add(struct eip93 *e, struct eip93_queue *eq, struct eip93_req *req)
{
	struct eip93_ring *r = &e->ring;

	spin_lock(&r->submit_lock);
	if (likely(!req->sa->esn))
		put_crypt(e, eq, req, false);
	else
		put_esn(e, eq, req);
	if (unlikely(req->pkt->urgent))
		WRITE_ONCE(r->hurry, r->head);
	spin_unlock(&r->submit_lock);
}

/**
 * eip93_ring_doorbell - tell the engine of all new descriptors
 * @e: the device
 *
 * BH off. One write for those of both queues, as long as they are not more than
 * fit into the register.
 */
void eip93_ring_doorbell(struct eip93 *e)
{
	struct eip93_ring *r = &e->ring;
	unsigned int n;

	spin_lock(&r->submit_lock);
	while ((n = r->head - r->rung)) {
		n = min_t(unsigned int, n, EIP93_COUNT_MAX);
		/* Pairs with the acquire in eip93_ring_drain(). */
		smp_store_release(&r->rung, r->rung + n);
		r->doorbells++;
		/* Its barrier is that between memory and register. */
		eip93_write(e, EIP93_CD_COUNT, n);
	}
	spin_unlock(&r->submit_lock);
}

static bool is_done(const struct eip93_desc *d, u32 *ctrl)
{
	u32 length = READ_ONCE(d->length);

	*ctrl = READ_ONCE(d->ctrl);
	return FIELD_GET(EIP93_CTRL_OWNER, *ctrl) == EIP93_OWNER_HOST &&
	       FIELD_GET(EIP93_LEN_OWNER, length) == EIP93_OWNER_HOST;
}

/**
 * eip93_ring_has_result - whether a result waits
 * @e: the device; result_lock is held
 *
 * Return: whether one does.
 */
bool eip93_ring_has_result(const struct eip93 *e)
{
	const struct eip93_ring *r = &e->ring;
	u32 ctrl;

	return r->tail != READ_ONCE(r->rung) &&
	       is_done(&r->rdr[r->tail & (r->size - 1)], &ctrl);
}

/**
 * eip93_ring_drain - take all results, for both queues
 * @e: the device; result_lock is held
 *
 * A result is what says so itself, in both ownership fields, and carries the
 * number that its place should have. The count register is not asked: it would
 * cost a read, and the driver would have to believe it.
 *
 * Return: bit for each direction that has got results.
 */
unsigned int eip93_ring_drain(struct eip93 *e)
{
	struct eip93_ring *r = &e->ring;
	const unsigned int mask = r->size - 1;
	struct eip93_desc *rdr = r->rdr;
	unsigned int tail = r->tail;
	/* What was rung has been written, ours in r->dir and eq->req too. */
	unsigned int rung = smp_load_acquire(&r->rung);
	unsigned int dirs = 0, used, n;

	used = READ_ONCE(r->head) - tail;
	if (used > r->high_water)
		r->high_water = used;
	for (n = 0; n < EIP93_COUNT_MAX && tail != rung; n++, tail++) {
		struct eip93_desc *d = &rdr[tail & mask];
		u8 dir = r->dir[tail & mask];
		struct eip93_queue *eq;
		u32 ctrl;

		if (!is_done(d, &ctrl))
			break;
		/* Nothing else of it is read before the ownership. */
		dma_rmb();
		if (unlikely(d->user_id != tail)) {
			eip93_fail(e, "a result is out of order");
			break;
		}
		d->ctrl = 0;
		d->length = 0;

		eq = &e->queue[dir];
		eq->req[eq->done & (eq->size - 1)].stat = ctrl;
		/* Pairs with the acquire in eip93_pkt_finish(). */
		smp_store_release(&eq->done, eq->done + 1);
		dirs |= BIT(dir);
	}

	if (n) {
		WRITE_ONCE(r->tail, tail);
		if (unlikely(!READ_ONCE(r->masked)))
			r->missed = true;
		r->acks++;
		eip93_write(e, EIP93_RD_COUNT, n);
	}
	return dirs;
}

/**
 * eip93_ring_forget - give up what is under way and empty the rings
 * @e: the device; stopped, and the hardware with it
 * @answer: tell the layer, which does not know that it is stopped
 *
 * Process context.
 */
void eip93_ring_forget(struct eip93 *e, bool answer)
{
	struct eip93_ring *r = &e->ring;
	unsigned int i;
	int dir;

	for (dir = 0; dir < ESP_RING_NR_DIRS; dir++) {
		struct eip93_queue *eq = &e->queue[dir];

		spin_lock_bh(&eq->finish_lock);
		for (i = eq->tail; i != eq->head; i++) {
			struct eip93_req *req = &eq->req[i & (eq->size - 1)];

			if (!req->pkt)
				continue;
			eip93_pkt_unmap(e, req);
			if (answer)
				esp_ring_complete(eq->q, req->pkt->cookie,
						  -EIO);
		}
		WRITE_ONCE(eq->head, 0);
		eq->done = 0;
		WRITE_ONCE(eq->tail, 0);
		eq->stat = 0;
		spin_unlock_bh(&eq->finish_lock);
		if (answer && eq->q)
			esp_ring_schedule(eq->q);
	}

	spin_lock_bh(&r->submit_lock);
	WRITE_ONCE(r->head, 0);
	WRITE_ONCE(r->hurry, 0);
	WRITE_ONCE(r->rung, 0);
	WRITE_ONCE(r->tail, 0);
	memset(r->cdr, 0, r->size * sizeof(*r->cdr));
	memset(r->rdr, 0, r->size * sizeof(*r->rdr));
	spin_unlock_bh(&r->submit_lock);
}
