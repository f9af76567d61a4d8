// SPDX-License-Identifier: GPL-2.0-only
/*
 * An engine of the ESP crypto ring that fails on command, for the selftests. It
 * does real cryptography, by the functions of esp_ring_soft.
 *
 * Commands are files in debugfs, esp_ring_faulty/faulty<n>/. Where a file takes
 * a count, the N-th event from now on is the one, and the file reads 0 after it:
 *
 *   delay_us	each packet takes so much longer
 *   reorder	up to N packets are waited for and done SA by SA: those of the
 *		SA that came last are first
 *   reverse	up to N packets are waited for, and the last is done first
 *   drop	N-th completion: never comes
 *   twice	N-th completion: comes twice
 *   late	N-th completion: comes when the layer has given up the packet: when
 *		the engine goes, with its first SA, otherwise after start()
 *   corrupt	N-th packet: encrypting, the ICV is spoilt; decrypting, it is
 *		reported to be wrong
 *   error	N-th packet: fails with -EIO
 *   busy	N-th submission: -EBUSY
 *   hang	1: packets are taken and not answered, until stop()
 *   fail_start	1: start() fails
 *   fail_sa	1: SAs are refused
 *   fail	any number: the engine says itself that it has failed
 *
 * And what can only be read:
 *
 *   held	packets that the engine has now
 *   lost	packets that it had when it was last stopped
 *   reordered	packets that were answered before an older one
 */
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <net/esp_ring.h>

#include "crypt.h"

#define FAULTY_SLOTS	1024
#define FAULTY_MAX	8
#define FAULTY_LATE_MS	20
#define FAULTY_BATCH	64
/* So long it waits for the packets of "reorder" and "reverse". */
#define FAULTY_GATHER_MS	10

static unsigned int engines = 1;
module_param(engines, uint, 0444);
MODULE_PARM_DESC(engines, "number of engines, faulty0 and so on (default 1)");

static int rating = 200;
module_param(rating, int, 0444);
MODULE_PARM_DESC(rating, "their rating (default 200; esp_ring_soft has 100)");

static unsigned int timeout_ms = 1000;
module_param(timeout_ms, uint, 0444);
MODULE_PARM_DESC(timeout_ms, "a packet held longer is a hang (default 1000, 0 for the layer's)");

static unsigned int inflight;
module_param(inflight, uint, 0444);
MODULE_PARM_DESC(inflight, "bytes that are always let into an engine (default 0)");

/**
 * struct faulty_queue - packets of one direction
 * @owner: engine
 * @q: the layer's queue
 * @ctx: of @work
 * @lock: protects what follows
 * @stopped: packets are not touched
 * @head: packets ever submitted
 * @tail: packets ever taken
 * @answered: packets ever answered since the last start
 * @submitted: packets ever submitted since the last start
 * @late_set: @late_cookie waits to be completed after start; modules cannot xchg()
 *	a bool on MIPS
 * @late_cookie: packet of the command "late"
 * @pkt: packets, at index modulo %FAULTY_SLOTS
 * @work: does the packets, one after the other
 * @late: does the completion of the command "late"
 */
struct faulty_queue {
	struct faulty *owner;
	struct esp_ring_queue *q;
	struct soft_ctx ctx;
	spinlock_t lock; /* the members up to @pkt */
	bool stopped;
	unsigned int head;
	unsigned int tail;
	unsigned int submitted;
	unsigned int answered;
	int late_set;
	u32 late_cookie;
	struct esp_ring_pkt *pkt[FAULTY_SLOTS];
	struct work_struct work;
	struct delayed_work late;
};

/**
 * struct faulty - one engine
 * @engine: the layer's
 * @name: of it
 * @leaving: it is being unregistered: nothing may come late any more
 * @delay_us: command, as are those that follow
 * @reorder: command
 * @reverse: command
 * @drop: command
 * @twice: command
 * @latecomer: command "late"
 * @corrupt: command
 * @error: command
 * @busy: command
 * @hang: command
 * @fail_start: command
 * @fail_sa: command
 * @lost: shown, as is what follows
 * @reordered: shown
 * @queues: encrypt and decrypt
 */
struct faulty {
	struct esp_ring_engine *engine;
	char name[16];
	bool leaving;
	atomic_t delay_us;
	atomic_t reorder;
	atomic_t reverse;
	atomic_t drop;
	atomic_t twice;
	atomic_t latecomer;
	atomic_t corrupt;
	atomic_t error;
	atomic_t busy;
	atomic_t hang;
	atomic_t fail_start;
	atomic_t fail_sa;
	atomic_t lost;
	atomic_t reordered;
	struct faulty_queue queues[ESP_RING_NR_DIRS];
};

static struct faulty *faulty[FAULTY_MAX];
static struct dentry *faulty_dir;
static struct workqueue_struct *faulty_wq;

/* Whether a countdown has come to its end with this event. */
static bool faulty_now(atomic_t *count)
{
	return atomic_read(count) > 0 && !atomic_dec_if_positive(count);
}

static int faulty_sa_add(struct esp_ring_engine *engine,
			 const struct esp_ring_sa_params *params, void **priv,
			 struct netlink_ext_ack *extack)
{
	struct faulty *f = esp_ring_engine_priv(engine);

	if (atomic_read(&f->fail_sa)) {
		NL_SET_ERR_MSG_MOD(extack, "Told to refuse it");
		return -EOPNOTSUPP;
	}
	return esp_ring_soft_sa_new(params, (struct soft_sa **)priv, extack);
}

/* An answer for a packet that was given up. */
static void faulty_too_late(struct faulty_queue *fq)
{
	if (esp_ring_complete(fq->q, fq->late_cookie, 0))
		pr_err("esp_ring_faulty: %s: a late answer was taken\n",
		       fq->owner->name);
	else
		pr_info("esp_ring_faulty: %s: a late answer was refused\n",
			fq->owner->name);
	esp_ring_schedule(fq->q);
}

/* The layer has taken the SA from an engine that has been stopped for good. */
static void faulty_sa_del(struct esp_ring_engine *engine, void *priv)
{
	struct faulty *f = esp_ring_engine_priv(engine);
	int dir;

	for (dir = 0; f->leaving && dir < ESP_RING_NR_DIRS; dir++)
		if (READ_ONCE(f->queues[dir].stopped) &&
		    xchg(&f->queues[dir].late_set, 0))
			faulty_too_late(&f->queues[dir]);
	esp_ring_soft_sa_free(priv);
}

static struct faulty_queue *faulty_queue(struct esp_ring_queue *q)
{
	struct faulty *f = esp_ring_engine_priv(esp_ring_queue_engine(q));

	return &f->queues[esp_ring_queue_dir(q)];
}

static int faulty_submit(struct esp_ring_queue *q, struct esp_ring_pkt *pkt)
{
	struct faulty_queue *fq = faulty_queue(q);
	int err = 0;

	if (faulty_now(&fq->owner->busy)) {
		esp_ring_schedule(q);
		return -EBUSY;
	}
	spin_lock(&fq->lock);
	fq->q = q;
	if (fq->head - fq->tail >= FAULTY_SLOTS)
		err = -ENOSPC;
	else
		fq->pkt[fq->head++ % FAULTY_SLOTS] = pkt;
	if (!err)
		fq->submitted++;
	spin_unlock(&fq->lock);
	return err;
}

static void faulty_doorbell(struct esp_ring_queue *q)
{
	queue_work(faulty_wq, &faulty_queue(q)->work);
}

static unsigned int faulty_waiting(const struct faulty_queue *fq)
{
	return READ_ONCE(fq->head) - READ_ONCE(fq->tail);
}

/* Packets to be reordered have to be there first. */
static unsigned int faulty_gather(struct faulty_queue *fq)
{
	int n = atomic_read(&fq->owner->reorder) ?:
		atomic_read(&fq->owner->reverse);
	int ms;

	n = clamp(n, 1, FAULTY_BATCH);
	for (ms = 0; ms < FAULTY_GATHER_MS && faulty_waiting(fq) < n &&
	     !READ_ONCE(fq->stopped); ms++)
		usleep_range(1000, 1500);
	return n;
}

static unsigned int faulty_take(struct faulty_queue *fq,
				struct esp_ring_pkt **pkts, unsigned int max)
{
	unsigned int n = 0;

	spin_lock_bh(&fq->lock);
	while (!fq->stopped && fq->head != fq->tail && n < max)
		pkts[n++] = fq->pkt[fq->tail++ % FAULTY_SLOTS];
	spin_unlock_bh(&fq->lock);
	return n;
}

/*
 * Which of those that are left is to be done next: the last one, or the first of
 * its SA.
 */
static unsigned int faulty_next(const struct faulty *f,
				struct esp_ring_pkt *const *pkts, unsigned int n)
{
	unsigned int i = n - 1;

	if (!atomic_read(&f->reverse))
		for (i = 0; pkts[i]->sa_priv != pkts[n - 1]->sa_priv;)
			i++;
	return i;
}

static void faulty_answer(struct faulty_queue *fq, u32 cookie, int err)
{
	if (!esp_ring_complete(fq->q, cookie, err))
		return;
	spin_lock_bh(&fq->lock);
	fq->answered++;
	spin_unlock_bh(&fq->lock);
}

/* Do one packet, right or wrong. */
static void faulty_packet(struct faulty_queue *fq, struct esp_ring_pkt *pkt)
{
	struct faulty *f = fq->owner;
	unsigned int delay = atomic_read(&f->delay_us);
	u32 cookie = pkt->cookie;
	int err;

	if (atomic_read(&f->hang))
		return;
	if (delay)
		usleep_range(delay, delay + delay / 8 + 1);
	err = esp_ring_soft_crypt(&fq->ctx, pkt);
	if (faulty_now(&f->corrupt)) {
		pkt->esp[pkt->len - 1] ^= 1;
		if (esp_ring_queue_dir(fq->q) == ESP_RING_DECRYPT)
			err = -EBADMSG;
	}
	if (faulty_now(&f->error))
		err = -EIO;
	if (faulty_now(&f->drop))
		return;
	if (faulty_now(&f->latecomer)) {
		fq->late_cookie = cookie;
		fq->late_set = 1;
		return;
	}
	faulty_answer(fq, cookie, err);
	if (faulty_now(&f->twice))
		faulty_answer(fq, cookie, err);
	esp_ring_schedule(fq->q);
}

static void faulty_work(struct work_struct *work)
{
	struct faulty_queue *fq = container_of(work, struct faulty_queue, work);
	struct esp_ring_pkt *pkts[FAULTY_BATCH];
	unsigned int n, i;

	while ((n = faulty_take(fq, pkts, faulty_gather(fq)))) {
		for (; n && !READ_ONCE(fq->stopped); n--) {
			i = n == 1 ? 0 : faulty_next(fq->owner, pkts, n);
			if (i)
				atomic_inc(&fq->owner->reordered);
			faulty_packet(fq, pkts[i]);
			memmove(pkts + i, pkts + i + 1,
				(n - 1 - i) * sizeof(*pkts));
			cond_resched();
		}
	}
}

static void faulty_late(struct work_struct *work)
{
	struct faulty_queue *fq = container_of(to_delayed_work(work),
					       struct faulty_queue, late);

	faulty_too_late(fq);
}

static void faulty_stop(struct esp_ring_engine *engine)
{
	struct faulty *f = esp_ring_engine_priv(engine);
	unsigned int lost = 0;
	int dir;

	for (dir = 0; dir < ESP_RING_NR_DIRS; dir++) {
		struct faulty_queue *fq = &f->queues[dir];

		spin_lock_bh(&fq->lock);
		fq->stopped = true;
		spin_unlock_bh(&fq->lock);
		cancel_work_sync(&fq->work);
		lost += fq->submitted - fq->answered;
	}
	atomic_set(&f->lost, lost);
}

/*
 * Between stop() and start() the layer gives up what the engine held, however long
 * that takes on a busy machine. Before that an answer would not be late.
 */
static void faulty_send_late(struct faulty *f)
{
	int dir;

	for (dir = 0; dir < ESP_RING_NR_DIRS; dir++)
		if (!f->leaving && xchg(&f->queues[dir].late_set, 0))
			queue_delayed_work(faulty_wq, &f->queues[dir].late,
					   msecs_to_jiffies(FAULTY_LATE_MS));
}

static int faulty_start(struct esp_ring_engine *engine)
{
	struct faulty *f = esp_ring_engine_priv(engine);
	int dir;

	faulty_send_late(f);
	if (atomic_read(&f->fail_start))
		return -EIO;
	atomic_set(&f->hang, 0);
	for (dir = 0; dir < ESP_RING_NR_DIRS; dir++) {
		struct faulty_queue *fq = &f->queues[dir];

		spin_lock_bh(&fq->lock);
		fq->tail = fq->head;
		fq->submitted = 0;
		fq->answered = 0;
		fq->stopped = false;
		spin_unlock_bh(&fq->lock);
	}
	return 0;
}

static const struct esp_ring_engine_ops faulty_ops = {
	.sa_add		= faulty_sa_add,
	.sa_del		= faulty_sa_del,
	.submit		= faulty_submit,
	.doorbell	= faulty_doorbell,
	.stop		= faulty_stop,
	.start		= faulty_start,
};

static const struct esp_ring_alg faulty_algs[] = {
	{
		.cipher	= ESP_RING_CIPHER_ANY,
		.auth	= ESP_RING_AUTH_ANY,
		.esn	= true,
	},
};

static int faulty_fail_set(void *data, u64 val)
{
	struct faulty *f = data;

	esp_ring_engine_fail(f->engine, "told to fail");
	return 0;
}

DEFINE_DEBUGFS_ATTRIBUTE(faulty_fail_fops, NULL, faulty_fail_set, "%llu\n");

static int faulty_held_get(void *data, u64 *val)
{
	struct faulty *f = data;
	int dir;

	*val = 0;
	for (dir = 0; dir < ESP_RING_NR_DIRS; dir++) {
		struct faulty_queue *fq = &f->queues[dir];

		spin_lock_bh(&fq->lock);
		*val += fq->submitted - fq->answered;
		spin_unlock_bh(&fq->lock);
	}
	return 0;
}

DEFINE_DEBUGFS_ATTRIBUTE(faulty_held_fops, faulty_held_get, NULL, "%llu\n");

static void faulty_debugfs(struct faulty *f)
{
	struct dentry *dir = debugfs_create_dir(f->name, faulty_dir);

	debugfs_create_atomic_t("delay_us", 0600, dir, &f->delay_us);
	debugfs_create_atomic_t("reorder", 0600, dir, &f->reorder);
	debugfs_create_atomic_t("reverse", 0600, dir, &f->reverse);
	debugfs_create_atomic_t("drop", 0600, dir, &f->drop);
	debugfs_create_atomic_t("twice", 0600, dir, &f->twice);
	debugfs_create_atomic_t("late", 0600, dir, &f->latecomer);
	debugfs_create_atomic_t("corrupt", 0600, dir, &f->corrupt);
	debugfs_create_atomic_t("error", 0600, dir, &f->error);
	debugfs_create_atomic_t("busy", 0600, dir, &f->busy);
	debugfs_create_atomic_t("hang", 0600, dir, &f->hang);
	debugfs_create_atomic_t("fail_start", 0600, dir, &f->fail_start);
	debugfs_create_atomic_t("fail_sa", 0600, dir, &f->fail_sa);
	debugfs_create_file_unsafe("fail", 0200, dir, f, &faulty_fail_fops);
	debugfs_create_file_unsafe("held", 0400, dir, f, &faulty_held_fops);
	debugfs_create_atomic_t("lost", 0400, dir, &f->lost);
	debugfs_create_atomic_t("reordered", 0400, dir, &f->reordered);
}

static void faulty_free(struct faulty *f)
{
	int dir;

	for (dir = 0; dir < ESP_RING_NR_DIRS; dir++)
		esp_ring_soft_ctx_exit(&f->queues[dir].ctx);
	kvfree(f);
}

static struct faulty *faulty_new(unsigned int i)
{
	struct esp_ring_engine_desc desc = {
		.ops		= &faulty_ops,
		.caps = {
			.algs		= faulty_algs,
			.nr_algs	= ARRAY_SIZE(faulty_algs),
			.flags		= ESP_RING_CAP_ALL,
			.max_len	= U16_MAX,
		},
		.rating		= rating,
		.slots		= FAULTY_SLOTS,
		.min_inflight	= inflight,
		.timeout_ms	= timeout_ms,
	};
	struct esp_ring_engine *engine;
	struct faulty *f;
	int dir;

	f = kvzalloc(sizeof(*f), GFP_KERNEL);
	if (!f)
		return ERR_PTR(-ENOMEM);
	for (dir = 0; dir < ESP_RING_NR_DIRS; dir++) {
		struct faulty_queue *fq = &f->queues[dir];

		fq->owner = f;
		spin_lock_init(&fq->lock);
		INIT_WORK(&fq->work, faulty_work);
		INIT_DELAYED_WORK(&fq->late, faulty_late);
		esp_ring_soft_ctx_init(&fq->ctx);
	}
	snprintf(f->name, sizeof(f->name), "faulty%u", i);
	desc.name = f->name;
	desc.priv = f;
	engine = esp_ring_engine_register(&desc);
	if (IS_ERR(engine)) {
		faulty_free(f);
		return ERR_CAST(engine);
	}
	f->engine = engine;
	faulty_debugfs(f);
	return f;
}

static void faulty_del(struct faulty *f)
{
	int dir;

	f->leaving = true;
	for (dir = 0; dir < ESP_RING_NR_DIRS; dir++)
		cancel_delayed_work_sync(&f->queues[dir].late);
	esp_ring_engine_unregister(f->engine);
	/* the layer's last stop() may have queued none, but doorbells may have */
	for (dir = 0; dir < ESP_RING_NR_DIRS; dir++) {
		cancel_work_sync(&f->queues[dir].work);
		cancel_delayed_work_sync(&f->queues[dir].late);
	}
	faulty_free(f);
}

static void faulty_exit(void)
{
	int i;

	/* the files refer to the engines */
	debugfs_remove_recursive(faulty_dir);
	for (i = 0; i < FAULTY_MAX; i++)
		if (faulty[i])
			faulty_del(faulty[i]);
	destroy_workqueue(faulty_wq);
}

static int __init faulty_init(void)
{
	unsigned int i;
	int err;

	if (!engines || engines > FAULTY_MAX)
		return -EINVAL;
	/* unbound: delays and hangs of one engine do not hold up the others */
	faulty_wq = alloc_workqueue("esp_ring_faulty",
				    WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	if (!faulty_wq)
		return -ENOMEM;
	faulty_dir = debugfs_create_dir("esp_ring_faulty", NULL);
	for (i = 0; i < engines; i++) {
		struct faulty *f = faulty_new(i);

		if (IS_ERR(f)) {
			err = PTR_ERR(f);
			faulty_exit();
			return err;
		}
		faulty[i] = f;
	}
	return 0;
}

module_init(faulty_init);
module_exit(faulty_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Engine of the ESP crypto ring that fails on command");
