// SPDX-License-Identifier: GPL-2.0-only
/*
 * Software engine of the ESP crypto ring: one thread for each CPU takes packets
 * from the two queues. Packets of one SA are worked on by many CPUs at once; the
 * layer puts their results into order again.
 */
#include <linux/kthread.h>
#include <linux/moduleparam.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/sched/stat.h>
#include <linux/smp.h>
#include <linux/smpboot.h>

#include "crypt.h"
#include "soft.h"

/* Packets that a thread takes at once: few, since the others wait for them. */
#define SOFT_BATCH	8
/*
 * Work waiting for each thread that is awake, before another one is woken: a
 * few large packets or many small ones, which are done before the other is up.
 */
#define SOFT_BACKLOG	16384
/* Work that a thread does before it tells the layer of it, while more waits. */
#define SOFT_RELEASE	24576
/* Urgent packets in a row while others wait. */
#define SOFT_URGENT_RUN	32
/* What a packet costs beside its bytes, in bytes. */
#define SOFT_OVERHEAD	256

/**
 * struct soft_held - what a thread has of a queue
 * @packets: taken, and not released
 * @work: of them
 */
struct soft_held {
	unsigned int packets;
	unsigned int work;
};

/**
 * struct soft_worker - a CPU's thread
 * @ctx: for its packets
 * @held: of each queue
 * @awake: it is working, or has been woken and will look at the queues
 */
struct soft_worker {
	struct soft_ctx ctx;
	struct soft_held held[ESP_RING_NR_DIRS];
	int awake;
};

static struct soft_queue soft_queues[ESP_RING_NR_DIRS];
static DEFINE_PER_CPU(struct soft_worker, soft_workers);
static DEFINE_PER_CPU(struct task_struct *, soft_threads);
static atomic_t soft_nr_awake = ATOMIC_INIT(0);
/* Those of them that have their CPU, as far as they can know. */
static atomic_t soft_nr_running = ATOMIC_INIT(0);

/* CPUs whose thread can run: online and not about to go. */
static struct cpumask soft_ready;
/*
 * CPUs that the user allows. Changed while others read it: they may see a mix
 * of old and new, and wake a thread that they would not have woken, or none
 * beside the fallback. Either is harmless.
 */
static struct cpumask soft_allowed;

static unsigned int soft_in_ring(const struct soft_ring *r)
{
	return READ_ONCE(r->head) - READ_ONCE(r->tail);
}

/* Packets that wait. */
static unsigned int soft_waiting(const struct soft_queue *sq)
{
	return soft_in_ring(&sq->urgent) + soft_in_ring(&sq->usual);
}

/* The work that they are. Racy: a snapshot is all that is needed. */
static unsigned int soft_backlog(const struct soft_queue *sq)
{
	return READ_ONCE(sq->work_in) - READ_ONCE(sq->work_out);
}

static bool soft_any_waiting(void)
{
	int dir;

	for (dir = 0; dir < ESP_RING_NR_DIRS; dir++)
		if (soft_waiting(&soft_queues[dir]) &&
		    !READ_ONCE(soft_queues[dir].stopped))
			return true;
	return false;
}

static bool soft_may_use(unsigned int cpu)
{
	return cpumask_test_cpu(cpu, &soft_ready) &&
	       cpumask_test_cpu(cpu, &soft_allowed);
}

/**
 * soft_wake - wake a CPU's thread
 * @cpu: which is in soft_ready, or has just left it: soft_park() looks at the
 *	queues after that
 *
 * Return: true if it slept.
 */
static bool soft_wake(unsigned int cpu)
{
	struct soft_worker *w = per_cpu_ptr(&soft_workers, cpu);

	if (READ_ONCE(w->awake) || cmpxchg(&w->awake, 0, 1))
		return false;
	atomic_inc(&soft_nr_awake);
	wake_up_process(per_cpu(soft_threads, cpu));
	return true;
}

/* Wake one more thread, the nearest after @cpu in the order of numbers. */
static void soft_wake_another(unsigned int cpu)
{
	unsigned int other;

	for_each_cpu_wrap(other, &soft_allowed, cpu + 1)
		if (cpumask_test_cpu(other, &soft_ready) && soft_wake(other))
			return;
}

/* No CPU that the user allows is there: any is better than none. */
static void soft_wake_fallback(void)
{
	unsigned int cpu;

	if (cpumask_intersects(&soft_ready, &soft_allowed))
		return;
	cpu = cpumask_any(&soft_ready);
	if (cpu < nr_cpu_ids)
		soft_wake(cpu);
}

/**
 * soft_kick - let there be as many threads awake as the backlog is worth
 * @sq: queue
 *
 * The own CPU's thread is first: waking it costs least, and it has the packet
 * in its cache. It must wait until the caller leaves the CPU, but then a lone
 * packet's caller does so soon, and a busy one makes a backlog.
 */
static void soft_kick(const struct soft_queue *sq)
{
	unsigned int cpu = raw_smp_processor_id();
	unsigned int awake = atomic_read(&soft_nr_awake);
	bool enough = soft_backlog(sq) <= awake * SOFT_BACKLOG;
	bool here = soft_may_use(cpu);

	if (!soft_waiting(sq) || (enough && atomic_read(&soft_nr_running)))
		return;
	if (here && (soft_wake(cpu) || enough))
		return;
	soft_wake_another(cpu);
	if (!awake)
		soft_wake_fallback();
}

/**
 * soft_submit - take a packet
 * @q: the layer's queue
 * @pkt: packet
 *
 * Return: 0 or -EBUSY.
 */
int soft_submit(struct esp_ring_queue *q, struct esp_ring_pkt *pkt)
{
	struct soft_queue *sq = &soft_queues[esp_ring_queue_dir(q)];
	struct soft_ring *r = pkt->urgent ? &sq->urgent : &sq->usual;
	unsigned int head = r->head;

	if (unlikely(head - READ_ONCE(r->tail) >= SOFT_SLOTS))
		return -EBUSY;
	sq->q = q;
	r->pkt[head % SOFT_SLOTS] = pkt;
	WRITE_ONCE(sq->work_in, sq->work_in + pkt->len + SOFT_OVERHEAD);
	/* the packet is there before soft_take() sees it counted */
	smp_store_release(&r->head, head + 1);
	return 0;
}

/**
 * soft_doorbell - see to it that somebody works on what was submitted
 * @q: the layer's queue
 */
void soft_doorbell(struct esp_ring_queue *q)
{
	/* head before awake, with the barrier in soft_sleep() */
	smp_mb();
	soft_kick(&soft_queues[esp_ring_queue_dir(q)]);
}

/**
 * soft_leave - whether to leave what waits to the other threads
 * @sq: queue
 *
 * Where somebody else wants our CPU, perhaps the one who makes the packets, and
 * the others have enough to do, but not too much, they can have it all. Without
 * this they would run out of work while we keep the producer from its CPU.
 */
static bool soft_leave(const struct soft_queue *sq)
{
	unsigned int others = atomic_read(&soft_nr_awake) - 1;

	return others && soft_backlog(sq) <= others * SOFT_BACKLOG &&
	       !single_task_running();
}

/* Which ring is served next, under the lock of the queue. */
static struct soft_ring *soft_next_ring(struct soft_queue *sq)
{
	if (!soft_in_ring(&sq->urgent) ||
	    (sq->urgent_run >= SOFT_URGENT_RUN && soft_in_ring(&sq->usual)))
		return &sq->usual;
	return &sq->urgent;
}

/**
 * soft_take - take packets out of a queue
 * @sq: queue
 * @pkts: where to put them, at most %SOFT_BATCH
 * @held: to be increased by them
 * @urgent: only if it is the urgent ones' turn
 *
 * Takes less than its share of what waits, so that all threads come to the end
 * at the same time. Return: number of packets.
 */
static unsigned int soft_take(struct soft_queue *sq, struct esp_ring_pkt **pkts,
			      struct soft_held *held, bool urgent)
{
	unsigned int n = 0, i, awake, work = 0;
	struct soft_ring *r;

	awake = max(atomic_read(&soft_nr_awake), 1);
	spin_lock(&sq->lock);
	r = soft_next_ring(sq);
	if (!sq->stopped && (!urgent || r == &sq->urgent)) {
		/* pairs with the release in soft_submit() */
		n = smp_load_acquire(&r->head) - r->tail;
	}
	if (n)
		n = clamp(n / (2 * awake), 1U, (unsigned int)SOFT_BATCH);
	if (r == &sq->urgent)
		sq->urgent_run += n;
	else if (n)
		sq->urgent_run = 0;
	for (i = 0; i < n; i++) {
		pkts[i] = r->pkt[(r->tail + i) % SOFT_SLOTS];
		work += pkts[i]->len + SOFT_OVERHEAD;
	}
	WRITE_ONCE(sq->work_out, sq->work_out + work);
	sq->held += n;
	/* the entries have been read before soft_submit() may reuse them */
	smp_store_release(&r->tail, r->tail + n);
	spin_unlock(&sq->lock);
	held->packets += n;
	held->work += work;
	return n;
}

/**
 * soft_release - have the layer collect what has been done
 * @sq: queue
 * @held: a thread's part of it
 *
 * After this none of them is touched, nor the layer's queue, which may be gone
 * once we are stopped.
 */
static void soft_release(struct soft_queue *sq, struct soft_held *held)
{
	if (!held->packets)
		return;
	esp_ring_schedule(sq->q);
	spin_lock(&sq->lock);
	sq->held -= held->packets;
	if (sq->stopped && !sq->held)
		wake_up(&sq->idle);
	spin_unlock(&sq->lock);
	held->packets = 0;
	held->work = 0;
}

static void soft_release_all(struct soft_worker *w)
{
	int dir;

	for (dir = 0; dir < ESP_RING_NR_DIRS; dir++)
		soft_release(&soft_queues[dir], &w->held[dir]);
}

static void soft_do(struct soft_worker *w, struct soft_queue *sq,
		    struct esp_ring_pkt *pkt)
{
	int err = esp_ring_soft_crypt(&w->ctx, pkt);

	esp_ring_complete(sq->q, pkt->cookie, err);
}

/**
 * soft_serve_urgent - do what is urgent, of both queues
 * @w: thread, which has other packets at hand
 *
 * Counted apart from those, which are not to be released yet.
 */
static void soft_serve_urgent(struct soft_worker *w)
{
	struct esp_ring_pkt *pkts[SOFT_BATCH];
	struct soft_held held = {};
	struct soft_queue *sq;
	unsigned int i, n;
	int dir;

	for (dir = 0; dir < ESP_RING_NR_DIRS; dir++) {
		sq = &soft_queues[dir];
		if (!soft_in_ring(&sq->urgent))
			continue;
		n = soft_take(sq, pkts, &held, true);
		for (i = 0; i < n && !READ_ONCE(sq->stopped); i++)
			soft_do(w, sq, pkts[i]);
		soft_release(sq, &held);
	}
}

/**
 * soft_serve - do some of a queue's packets
 * @w: thread
 * @dir: of the queue
 *
 * What is urgent waits for one of them and not for all. The layer is told at once
 * if nothing more waits, so that a lone packet does not, and of urgent ones;
 * otherwise now and then: each time can cost an interrupt on another CPU.
 *
 * Return: whether there was anything to do.
 */
static bool soft_serve(struct soft_worker *w, enum esp_ring_dir dir)
{
	struct soft_queue *sq = &soft_queues[dir];
	struct soft_held *held = &w->held[dir];
	struct esp_ring_pkt *pkts[SOFT_BATCH];
	unsigned int i, n = 0;
	bool urgent;

	if (soft_waiting(sq) && !soft_leave(sq))
		n = soft_take(sq, pkts, held, false);
	/* of one ring, all of them or none; not to be read once answered */
	urgent = n && pkts[0]->urgent;
	if (n)
		soft_kick(sq);
	for (i = 0; i < n && !READ_ONCE(sq->stopped); i++) {
		if (!urgent)
			soft_serve_urgent(w);
		soft_do(w, sq, pkts[i]);
	}
	if (!n || held->work >= SOFT_RELEASE || urgent || !soft_waiting(sq))
		soft_release(sq, held);
	return n;
}

/**
 * soft_sleep - decide to sleep
 * @w: thread
 *
 * Return: false if there is something to do after all.
 */
static bool soft_sleep(struct soft_worker *w)
{
	bool last;

	WRITE_ONCE(w->awake, 0);
	/* awake before head, with the barrier in soft_doorbell() */
	last = atomic_dec_and_test(&soft_nr_awake);
	/* another who is awake comes here after us, and sees what we leave */
	if (!last || !soft_any_waiting() || cmpxchg(&w->awake, 0, 1))
		return true;
	atomic_inc(&soft_nr_awake);
	return false;
}

static int soft_should_run(unsigned int cpu)
{
	return READ_ONCE(per_cpu_ptr(&soft_workers, cpu)->awake);
}

/* Let others have the CPU, if they want it. */
static void soft_yield(struct soft_worker *w)
{
	if (!need_resched())
		return;
	soft_release_all(w);
	atomic_dec(&soft_nr_running);
	cond_resched();
	atomic_inc(&soft_nr_running);
}

static void soft_run(unsigned int cpu)
{
	struct soft_worker *w = per_cpu_ptr(&soft_workers, cpu);
	bool busy;

	atomic_inc(&soft_nr_running);
	do {
		do {
			/* awake remains set, soft_park() sees to the rest */
			if (kthread_should_park())
				goto out;
			busy = soft_serve(w, ESP_RING_DECRYPT);
			busy |= soft_serve(w, ESP_RING_ENCRYPT);
			soft_yield(w);
		} while (busy);
	} while (!soft_sleep(w));
out:
	soft_release_all(w);
	atomic_dec(&soft_nr_running);
}

/*
 * The CPU is there; also called for each one when the threads are made, by the
 * thread itself, which on a busy machine may be long after the engine has been
 * registered and given packets that nobody could be woken for.
 */
static void soft_unpark(unsigned int cpu)
{
	cpumask_set_cpu(cpu, &soft_ready);
	/* ready before head, with the barrier in soft_doorbell() */
	smp_mb();
	if (soft_any_waiting())
		soft_wake(cpu);
}

/* The CPU goes. */
static void soft_park(unsigned int cpu)
{
	struct soft_worker *w = per_cpu_ptr(&soft_workers, cpu);

	cpumask_clear_cpu(cpu, &soft_ready);
	if (xchg(&w->awake, 0))
		atomic_dec(&soft_nr_awake);
	/*
	 * Who submitted a packet before we left soft_ready relied on us, and
	 * one who did so after it does not.
	 */
	smp_mb();
	if (soft_any_waiting()) {
		soft_wake_another(cpu);
		soft_wake_fallback();
	}
}

static void soft_cleanup(unsigned int cpu, bool online)
{
	cpumask_clear_cpu(cpu, &soft_ready);
}

static struct smp_hotplug_thread soft_hotplug = {
	.store			= &soft_threads,
	.thread_should_run	= soft_should_run,
	.thread_fn		= soft_run,
	.setup			= soft_unpark,
	.unpark			= soft_unpark,
	.park			= soft_park,
	.cleanup		= soft_cleanup,
	.thread_comm		= "esp_ring/%u",
};

/**
 * soft_stop - let go of all packets
 * @engine: the layer's engine
 *
 * Waits for the threads, each of which is at one packet and does no more.
 */
void soft_stop(struct esp_ring_engine *engine)
{
	int dir;

	for (dir = 0; dir < ESP_RING_NR_DIRS; dir++) {
		struct soft_queue *sq = &soft_queues[dir];

		spin_lock(&sq->lock);
		WRITE_ONCE(sq->stopped, true);
		spin_unlock(&sq->lock);
		wait_event(sq->idle, !READ_ONCE(sq->held));
		/* until the last thread is out of soft_release() */
		spin_lock(&sq->lock);
		spin_unlock(&sq->lock);
	}
}

/**
 * soft_start - begin again, with empty queues
 * @engine: the layer's engine
 *
 * Return: 0.
 */
int soft_start(struct esp_ring_engine *engine)
{
	int dir;

	for (dir = 0; dir < ESP_RING_NR_DIRS; dir++) {
		struct soft_queue *sq = &soft_queues[dir];

		spin_lock(&sq->lock);
		WRITE_ONCE(sq->urgent.tail, READ_ONCE(sq->urgent.head));
		WRITE_ONCE(sq->usual.tail, READ_ONCE(sq->usual.head));
		WRITE_ONCE(sq->work_out, READ_ONCE(sq->work_in));
		WRITE_ONCE(sq->stopped, false);
		spin_unlock(&sq->lock);
	}
	return 0;
}

/* The parameter "cpus": a list of CPUs, at any time, also before the threads. */
static int soft_cpus_set(const char *val, const struct kernel_param *kp)
{
	cpumask_var_t mask;
	int err;

	if (!zalloc_cpumask_var(&mask, GFP_KERNEL))
		return -ENOMEM;
	err = cpulist_parse(val, mask);
	if (!err && !cpumask_intersects(mask, cpu_possible_mask))
		err = -EINVAL;
	if (!err)
		cpumask_copy(&soft_allowed, mask);
	free_cpumask_var(mask);
	return err;
}

static int soft_cpus_get(char *buffer, const struct kernel_param *kp)
{
	return scnprintf(buffer, PAGE_SIZE, "%*pbl\n",
			 cpumask_pr_args(&soft_allowed));
}

const struct kernel_param_ops soft_cpus_ops = {
	.set = soft_cpus_set,
	.get = soft_cpus_get,
};

/**
 * soft_workers_init - make the threads, which sleep
 *
 * Return: 0 or a negative error number.
 */
int soft_workers_init(void)
{
	int cpu, dir, err;

	for (dir = 0; dir < ESP_RING_NR_DIRS; dir++) {
		spin_lock_init(&soft_queues[dir].lock);
		init_waitqueue_head(&soft_queues[dir].idle);
	}
	if (cpumask_empty(&soft_allowed))
		cpumask_copy(&soft_allowed, cpu_possible_mask);
	for_each_possible_cpu(cpu)
		esp_ring_soft_ctx_init(&per_cpu_ptr(&soft_workers, cpu)->ctx);

	err = smpboot_register_percpu_thread(&soft_hotplug);
	if (err)
		for_each_possible_cpu(cpu)
			esp_ring_soft_ctx_exit(&per_cpu_ptr(&soft_workers, cpu)->ctx);
	return err;
}

/**
 * soft_workers_exit - end the threads
 *
 * The layer has stopped the engine and calls it no more.
 */
void soft_workers_exit(void)
{
	int cpu;

	smpboot_unregister_percpu_thread(&soft_hotplug);
	for_each_possible_cpu(cpu)
		esp_ring_soft_ctx_exit(&per_cpu_ptr(&soft_workers, cpu)->ctx);
}
