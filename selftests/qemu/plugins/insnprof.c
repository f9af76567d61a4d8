/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TCG plugin: how many instructions were executed, by address.
 *
 *	-plugin insnprof.so,out=FILE[,from=ADDRESS][,on=1]
 *
 * Counts from address FROM on (default: the kernel's half) by translation
 * block, all the rest as one. Counting is between two marks that the guest
 * executes: instructions that do nothing, with a number in them.
 *
 *	MIPS	sltiu $0, $0, 0xe500 + n
 *	arm64	movz xzr, #0xe500 + n
 *
 * n = 1: count from here on. n = 2: stop, and write what was counted since to
 * FILE: a line "run N total user", then "address instructions" by address, with
 * those of each CPU behind it if there are several. fold.py makes functions of
 * it. Blocks that an exception leaves are counted as a whole.
 */
#include <glib.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <qemu-plugin.h>

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

#define MARK		0xe500
#define MARKS		16
#define MAX_CPUS	4

enum { START = 1, STOP };

struct block {
	uint64_t pc;
	unsigned int insns;
	struct qemu_plugin_scoreboard *count;
	/* for each CPU: where the count was when counting began */
	uint64_t base[MAX_CPUS];
	uint64_t now[MAX_CPUS];	/* executions in the interval */
	uint64_t sum;		/* of all CPUs */
};

static GHashTable *blocks;
static GMutex lock;
static FILE *out;
static uint64_t from;
static bool on, mips;
static unsigned int runs;

static qemu_plugin_u64 counter(struct block *b)
{
	return qemu_plugin_scoreboard_u64(b->count);
}

static unsigned int cpus(void)
{
	return MIN(qemu_plugin_num_vcpus(), MAX_CPUS);
}

/* Begin an interval, or end it, in every block */
static void interval(bool begin)
{
	GHashTableIter it;
	gpointer v;

	g_hash_table_iter_init(&it, blocks);
	while (g_hash_table_iter_next(&it, NULL, &v)) {
		struct block *b = v;

		b->sum = 0;
		for (unsigned int i = 0; i < cpus(); i++) {
			uint64_t now = qemu_plugin_u64_get(counter(b), i);

			if (begin)
				b->base[i] = now;
			b->now[i] = now - b->base[i];
			b->sum += b->now[i];
		}
	}
}

static gint by_pc(gconstpointer a, gconstpointer b)
{
	const struct block *x = a, *y = b;

	return x->pc < y->pc ? -1 : x->pc > y->pc;
}

static void dump(void)
{
	GList *all = g_list_sort(g_hash_table_get_values(blocks), by_pc);
	uint64_t total = 0, user = 0;

	for (GList *l = all; l; l = l->next) {
		struct block *b = l->data;

		total += b->sum * b->insns;
		if (b->pc < from)
			user += b->sum * b->insns;
	}
	fprintf(out, "run %u %" PRIu64 " %" PRIu64 "\n", ++runs, total, user);
	for (GList *l = all; l; l = l->next) {
		struct block *b = l->data;

		if (b->pc < from || !b->sum)
			continue;
		fprintf(out, "%" PRIx64 " %" PRIu64, b->pc, b->sum * b->insns);
		for (unsigned int i = 0; cpus() > 1 && i < cpus(); i++)
			fprintf(out, " %" PRIu64, b->now[i] * b->insns);
		fputc('\n', out);
	}
	fflush(out);
	g_list_free(all);
}

static void mark(unsigned int vcpu, void *data)
{
	g_mutex_lock(&lock);
	switch (GPOINTER_TO_UINT(data)) {
	case START:
		interval(true);
		on = true;
		break;
	case STOP:
		if (!on)
			break;
		interval(false);
		on = false;
		dump();
		break;
	}
	g_mutex_unlock(&lock);
}

/* The number in a mark, 0 if this is none */
static unsigned int mark_of(struct qemu_plugin_insn *insn)
{
	uint32_t word, n;

	if (qemu_plugin_insn_size(insn) != 4 ||
	    qemu_plugin_insn_data(insn, &word, 4) != 4)
		return 0;
	if (mips)
		n = word - (0x2c000000 | MARK);
	else
		n = (word - (0xd280001f | MARK << 5)) >> 5;
	if (!mips && (word & 0x1f) != 0x1f)
		return 0;
	return n < MARKS ? n : 0;
}

/* A block is translated again after a flush: the same address, the same count */
static struct block *block_of(uint64_t pc, unsigned int insns)
{
	uint64_t key = pc ^ (uint64_t)insns << 48;
	struct block *b;

	g_mutex_lock(&lock);
	b = g_hash_table_lookup(blocks, &key);
	if (!b) {
		uint64_t *k = g_new(uint64_t, 1);

		*k = key;
		b = g_new0(struct block, 1);
		b->pc = pc;
		b->insns = insns;
		b->count = qemu_plugin_scoreboard_new(sizeof(uint64_t));
		g_hash_table_insert(blocks, k, b);
	}
	g_mutex_unlock(&lock);
	return b;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t n = qemu_plugin_tb_n_insns(tb);
	struct block *b = block_of(qemu_plugin_tb_vaddr(tb), n);

	qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(tb,
		QEMU_PLUGIN_INLINE_ADD_U64, counter(b), 1);
	for (size_t i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		unsigned int m = mark_of(insn);

		if (m)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, mark,
				QEMU_PLUGIN_CB_NO_REGS, GUINT_TO_POINTER(m));
	}
}

static void at_exit(qemu_plugin_id_t id, void *data)
{
	if (on)
		mark(0, GUINT_TO_POINTER(STOP));
	fclose(out);
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id,
					   const qemu_info_t *info,
					   int argc, char **argv)
{
	const char *file = NULL;

	mips = g_str_has_prefix(info->target_name, "mips");
	from = mips ? 0x80000000 : 1ULL << 63;
	for (int i = 0; i < argc; i++) {
		if (g_str_has_prefix(argv[i], "out="))
			file = argv[i] + 4;
		else if (g_str_has_prefix(argv[i], "from="))
			from = g_ascii_strtoull(argv[i] + 5, NULL, 0);
		else if (!strcmp(argv[i], "on=1"))
			on = true;
		else
			goto usage;
	}
	if (!file)
		goto usage;
	out = fopen(file, "w");
	if (!out) {
		perror(file);
		return -1;
	}
	blocks = g_hash_table_new(g_int64_hash, g_int64_equal);
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	qemu_plugin_register_atexit_cb(id, at_exit, NULL);
	return 0;
usage:
	fprintf(stderr, "insnprof: out=FILE[,from=ADDRESS][,on=1]\n");
	return -1;
}
