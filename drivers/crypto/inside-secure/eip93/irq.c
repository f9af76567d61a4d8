// SPDX-License-Identifier: GPL-2.0-only
/*
 * The interrupt, and how many of them there are.
 *
 * One interrupt for both directions: it wakes the NAPI of the oldest packet's
 * direction, which takes all results and wakes the other one if some are its.
 * It stays masked until neither polls any more.
 *
 * How many results it waits for, EIP93_THRESH_MAX at most:
 *
 * An engine that has much to do is slower than the CPU. It waits for three
 * quarters of that, the last one being for the time until NAPI runs. As this is
 * below what is to come it is always reached, and the engine's timeout is a long
 * one, for an engine that stops half-way.
 *
 * An engine that is faster has done each packet before the next one comes. If
 * they come so fast that several come within the window, some 150 us, it waits
 * for three quarters of those, and no longer than the window, which is the
 * engine's timeout then. A sender who has less under way than this would wait
 * for the timeout each time, so each time costs a quarter of the patience, which
 * comes back slowly.
 *
 * Otherwise, and while something urgent is under way in an engine that is faster,
 * the first result raises it.
 */
#include <linux/bitfield.h>
#include <linux/interrupt.h>
#include <linux/ktime.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/time64.h>

#include "eip93.h"

#define EIP93_THRESH_MAX	32
/* Coarse, for each change is a write to a register. */
#define EIP93_THRESH_STEP	4
#define EIP93_THRESH_STEP_FEW	2
/* Below that the answer comes at once. */
#define EIP93_THRESH_FROM	8
/* 2^23 clocks, some 40 ms: longer than the threshold's number of packets takes. */
#define EIP93_TIMEOUT_EXP	13
/* The window is at most that, and if the engine can, more than half of it. */
#define EIP93_WINDOW_MAX	(200 * NSEC_PER_USEC)
#define EIP93_WINDOW_MIN	(10 * NSEC_PER_USEC)
/* Results so far apart come alone. */
#define EIP93_GAP_MAX		NSEC_PER_MSEC
/* In quarters of a result. */
#define EIP93_PATIENCE_MAX	(4 * EIP93_THRESH_MAX)
/* Exponents that the timeout is measured with, far enough apart to see it. */
#define EIP93_TRY_SHORT		2
#define EIP93_TRY_LONG		4
#define EIP93_TRIES		3

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

static void write_thresh(struct eip93 *e)
{
	const struct eip93_ring *r = &e->ring;

	eip93_write(e, EIP93_RING_THRESH, EIP93_RD_TIMEOUT_EN |
		    FIELD_PREP(EIP93_RD_TIMEOUT, r->timed ? r->window_exp :
							    EIP93_TIMEOUT_EXP) |
		    FIELD_PREP(EIP93_RDR_THRESH, r->thresh));
}

/* result_lock is held. The register is written only when it changes. */
static void set_thresh(struct eip93 *e, unsigned int thresh, bool timed)
{
	struct eip93_ring *r = &e->ring;

	if (thresh == r->thresh && timed == r->timed)
		return;

	WRITE_ONCE(r->thresh, thresh);
	WRITE_ONCE(r->timed, timed);
	r->thresh_writes++;
	write_thresh(e);
}

/**
 * eip93_irq_reset_thresh - as it is after a reset: the first result interrupts
 * @e: the device; nobody else is there
 */
void eip93_irq_reset_thresh(struct eip93 *e)
{
	struct eip93_ring *r = &e->ring;

	r->thresh = 0;
	r->timed = false;
	r->gap = EIP93_GAP_MAX;
	r->patience = EIP93_PATIENCE_MAX;
	r->pass_tail = r->tail;
	write_thresh(e);
}

/**
 * eip93_irq_hurry - the next result is urgent
 * @e: the device
 *
 * BH off. It comes as soon as all that is before it is done. Nothing is written
 * while the ring is stopped, when the device may have no clock.
 */
void eip93_irq_hurry(struct eip93 *e)
{
	struct eip93_ring *r = &e->ring;

	/* Pairs with that in moderate(): one of us sees what the other wrote. */
	smp_mb();
	if (likely(!READ_ONCE(r->timed) || !READ_ONCE(r->thresh)))
		return;
	spin_lock(&r->result_lock);
	/* Still timed: results that wait may be the last for a while. */
	if (r->timed && READ_ONCE(r->run) >= EIP93_DRAINING)
		set_thresh(e, 0, true);
	spin_unlock(&r->result_lock);
}

/* Whether it was the timeout that ended the waiting, and not who looked by chance. */
static bool timed_out(const struct eip93_ring *r, unsigned int results)
{
	return r->timed && results <= r->thresh && READ_ONCE(r->masked) &&
	       !r->missed;
}

/* How many results the window brings, by those since the last pass. */
static unsigned int look_back(struct eip93_ring *r)
{
	u32 now = ktime_get_ns();
	unsigned int n = r->tail - r->pass_tail;
	u32 gap;

	if (n) {
		gap = min_t(u32, (now - r->pass_at) / n, EIP93_GAP_MAX);
		if (gap == EIP93_GAP_MAX)
			r->gap = gap;
		else
			r->gap = (r->gap + gap) / 2;
		if (timed_out(r, n))
			r->patience = 3 * n;
		else if (r->patience < EIP93_PATIENCE_MAX)
			r->patience++;
		r->pass_tail = r->tail;
		r->pass_at = now;
	}
	return r->window / max(r->gap, 1U);
}

/* Whether something urgent is under way. */
static bool is_urgent(const struct eip93_ring *r)
{
	return READ_ONCE(r->hurry) - r->tail - 1 < r->size;
}

/* result_lock is held. */
static void moderate(struct eip93 *e)
{
	struct eip93_ring *r = &e->ring;
	unsigned int todo = READ_ONCE(r->rung) - r->tail;
	unsigned int soon = r->window ? look_back(r) : 0;
	bool timed = r->window && todo < EIP93_THRESH_FROM;
	unsigned int thresh = 0;

	if (todo >= EIP93_THRESH_FROM)
		thresh = todo - todo / 4;
	else if (!is_urgent(r))
		thresh = min(soon - soon / 4, r->patience / 4);
	thresh = min_t(unsigned int, EIP93_THRESH_MAX,
		       round_down(thresh, thresh < EIP93_THRESH_FROM ?
				  EIP93_THRESH_STEP_FEW : EIP93_THRESH_STEP));
	set_thresh(e, thresh, timed);
	if (timed && thresh) {
		/* Pairs with that in eip93_irq_hurry(). */
		smp_mb();
		if (unlikely(is_urgent(r)))
			set_thresh(e, 0, true);
	}
}

/* The shortest of a few: what disturbs a measurement makes it longer. */
static int shortest_timeout(struct eip93 *e, unsigned int exp)
{
	int i, ns, best = INT_MAX;

	for (i = 0; i < EIP93_TRIES; i++) {
		ns = eip93_selftest_timeout(e, exp);
		if (ns < 0)
			return ns;
		best = min(best, ns);
	}
	return best;
}

/**
 * eip93_irq_find_window - measure the engine's timeout
 * @e: the device; started, for the self test
 *
 * There is no data sheet, nor is the engine's clock known everywhere. What is not
 * as it should be is not used: each result has its interrupt then, unless the
 * engine has much to do. Process context.
 *
 * Return: 0; -ENODEV: the engine had to be reset, and does not start again.
 */
int eip93_irq_find_window(struct eip93 *e)
{
	struct eip93_ring *r = &e->ring;
	int less = shortest_timeout(e, EIP93_TRY_SHORT);
	int more = shortest_timeout(e, EIP93_TRY_LONG);
	unsigned int exp = EIP93_TRY_LONG;

	if (less == -ENODEV || more == -ENODEV)
		return -ENODEV;
	/* Four times as long, if it is what we think that it is. */
	if (less < 0 || more < 2 * less || more > 6 * less) {
		dev_info(e->dev, "no RD timeout: %d and %d ns\n", less, more);
		return 0;
	}
	while (more > EIP93_WINDOW_MAX && exp) {
		more /= 2;
		exp--;
	}
	while (2 * more <= EIP93_WINDOW_MAX && exp < EIP93_TIMEOUT_EXP) {
		more *= 2;
		exp++;
	}
	if (more >= EIP93_WINDOW_MIN && more <= EIP93_WINDOW_MAX) {
		r->window_exp = exp;
		r->window = more;
	}
	return 0;
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
	if (!r->pollers && READ_ONCE(r->run) >= EIP93_DRAINING) {
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
