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
static void align(struct eip93_req *req, struct esp_ring_pkt *pkt)
{
	req->shift = (unsigned long)pkt->esp % EIP93_ALIGN;
	req->data = pkt->esp - req->shift;
	if (likely(!req->shift))
		return;

	memcpy(req->saved, req->data, req->shift);
	memmove(req->data, pkt->esp, pkt->len);
}

static void unalign(const struct eip93_req *req)
{
	struct esp_ring_pkt *pkt = req->pkt;

	if (likely(!req->shift))
		return;

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

/**
 * eip93_pkt_submit - give a packet to the engine, without doorbell
 * @e: the device
 * @pkt: the packet
 * @run: as for eip93_ring_add()
 *
 * BH off.
 *
 * Return: 0; -EBUSY; -ENOMEM if it cannot be mapped.
 */
int eip93_pkt_submit(struct eip93 *e, struct esp_ring_pkt *pkt,
		     enum eip93_run run)
{
	const struct eip93_sa *sa = pkt->sa_priv;
	struct eip93_req req;
	int err;

	req.pkt = pkt;
	req.sa = sa;
	req.stat = 0;
	align(&req, pkt);
	if (sa->counter)
		memcpy(req.iv, req.data + EIP93_ESP_HDR, sizeof(req.iv));
	if (sa->esn) {
		memcpy(&req.icv, icv_of(&req), sizeof(req.icv));
		memcpy(icv_of(&req), &pkt->seq_hi, sizeof(pkt->seq_hi));
	}

	req.dma = dma_map_single(e->dev, req.data, pkt->len, DMA_BIDIRECTIONAL);
	if (unlikely(dma_mapping_error(e->dev, req.dma))) {
		err = -ENOMEM;
		goto undo;
	}
	err = eip93_ring_add(e, &req, run);
	if (likely(!err))
		return 0;

	eip93_pkt_unmap(e, &req);
undo:
	if (sa->esn)
		memcpy(icv_of(&req), &req.icv, sizeof(req.icv));
	unalign(&req);
	return err;
}

static u32 to_wire(const struct eip93_sa *sa, u32 word)
{
	return sa->swap ? (__force u32)cpu_to_be32(word) : word;
}

/* The state record of the descriptor that hashed; @req is the last one. */
static const struct eip93_state *hash_state(const struct eip93 *e,
					    const struct eip93_req *req)
{
	unsigned int slot = req->slot;

	if (req->sa->crypt && req->sa->dir == ESP_RING_DECRYPT)
		slot = (slot - 1) & (e->ring.size - 1);
	return &e->ring.state[slot];
}

/* With ESN the digest is not in the packet but in the state record. */
static int finish_esn(struct eip93 *e, const struct eip93_req *req)
{
	const struct eip93_sa *sa = req->sa;
	const struct eip93_state *state = hash_state(e, req);
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

/* Without it the engine has compared the ICV, or written it behind the rest. */
static void finish_icv(const struct eip93_req *req)
{
	const struct eip93_sa *sa = req->sa;
	u32 *icv = (u32 *)icv_of(req);
	unsigned int i;

	/* Outbound the layer has padded to whole words. */
	if (sa->dir == ESP_RING_DECRYPT || !sa->swap)
		return;
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

/**
 * eip93_pkt_finish - finish the next packet that the engine is done with
 * @e: the device
 * @eq: the direction; finish_lock is held
 * @cookie: of the packet, which is not ours any more
 * @err: what became of it
 *
 * Return: false if there is none.
 */
bool eip93_pkt_finish(struct eip93 *e, struct eip93_queue *eq, u32 *cookie,
		      int *err)
{
	/* Pairs with the release in eip93_ring_drain(): stat is there, too. */
	unsigned int done = smp_load_acquire(&eq->done);
	unsigned int tail = eq->tail;
	struct eip93_req *req;

	for (;; tail++) {
		if (tail == done) {
			eq->tail = tail;
			return false;
		}
		req = &eq->req[tail & (eq->size - 1)];
		eq->stat |= req->stat & (EIP93_CTRL_ERRORS |
					 EIP93_CTRL_EXT_CODE);
		if (req->pkt)
			break;
	}

	eip93_pkt_unmap(e, req);
	*cookie = req->pkt->cookie;
	*err = 0;
	if (unlikely(eq->stat))
		*err = finish_error(eq, eq->stat);
	else if (req->sa->esn)
		*err = finish_esn(e, req);
	else
		finish_icv(req);
	unalign(req);
	if (unlikely(*err == -EBADMSG))
		eq->auth_errors++;
	eq->packets++;
	eq->stat = 0;
	/* Pairs with the acquire in eip93_ring_add(). */
	smp_store_release(&eq->tail, tail + 1);
	return true;
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
	struct eip93 *e = engine_of(q);
	struct eip93_queue *eq = &e->queue[esp_ring_queue_dir(q)];
	int err;

	if (unlikely(!eq->q))
		WRITE_ONCE(eq->q, q);
	err = eip93_pkt_submit(e, pkt, EIP93_RUNNING);
	if (unlikely(pkt->urgent) && !err)
		eip93_irq_hurry(e);
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
	if (likely(e->ring.run >= EIP93_DRAINING))
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
	int n = 0, err;
	u32 cookie;

	if (unlikely(READ_ONCE(r->run) < EIP93_DRAINING))
		return 0;

	set_bit(dir, &r->pollers);
	dirs = drain(e);

	spin_lock(&eq->finish_lock);
	while (n < budget && eip93_pkt_finish(e, eq, &cookie, &err)) {
		esp_ring_complete(q, cookie, err);
		n++;
	}
	spin_unlock(&eq->finish_lock);

	if (dirs & ~BIT(dir))
		esp_ring_schedule(e->queue[!dir].q);
	return n;
}
