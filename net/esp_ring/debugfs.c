// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/kernel/debug/esp_ring: engines, queues, ports, sas, refused. One line for
 * each, of key=value pairs, for people and scripts. Keys of SAs are never shown.
 */
#include <linux/debugfs.h>
#include <linux/rtnetlink.h>
#include <linux/seq_file.h>
#include <net/net_namespace.h>

#include "compat.h"
#include "internal.h"

static struct dentry *root;

static const char *dir_name(enum esp_ring_dir dir)
{
	return dir == ESP_RING_ENCRYPT ? "encrypt" : "decrypt";
}

static void show_totals(struct seq_file *m, const struct esp_ring_totals *t)
{
	int i;

	seq_printf(m, " packets=%llu bytes=%llu", t->packets, t->bytes);
	for (i = 0; i < ESP_RING_NR_DROPS; i++)
		seq_printf(m, " drop_%s=%llu", esp_ring_drop_names[i],
			   t->drops[i]);
}

/* What only SAs and ports count: it happens before there is a queue. */
static void show_exceptions(struct seq_file *m, const struct esp_ring_totals *t)
{
	seq_printf(m, " linearised=%llu uncloned=%llu expanded=%llu software=%llu",
		   t->linearised, t->uncloned, t->expanded, t->software);
}

static int engines_show(struct seq_file *m, void *unused)
{
	struct esp_ring_engine *engine;
	int dir;

	mutex_lock(&esp_ring_mutex);
	list_for_each_entry(engine, &esp_ring_engines, list) {
		struct esp_ring_totals totals = { };
		u32 inflight = 0;

		for (dir = 0; dir < ESP_RING_NR_DIRS; dir++) {
			esp_ring_sum(&totals, engine->queues[dir].counts);
			inflight += READ_ONCE(engine->queues[dir].inflight_len);
		}
		seq_printf(m, "engine=%s state=%s rating=%d sas=%d max_sas=%u inflight=%u failures=%u rebinds=%u batch=%u timeout_ms=%u",
			   engine->name, esp_ring_engine_state_name(engine),
			   engine->rating, atomic_read(&engine->nr_sas),
			   engine->caps.max_sas, inflight, engine->failures,
			   engine->rebinds, engine->batch,
			   jiffies_to_msecs(engine->timeout));
		show_totals(m, &totals);
		seq_putc(m, '\n');
	}
	mutex_unlock(&esp_ring_mutex);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(engines);

static void show_queue(struct seq_file *m, struct esp_ring_queue *q)
{
	struct esp_ring_totals totals = { };
	u32 high, low, inflight, limit, nr_sas;
	struct esp_ring_qstats stats;
	u64 interrupts = 0;
	int cpu;

	spin_lock_bh(&q->lock);
	stats = q->stats;
	high = q->backlog_len[ESP_RING_PRIO_HIGH];
	low = q->backlog_len[ESP_RING_PRIO_LOW];
	inflight = q->inflight_len;
	limit = q->dql.limit;
	nr_sas = q->nr_sas;
	spin_unlock_bh(&q->lock);
	esp_ring_sum(&totals, q->counts);
	for_each_possible_cpu(cpu)
		interrupts += *per_cpu_ptr(q->interrupts, cpu);

	seq_printf(m, "engine=%s queue=%s", q->engine->name, dir_name(q->dir));
	show_totals(m, &totals);
	seq_printf(m, " sas=%u slots=%u waiting_high=%u waiting_low=%u inflight=%u limit_bytes=%u high_water=%u submitted=%llu doorbells=%llu completions=%llu passes=%llu interrupts=%llu busy=%llu spurious=%u cpu=%d\n",
		   nr_sas, q->nr_slots, high, low, inflight, limit,
		   max(stats.high_water, high + low + inflight),
		   stats.completions + inflight - stats.refused, stats.doorbells,
		   stats.completions, stats.passes, interrupts, stats.busy,
		   atomic_read(&q->spurious), READ_ONCE(q->cpu));
}

static int queues_show(struct seq_file *m, void *unused)
{
	struct esp_ring_engine *engine;
	int dir;

	mutex_lock(&esp_ring_mutex);
	list_for_each_entry(engine, &esp_ring_engines, list)
		for (dir = 0; dir < ESP_RING_NR_DIRS; dir++)
			show_queue(m, &engine->queues[dir]);
	mutex_unlock(&esp_ring_mutex);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(queues);

/* Of the engines beside the port, the first that is there. */
static const struct esp_ring_engine *
nearest_engine(const struct esp_ring_beside *beside)
{
	const struct esp_ring_engine *engine, *best = NULL;
	unsigned int rank, best_rank = beside->nr;

	list_for_each_entry(engine, &esp_ring_engines, list) {
		rank = esp_ring_beside_rank(beside, engine);
		if (rank < best_rank) {
			best = engine;
			best_rank = rank;
		}
	}
	return best;
}

/*
 * Where a new SA of this port would go first, and why; the engine's node also
 * where no driver has it.
 */
static void show_bound(struct seq_file *m, const struct esp_ring_port *port)
{
	const struct esp_ring_engine *engine;
	struct esp_ring_beside beside;
	char name[ESP_RING_NAME_LEN];

	esp_ring_beside_get(&beside, port->dev);
	engine = nearest_engine(&beside);
	if (esp_ring_rule_engine(port->dev->name, name))
		seq_printf(m, " engine=%s why=bind", name);
	else
		seq_printf(m, " engine=%s why=%s", engine ? engine->name : "-",
			   !beside.nr ? "any" :
			   beside.named ? "esp-engine" : "only-engine");
	if (beside.nr)
		seq_printf(m, " node=%pfwP", beside.nodes[0]);
	else
		seq_puts(m, " node=-");
	seq_printf(m, " glue=%s", *beside.glue ? beside.glue : "-");
	esp_ring_beside_put(&beside);
}

static void show_port(struct esp_ring_port *port, void *arg)
{
	struct seq_file *m = arg;
	int dir;

	for (dir = 0; dir < ESP_RING_NR_DIRS; dir++) {
		struct esp_ring_totals totals;
		const struct esp_ring_sa *sa;
		unsigned int sas = 0;

		esp_ring_port_past(port, dir, &totals);
		list_for_each_entry(sa, &esp_ring_sas, all) {
			struct esp_ring_totals one = { };

			if (sa->port != port || sa->params.dir != dir)
				continue;
			esp_ring_sum(&one, sa->counts);
			esp_ring_totals_add(&totals, &one);
			sas++;
		}

		seq_printf(m, "port=%s netns=%u queue=%s feature=%s sas=%u",
			   port->dev->name, dev_net(port->dev)->ns.inum,
			   dir_name(dir), !port->selected ? "unselected" :
			   port->dev->features & NETIF_F_HW_ESP ? "on" : "off",
			   sas);
		show_bound(m, port);
		show_totals(m, &totals);
		show_exceptions(m, &totals);
		seq_putc(m, '\n');
	}
}

static int ports_show(struct seq_file *m, void *unused)
{
	rtnl_lock();
	mutex_lock(&esp_ring_mutex);
	esp_ring_ports_walk(show_port, m);
	mutex_unlock(&esp_ring_mutex);
	rtnl_unlock();
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(ports);

static const char *mode_name(u8 mode)
{
	switch (mode) {
	case XFRM_MODE_TRANSPORT:
		return "transport";
	case XFRM_MODE_TUNNEL:
		return "tunnel";
	case XFRM_MODE_BEET:
		return "beet";
	}
	return "other";
}

static void show_sa(struct seq_file *m, const struct esp_ring_sa *sa)
{
	const struct esp_ring_sa_params *p = &sa->params;
	struct esp_ring_totals totals = { };

	esp_ring_sum(&totals, sa->counts);
	seq_printf(m, "port=%s queue=%s spi=0x%08x", sa->port->name,
		   dir_name(p->dir), be32_to_cpu(p->spi));
	if (p->family == AF_INET6)
		seq_printf(m, " src=%pI6c dst=%pI6c", &sa->saddr, &sa->daddr);
	else
		seq_printf(m, " src=%pI4 dst=%pI4", &sa->saddr, &sa->daddr);
	seq_printf(m, " mode=%s cipher=%s auth=%s icv_len=%u esn=%u encap=%u reqid=%u prio=%s engine=%s rebinds=%u inflight=%u",
		   mode_name(p->mode), p->cipher_name, p->auth_name ?: "-",
		   p->icv_len, p->esn, p->encap, sa->reqid,
		   sa->prio == ESP_RING_PRIO_HIGH ? "high" : "low",
		   sa->engine ? sa->engine->name : "software", sa->rebinds,
		   /* Beside those of its packets the state has a reference. */
		   refcount_read(&sa->ref) - 1);
	show_totals(m, &totals);
	show_exceptions(m, &totals);
	seq_putc(m, '\n');
}

static int sas_show(struct seq_file *m, void *unused)
{
	const struct esp_ring_sa *sa;

	mutex_lock(&esp_ring_mutex);
	list_for_each_entry(sa, &esp_ring_sas, all)
		show_sa(m, sa);
	mutex_unlock(&esp_ring_mutex);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(sas);

static int refused_show(struct seq_file *m, void *unused)
{
	esp_ring_refused_show(m);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(refused);

/**
 * esp_ring_debugfs_init - make the files
 */
void esp_ring_debugfs_init(void)
{
	root = debugfs_create_dir("esp_ring", NULL);
	debugfs_create_file("engines", 0400, root, NULL, &engines_fops);
	debugfs_create_file("queues", 0400, root, NULL, &queues_fops);
	debugfs_create_file("ports", 0400, root, NULL, &ports_fops);
	debugfs_create_file("sas", 0400, root, NULL, &sas_fops);
	debugfs_create_file("refused", 0400, root, NULL, &refused_fops);
}

/**
 * esp_ring_debugfs_exit - remove them
 */
void esp_ring_debugfs_exit(void)
{
	debugfs_remove_recursive(root);
}
