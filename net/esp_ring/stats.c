// SPDX-License-Identifier: GPL-2.0-only
/*
 * Per-CPU counters of SAs and queues.
 */
#include "compat.h"
#include "internal.h"
#include "trace.h"

const char * const esp_ring_drop_names[ESP_RING_NR_DROPS] = {
	[ESP_RING_DROP_FULL] = "full",
	[ESP_RING_DROP_NOMEM] = "nomem",
	[ESP_RING_DROP_LENGTH] = "length",
	[ESP_RING_DROP_ICV] = "icv",
	[ESP_RING_DROP_ENGINE] = "engine",
	[ESP_RING_DROP_REBIND] = "rebind",
	[ESP_RING_DROP_TRAILER] = "trailer",
};

static void count_packets(struct esp_ring_counts __percpu *counts,
			  unsigned int packets, unsigned int bytes)
{
	struct esp_ring_counts *c = this_cpu_ptr(counts);

	u64_stats_update_begin(&c->syncp);
	u64_stats_add(&c->packets, packets);
	u64_stats_add(&c->bytes, bytes);
	u64_stats_update_end(&c->syncp);
}

static void count_inc(struct esp_ring_counts __percpu *counts, size_t member)
{
	struct esp_ring_counts *c;

	/* Output runs in process context too. */
	local_bh_disable();
	c = this_cpu_ptr(counts);
	u64_stats_update_begin(&c->syncp);
	u64_stats_inc((u64_stats_t *)((char *)c + member));
	u64_stats_update_end(&c->syncp);
	local_bh_enable();
}

/**
 * esp_ring_count_packets - count packets that were completed without error
 * @sa: their SA
 * @q: the queue
 * @packets: how many
 * @bytes: from ESP header through ICV, together
 *
 * BH off.
 */
void esp_ring_count_packets(struct esp_ring_sa *sa, struct esp_ring_queue *q,
			    unsigned int packets, unsigned int bytes)
{
	count_packets(sa->counts, packets, bytes);
	count_packets(q->counts, packets, bytes);
}

/**
 * esp_ring_count_drop - count, and trace, a packet that is dropped
 * @sa: its SA
 * @q: the queue, or NULL if it did not come so far
 * @why: reason
 */
void esp_ring_count_drop(struct esp_ring_sa *sa, struct esp_ring_queue *q,
			 enum esp_ring_drop why)
{
	size_t member = offsetof(struct esp_ring_counts, drops[why]);

	count_inc(sa->counts, member);
	if (q)
		count_inc(q->counts, member);
	trace_esp_ring_drop(sa, why);
}

/**
 * esp_ring_count_one - count an event of an SA
 * @sa: the SA
 * @member: offset in &struct esp_ring_counts; see esp_ring_count()
 */
void esp_ring_count_one(struct esp_ring_sa *sa, size_t member)
{
	count_inc(sa->counts, member);
}

/**
 * esp_ring_totals_add - add one sum to another
 * @to: added to
 * @from: what is added
 */
void esp_ring_totals_add(struct esp_ring_totals *to,
			 const struct esp_ring_totals *from)
{
	int i;

	to->packets += from->packets;
	to->bytes += from->bytes;
	for (i = 0; i < ESP_RING_NR_DROPS; i++)
		to->drops[i] += from->drops[i];
	to->linearised += from->linearised;
	to->uncloned += from->uncloned;
	to->expanded += from->expanded;
	to->software += from->software;
}

static void sum_cpu(struct esp_ring_totals *t, const struct esp_ring_counts *c)
{
	struct esp_ring_totals one;
	unsigned int start;
	int i;

	do {
		start = u64_stats_fetch_begin(&c->syncp);
		one.packets = u64_stats_read(&c->packets);
		one.bytes = u64_stats_read(&c->bytes);
		for (i = 0; i < ESP_RING_NR_DROPS; i++)
			one.drops[i] = u64_stats_read(&c->drops[i]);
		one.linearised = u64_stats_read(&c->linearised);
		one.uncloned = u64_stats_read(&c->uncloned);
		one.expanded = u64_stats_read(&c->expanded);
		one.software = u64_stats_read(&c->software);
	} while (u64_stats_fetch_retry(&c->syncp, start));

	esp_ring_totals_add(t, &one);
}

/**
 * esp_ring_sum - add up counters of all CPUs
 * @sum: added to
 * @counts: per-CPU counters
 */
void esp_ring_sum(struct esp_ring_totals *sum,
		  const struct esp_ring_counts __percpu *counts)
{
	int cpu;

	for_each_possible_cpu(cpu)
		sum_cpu(sum, per_cpu_ptr(counts, cpu));
}
