// SPDX-License-Identifier: GPL-2.0-only
/*
 * The interrupt, and how many of them there are.
 *
 * One interrupt for both directions: it wakes the NAPI of the oldest packet's
 * direction, which takes all results and wakes the other one if some are its.
 * It stays masked until neither polls any more.
 *
 * Its threshold follows what the engine has been told to do: with little to do
 * the first result raises it, with more it waits for three quarters of that, up
 * to EIP93_THRESH_MAX; the last quarter is for the time until NAPI runs. As the
 * threshold is always below what is to come, it is always reached; the engine's
 * timeout is for one that stops half-way.
 */
#include <linux/bitfield.h>
#include <linux/interrupt.h>
#include <linux/math.h>

#include "eip93.h"

#define EIP93_THRESH_MAX	32
/* Coarse, for each change is a write to a register. */
#define EIP93_THRESH_STEP	4
/* Below that the answer comes at once. */
#define EIP93_THRESH_FROM	8

/* Whose result comes next. A hint: what it reads may change under way. */
static struct esp_ring_queue *next_queue(const struct eip93 *e)
{
	const struct eip93_ring *r = &e->ring;
	u8 dir = READ_ONCE(r->dir[READ_ONCE(r->tail) & (r->size - 1)]);
	struct esp_ring_queue *q = READ_ONCE(e->queue[dir].q);

	return q ?: READ_ONCE(e->queue[!dir].q);
}

/* No result: an interrupt of nobody, of a source not asked for, of no device. */
static irqreturn_t handle_odd(struct eip93 *e, u32 status)
{
	this_cpu_inc(e->counts->spurious);
	if (status & ~EIP93_INT_ALL)
		eip93_fail(e, "the device does not answer");
	else if (status)
		eip93_write(e, EIP93_INT_DISABLE, status);
	return IRQ_NONE;
}

static irqreturn_t handle(int irq, void *data)
{
	struct eip93 *e = data;
	u32 status = eip93_read(e, EIP93_INT_STATUS);
	struct esp_ring_queue *q = next_queue(e);

	if (unlikely(status != EIP93_INT_RDR || !q))
		return handle_odd(e, status);

	this_cpu_inc(e->counts->interrupts);
	eip93_write(e, EIP93_INT_DISABLE, EIP93_INT_RDR);
	WRITE_ONCE(e->ring.masked, true);
	esp_ring_count_irq(q);
	esp_ring_schedule(q);
	return IRQ_HANDLED;
}

/**
 * eip93_irq_get - request the interrupt
 * @e: the device; its interrupts are off
 *
 * Return: 0 or a negative error.
 */
int eip93_irq_get(struct eip93 *e)
{
	return devm_request_irq(e->dev, e->irq, handle, 0, e->name, e);
}

/* result_lock is held, or nobody is there. */
static void unmask(struct eip93 *e)
{
	e->ring.missed = false;
	WRITE_ONCE(e->ring.masked, false);
	eip93_write(e, EIP93_INT_STATUS, EIP93_INT_RDR);
	eip93_write(e, EIP93_INT_ENABLE, EIP93_INT_RDR);
}

/**
 * eip93_irq_on - interrupts from now on
 * @e: the device, just started
 */
void eip93_irq_on(struct eip93 *e)
{
	unmask(e);
}

/**
 * eip93_irq_off - no interrupt any more
 * @e: the device
 *
 * Process context. On return the handler does not run.
 */
void eip93_irq_off(struct eip93 *e)
{
	eip93_write(e, EIP93_INT_DISABLE, EIP93_INT_ALL);
	synchronize_irq(e->irq);
}

/* result_lock is held. A register is written only when the value changes. */
static void moderate(struct eip93 *e)
{
	struct eip93_ring *r = &e->ring;
	unsigned int todo = READ_ONCE(r->rung) - r->tail;
	unsigned int thresh = 0;

	if (todo >= EIP93_THRESH_FROM)
		thresh = min_t(unsigned int, EIP93_THRESH_MAX,
			       round_down(todo - todo / 4, EIP93_THRESH_STEP));
	if (thresh == r->thresh)
		return;

	r->thresh = thresh;
	r->thresh_writes++;
	eip93_write(e, EIP93_RING_THRESH, r->thresh_base |
		    FIELD_PREP(EIP93_RDR_THRESH, thresh));
}

/**
 * eip93_arm - the layer's arm: a queue does not poll any more
 * @q: the queue
 *
 * Return: true if it should.
 */
bool eip93_arm(struct esp_ring_queue *q)
{
	struct eip93 *e = esp_ring_engine_priv(esp_ring_queue_engine(q));
	enum esp_ring_dir dir = esp_ring_queue_dir(q);
	struct eip93_queue *eq = &e->queue[dir];
	struct eip93_ring *r = &e->ring;
	bool more = false;

	spin_lock(&r->result_lock);
	clear_bit(dir, &r->pollers);
	if (!r->pollers && r->run >= EIP93_DRAINING) {
		more = eip93_ring_has_result(e);
		if (!more)
			moderate(e);
		/* One that got lost is still pending, and no other would come. */
		if (!more && (r->masked || r->missed)) {
			unmask(e);
			/* One that came before the clearing raises nothing. */
			more = eip93_ring_has_result(e);
		}
	}
	spin_unlock(&r->result_lock);

	return more || READ_ONCE(eq->done) != READ_ONCE(eq->tail);
}
