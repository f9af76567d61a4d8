// SPDX-License-Identifier: GPL-2.0-only
/*
 * Packets: to the rings and back, and the layer's functions for that.
 *
 * A packet is mapped once, from ESP header through ICV: all of it is read by the
 * engine and nearly all is written, so both directions in one go are one pass
 * over its cache lines. Between mapping and unmapping nobody here looks at it:
 * on a CPU whose caches do not follow DMA, one look would keep a stale line.
 */
#include <crypto/algapi.h>
#include <linux/bitfield.h>
#include <linux/dma-mapping.h>
#include <linux/string.h>

#include "eip93.h"

/* Inbound on any byte: a peer may send what is not whole words. */
static u8 *icv_of(const struct eip93_req *req)
{
	return req->data + req->pkt->len - req->sa->icv_len;
}

/*
 * The engine wants multiples of 4. Where the IP header is not on one (drivers
 * with NET_IP_ALIGN 0, odd tunnels), the packet is moved by up to three bytes
 * for the time that the engine has it: the cheapest copy there is, as it is in
 * the cache both times.
 */
static void align(struct eip93_queue *eq, struct eip93_req *req)
{
	const struct esp_ring_pkt *pkt = req->pkt;

	eq->unaligned++;
	memcpy(req->saved, req->data, req->shift);
	memmove(req->data, pkt->esp, pkt->len);
}

static void unalign(const struct eip93_req *req)
{
	struct esp_ring_pkt *pkt = req->pkt;

	memmove(pkt->esp, req->data, pkt->len);
	memcpy(req->data, req->saved, req->shift);
}

/**
 * eip93_pkt_unmap - the packet is the CPU's again
 * @e: the device, which does not touch it any more
 * @req: its last descriptor
 */
void eip93_pkt_unmap(struct eip93 *e, const struct eip93_req *req)
{
	dma_unmap_single(e->dev, req->dma, req->pkt->len, DMA_BIDIRECTIONAL);
}

static __always_inline int submit(struct eip93 *e, const struct eip93_sa *sa,
				  struct esp_ring_pkt *pkt, enum eip93_run run)
{
	struct eip93_queue *eq = &e->queue[sa->dir];
	struct eip93_req *req;
	unsigned int last;

	/* Before anything is written. Who changes it waits for us. */
	if (unlikely(READ_ONCE(e->ring.run) != run))
		return -EBUSY;
	last = eq->head + sa->nr_descs - 1;
	/* Pairs with the release in eip93_pkt_finish(): the entry is free. */
	if (unlikely(last - smp_load_acquire(&eq->tail) >= eq->share))
		return -EBUSY;

	req = &eq->req[last & (eq->size - 1)];
	req->pkt = pkt;
	req->sa = sa;
	req->shift = (unsigned long)pkt->esp % EIP93_ALIGN;
	req->data = pkt->esp - req->shift;
	if (unlikely(req->shift))
		align(eq, req);
	if (unlikely(sa->counter))
		memcpy(req->iv, req->data + EIP93_ESP_HDR, sizeof(req->iv));
	if (unlikely(sa->esn)) {
		memcpy(&req->icv, icv_of(req), sizeof(req->icv));
		memcpy(icv_of(req), &pkt->seq_hi, sizeof(pkt->seq_hi));
	}

	req->dma = dma_map_single(e->dev, req->data, pkt->len, DMA_BIDIRECTIONAL);
	if (likely(!dma_mapping_error(e->dev, req->dma))) {
		eip93_ring_add(e, eq, req);
		return 0;
	}

	if (sa->esn)
		memcpy(icv_of(req), &req->icv, sizeof(req->icv));
	if (req->shift)
		unalign(req);
	return -ENOMEM;
}

/**
 * eip93_pkt_submit - give a packet to the engine, without doorbell
 * @e: the device
 * @pkt: the packet
 * @run: whose it is: %EIP93_RUNNING for the layer's, %EIP93_TESTING
 *
 * BH off; one caller at a time for each direction. What is kept of the packet is
 * written where it stays, before anybody else looks there.
 *
 * Return: 0; -EBUSY if the direction has used its share, or the ring does not
 * take such packets now; -ENOMEM if it cannot be mapped.
 */
int eip93_pkt_submit(struct eip93 *e, struct esp_ring_pkt *pkt,
		     enum eip93_run run)
{
	return submit(e, pkt->sa_priv, pkt, run);
}

static u32 to_wire(const struct eip93_sa *sa, u32 word)
{
	return sa->swap ? (__force u32)cpu_to_be32(word) : word;
}

/* With ESN the digest is not in the packet but in the state record. */
static int finish_esn(struct eip93 *e, const struct eip93_req *req)
{
	const struct eip93_sa *sa = req->sa;
	const struct eip93_state *state = &e->ring.state[req->state];
	u32 digest[EIP93_ICV_MAX / sizeof(u32)];
	u8 *icv = icv_of(req);
	unsigned int i;

	for (i = 0; i < sa->icv_len / sizeof(u32); i++)
		digest[i] = to_wire(sa, state->digest[i]);

	if (sa->dir == ESP_RING_ENCRYPT) {
		memcpy(icv, digest, sa->icv_len);
		return 0;
	}
	memcpy(icv, &req->icv, sizeof(req->icv));
	return crypto_memneq(icv, digest, sa->icv_len) ? -EBADMSG : 0;
}

/*
 * Without it the engine has compared the ICV, or written it behind the rest, where
 * the layer has padded to whole words.
 */
static void swap_icv(const struct eip93_req *req)
{
	const struct eip93_sa *sa = req->sa;
	u32 *icv = (u32 *)icv_of(req);
	unsigned int i;

	for (i = 0; i < sa->icv_len / sizeof(u32); i++)
		icv[i] = to_wire(sa, icv[i]);
}

static int finish_error(struct eip93_queue *eq, u32 stat)
{
	if ((stat & EIP93_CTRL_ERRORS) == EIP93_CTRL_AUTH_ERR)
		return -EBADMSG;
	eq->engine_errors++;
	eq->last_error = stat;
	return -EIO;
}

/* Undo what the engine needed; what became of the packet. */
static int finish(struct eip93 *e, struct eip93_queue *eq,
		  const struct eip93_req *req, u32 stat)
{
	const struct eip93_sa *sa = req->sa;
	int err = 0;

	eip93_pkt_unmap(e, req);
	if (unlikely(stat))
		err = finish_error(eq, stat);
	else if (sa->esn)
		err = finish_esn(e, req);
	else if (sa->dir == ESP_RING_ENCRYPT && sa->swap)
		swap_icv(req);
	if (unlikely(req->shift))
		unalign(req);
	if (unlikely(err == -EBADMSG))
		eq->auth_errors++;
	return err;
}

/**
 * eip93_pkt_finish - finish packets that the engine is done with
 * @e: the device
 * @eq: the direction; finish_lock is held
 * @q: the layer's queue, which is told of each; NULL for the self test
 * @budget: packets at most
 * @err: what became of the last one
 *
 * Return: how many.
 */
int eip93_pkt_finish(struct eip93 *e, struct eip93_queue *eq,
		     struct esp_ring_queue *q, int budget, int *err)
{
	const unsigned int mask = eq->size - 1;
	struct eip93_req *reqs = eq->req;
	unsigned int tail = eq->tail;
	u32 stat = eq->stat;
	unsigned int done;
	int n = 0;

	/* Pairs with the release in eip93_ring_drain(): stat is there, too. */
	done = smp_load_acquire(&eq->done);
	for (; tail != done && n < budget; tail++) {
		const struct eip93_req *req = &reqs[tail & mask];

		stat |= req->stat & (EIP93_CTRL_ERRORS | EIP93_CTRL_EXT_CODE);
		if (!req->pkt)
			continue;
		*err = finish(e, eq, req, stat);
		stat = 0;
		if (q)
			esp_ring_complete(q, req->pkt->cookie, *err);
		n++;
	}
	eq->stat = stat;
	eq->packets += n;
	/* Pairs with the acquire in submit(). */
	smp_store_release(&eq->tail, tail);
	return n;
}

static struct eip93 *engine_of(struct esp_ring_queue *q)
{
	return esp_ring_engine_priv(esp_ring_queue_engine(q));
}

/**
 * eip93_submit - the layer's submit
 * @q: the queue
 * @pkt: the packet
 *
 * A direction that has used its share holds packets itself, and their
 * completion makes the layer try again: nobody need be woken.
 *
 * Return: see eip93_pkt_submit().
 */
int eip93_submit(struct esp_ring_queue *q, struct esp_ring_pkt *pkt)
{
	const struct eip93_sa *sa = pkt->sa_priv;
	int err;

	err = submit(sa->e, sa, pkt, EIP93_RUNNING);
	if (unlikely(pkt->urgent) && !err)
		eip93_irq_hurry(sa->e);
	return err;
}

/**
 * eip93_doorbell - the layer's doorbell
 * @q: the queue; what the other one has submitted starts too
 */
void eip93_doorbell(struct esp_ring_queue *q)
{
	eip93_ring_doorbell(engine_of(q));
}

/*
 * Who has the lock drains for us as well, and wakes us; or sets the threshold, and
 * then eip93_arm() waits for the lock and sees what is left.
 */
static unsigned int drain(struct eip93 *e)
{
	unsigned int dirs = 0;

	if (!spin_trylock(&e->ring.result_lock))
		return 0;
	if (likely(READ_ONCE(e->ring.run) >= EIP93_DRAINING))
		dirs = eip93_ring_drain(e);
	spin_unlock(&e->ring.result_lock);
	return dirs;
}

/**
 * eip93_poll - the layer's poll
 * @q: the queue
 * @budget: packets
 *
 * Return: packets answered.
 */
int eip93_poll(struct esp_ring_queue *q, int budget)
{
	struct eip93 *e = engine_of(q);
	enum esp_ring_dir dir = esp_ring_queue_dir(q);
	struct eip93_queue *eq = &e->queue[dir];
	struct eip93_ring *r = &e->ring;
	unsigned int dirs;
	int n, err;

	if (unlikely(READ_ONCE(r->run) < EIP93_DRAINING))
		return 0;

	set_bit(dir, &r->pollers);
	dirs = drain(e);

	spin_lock(&eq->finish_lock);
	n = eip93_pkt_finish(e, eq, q, budget, &err);
	spin_unlock(&eq->finish_lock);

	if (dirs & ~BIT(dir))
		esp_ring_schedule(e->queue[!dir].q);
	return n;
}
