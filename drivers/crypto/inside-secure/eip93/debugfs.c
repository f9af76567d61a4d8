// SPDX-License-Identifier: GPL-2.0-only
/*
 * debugfs: esp_ring_eip93/<engine>/counters, one line of key=value pairs.
 *
 * "reads" and "writes" are all accesses to registers since the probe: a model
 * or a bus analyser must count the same.
 */
#include <linux/debugfs.h>
#include <linux/seq_file.h>

#include "eip93.h"

static struct dentry *root;

static void show_queue(struct seq_file *s, const struct eip93_queue *eq,
		       const char *name)
{
	seq_printf(s, " %s.descs=%u %s.packets=%lu %s.unaligned=%lu %s.auth_errors=%lu %s.engine_errors=%lu %s.last_error=0x%08x",
		   name, READ_ONCE(eq->head) - READ_ONCE(eq->tail),
		   name, READ_ONCE(eq->packets),
		   name, READ_ONCE(eq->unaligned),
		   name, READ_ONCE(eq->auth_errors),
		   name, READ_ONCE(eq->engine_errors),
		   name, READ_ONCE(eq->last_error));
}

static int counters_show(struct seq_file *s, void *unused)
{
	struct eip93 *e = s->private;
	const struct eip93_ring *r = &e->ring;
	struct eip93_counts sum = { };
	int cpu;

	for_each_possible_cpu(cpu) {
		const struct eip93_counts *c = per_cpu_ptr(e->counts, cpu);

		sum.reads += READ_ONCE(c->reads);
		sum.writes += READ_ONCE(c->writes);
		sum.interrupts += READ_ONCE(c->interrupts);
		sum.spurious += READ_ONCE(c->spurious);
	}
	seq_printf(s, "name=%s ring=%u reads=%lu writes=%lu interrupts=%lu spurious=%lu doorbells=%lu acks=%lu thresh=%u thresh_writes=%lu window=%u high_water=%u resets=%u records=%u records_used=%u",
		   e->name, r->size, sum.reads, sum.writes, sum.interrupts,
		   sum.spurious, READ_ONCE(r->doorbells), READ_ONCE(r->acks),
		   READ_ONCE(r->thresh), READ_ONCE(r->thresh_writes), r->window,
		   READ_ONCE(r->high_water), e->resets, e->nr_records,
		   bitmap_weight(e->sa_used, e->nr_records));
	show_queue(s, &e->queue[ESP_RING_ENCRYPT], "encrypt");
	show_queue(s, &e->queue[ESP_RING_DECRYPT], "decrypt");
	seq_putc(s, '\n');
	return 0;
}

DEFINE_SHOW_ATTRIBUTE(counters);

/**
 * eip93_debugfs_add - show an engine
 * @e: the device
 */
void eip93_debugfs_add(struct eip93 *e)
{
	e->debugfs = debugfs_create_dir(e->name, root);
	debugfs_create_file("counters", 0400, e->debugfs, e, &counters_fops);
}

/**
 * eip93_debugfs_del - show it no more
 * @e: the device; nobody reads its file when this returns
 */
void eip93_debugfs_del(struct eip93 *e)
{
	debugfs_remove_recursive(e->debugfs);
}

/**
 * eip93_debugfs_init - the module's directory
 */
void eip93_debugfs_init(void)
{
	root = debugfs_create_dir(KBUILD_MODNAME, NULL);
}

/**
 * eip93_debugfs_exit - remove it
 */
void eip93_debugfs_exit(void)
{
	debugfs_remove_recursive(root);
}
