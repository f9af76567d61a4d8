/* SPDX-License-Identifier: GPL-2.0-only */
/* Software engine of the ESP crypto ring: what its files share. */
#ifndef _ESP_RING_SOFT_H
#define _ESP_RING_SOFT_H

#include <linux/cache.h>
#include <linux/cpumask.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <net/esp_ring.h>

#define SOFT_SLOTS	1024	/* a power of two */

/**
 * struct soft_ring - packets of one kind
 * @head: packets ever submitted. Single producer: the layer's submit
 * @tail: packets ever taken, under &soft_queue.lock
 * @pkt: the packets, at index modulo %SOFT_SLOTS. The layer never has more than
 *	that many in the engine.
 */
struct soft_ring {
	unsigned int head;
	unsigned int tail ____cacheline_aligned_in_smp;
	struct esp_ring_pkt *pkt[SOFT_SLOTS] ____cacheline_aligned_in_smp;
};

/**
 * struct soft_queue - packets of one direction, waiting for a thread
 * @work_in: the work that they are, see SOFT_OVERHEAD
 * @q: the layer's queue
 * @lock: consumers: the threads, and stop
 * @urgent_run: urgent packets taken since one that is not, under @lock
 * @work_out: the work that they are
 * @held: packets taken and not completed yet, under @lock
 * @stopped: packets are neither taken nor touched, under @lock
 * @idle: stop waits for @held to become 0
 * @urgent: packets that go first
 * @usual: the others
 */
struct soft_queue {
	unsigned int work_in;
	struct esp_ring_queue *q;

	spinlock_t lock ____cacheline_aligned_in_smp;
	unsigned int urgent_run;
	unsigned int work_out;
	unsigned int held;
	bool stopped;
	wait_queue_head_t idle;

	struct soft_ring urgent;
	struct soft_ring usual;
};

/* worker.c */
extern const struct kernel_param_ops soft_cpus_ops;
int soft_submit(struct esp_ring_queue *q, struct esp_ring_pkt *pkt);
void soft_doorbell(struct esp_ring_queue *q);
void soft_stop(struct esp_ring_engine *engine);
int soft_start(struct esp_ring_engine *engine);
int soft_workers_init(void);
void soft_workers_exit(void);

#endif /* _ESP_RING_SOFT_H */
