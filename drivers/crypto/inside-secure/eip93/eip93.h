/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * EIP-93 engine of the ESP crypto ring: what its files share.
 *
 * One ring of commands and one of results serve both queues of the layer:
 *
 *   submit  ring.submit_lock  any CPU; descriptors, in order of submission
 *   drain   ring.result_lock  the queue whose NAPI comes first; tells each
 *				queue how many of its descriptors are done
 *   finish  queue.finish_lock that queue's NAPI, on the CPU of its admin's
 *				choice: cache maintenance, ICV, answer
 *
 * Of two of these locks none is taken inside another.
 */
#ifndef _ESP_RING_EIP93_H
#define _ESP_RING_EIP93_H

#include <linux/cache.h>
#include <linux/clk.h>
#include <linux/io.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/reset.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <net/esp_ring.h>

#include "regs.h"

#define EIP93_ESP_HDR		8
#define EIP93_ALIGN		4
/* Of one packet: ESN needs one for the cipher and one for the hash. */
#define EIP93_MAX_DESCS		2
#define EIP93_MAX_RECORDS	2
#define EIP93_ICV_MAX		16
#define EIP93_CIPHERS		4
#define EIP93_AUTHS		3
#define EIP93_MAX_ALGS		(EIP93_CIPHERS * EIP93_AUTHS)

struct eip93;

/**
 * struct eip93_sa - the layer's handle of an SA
 * @e: the device
 * @record: first of its records in &eip93.sa_pool
 * @nr_records: how many
 * @nr_descs: descriptors of a packet
 * @dir: direction
 * @head: bytes of ESP header and IV
 * @clear: of these, what the cipher leaves alone: without the IV, where that is
 *	encrypted too
 * @icv_len: bytes
 * @esn: hashed in a descriptor of its own, with the high word behind
 * @crypt: there is a cipher
 * @counter: counter mode: the IV is in a state record
 * @swap: the engine's digest are words in the CPU's order, the wire's is
 *	big-endian
 * @nonce: of the counter mode, as bytes
 * @crypt_dma: record that encrypts, or both in one
 * @hash_dma: record that hashes, with @esn
 */
struct eip93_sa {
	struct eip93 *e;
	unsigned int record;
	u8 nr_records;
	u8 nr_descs;
	u8 dir;
	u8 head;
	u8 clear;
	u8 icv_len;
	bool esn;
	bool crypt;
	bool counter;
	bool swap;
	u32 nonce;
	u32 crypt_dma;
	u32 hash_dma;
};

/**
 * struct eip93_req - a descriptor on its way
 * @pkt: whose; NULL: another one of the same packet follows
 * @sa: SA of @pkt
 * @data: ESP header as the engine sees it, on a multiple of 4
 * @dma: its bus address
 * @stat: &eip93_desc.ctrl of the result
 * @state: with ESN, the state record that gets the digest
 * @shift: how far @data is before &esp_ring_pkt.esp
 * @saved: what was in the @shift bytes
 * @icv: first word of an inbound ICV, where the high sequence number is now
 * @iv: of the counter mode
 */
struct eip93_req {
	struct esp_ring_pkt *pkt;
	const struct eip93_sa *sa;
	u8 *data;
	dma_addr_t dma;
	u32 stat;
	u16 state;
	u8 shift;
	u8 saved[EIP93_ALIGN - 1];
	u32 icv;
	u32 iv[2];
};

/**
 * struct eip93_queue - one direction
 * @q: the layer's; NULL until there is an SA
 * @req: descriptors on their way, at counter modulo @size
 * @size: of @req, a power of two
 * @share: of them that may be used: what keeps one direction from filling the
 *	ring that is the other's too
 * @head: submitted; the submitter's, written under ring.submit_lock
 * @unaligned: packets that had to be moved; the submitter's
 * @done: the engine is done with them; ring.result_lock
 * @finish_lock: protects what follows
 * @tail: finished, counts like @head and @done
 * @stat: errors of a packet's first descriptor
 * @packets: answered
 * @auth_errors: of those with a wrong ICV
 * @engine_errors: of those that the engine could not do
 * @last_error: word of the last of them
 */
struct eip93_queue {
	struct esp_ring_queue *q;
	struct eip93_req *req;
	unsigned int size;
	unsigned int share;

	unsigned int head ____cacheline_aligned_in_smp;
	unsigned long unaligned;

	unsigned int done ____cacheline_aligned_in_smp;

	spinlock_t finish_lock ____cacheline_aligned_in_smp;
	unsigned int tail;
	u32 stat;
	unsigned long packets;
	unsigned long auth_errors;
	unsigned long engine_errors;
	u32 last_error;
};

/**
 * enum eip93_run - what the ring does
 * @EIP93_STOPPED: nothing
 * @EIP93_TESTING: the self test's packets, not the layer's
 * @EIP93_DRAINING: finish what is under way, take nothing
 * @EIP93_RUNNING: all
 */
enum eip93_run {
	EIP93_STOPPED,
	EIP93_TESTING,
	EIP93_DRAINING,
	EIP93_RUNNING,
};

/**
 * struct eip93_ring - the rings of the hardware
 * @size: descriptors in each, a power of two
 * @cdr: commands
 * @rdr: results
 * @state: state records, one for each &eip93_queue.req of both directions, and one
 *	that stays zero
 * @cdr_dma: bus address of @cdr
 * @rdr_dma: bus address of @rdr
 * @state_dma: bus address of @state
 * @dir: direction of each descriptor
 * @run: &enum eip93_run; see eip93_ring_set_run()
 * @submit_lock: protects what follows
 * @head: descriptors written
 * @rung: descriptors that the engine was told of
 * @hurry: @head after the last descriptor that was urgent
 * @doorbells: writes of CD_COUNT
 * @result_lock: protects what follows
 * @tail: results taken, counts like @head
 * @acks: writes of RD_COUNT
 * @high_water: most descriptors at once that were seen when results are taken
 * @thresh: what the interrupt's threshold is set to
 * @timed: and the timeout to @window_exp
 * @thresh_writes: how often it was changed
 * @missed: results were taken that no interrupt had told of
 * @window_exp: timeout that results may wait for others, as the register has it
 * @window: the same in ns, as measured; 0: the engine has no such timeout
 * @pass_tail: @tail after the last pass
 * @pass_at: ns, the low 32 bits, when that was
 * @gap: ns from result to result of late
 * @patience: results that are worth waiting for, in quarters
 * @pollers: bit for each queue whose NAPI polls; atomic bit operations
 * @masked: the interrupt is; set by its handler
 */
struct eip93_ring {
	unsigned int size;
	struct eip93_desc *cdr;
	struct eip93_desc *rdr;
	struct eip93_state *state;
	dma_addr_t cdr_dma;
	dma_addr_t rdr_dma;
	dma_addr_t state_dma;
	u8 *dir;
	enum eip93_run run;

	spinlock_t submit_lock ____cacheline_aligned_in_smp;
	unsigned int head;
	unsigned int rung;
	unsigned int hurry;
	unsigned long doorbells;

	spinlock_t result_lock ____cacheline_aligned_in_smp;
	unsigned int tail;
	unsigned long acks;
	unsigned int high_water;
	unsigned int thresh;
	bool timed;
	unsigned long thresh_writes;
	bool missed;
	unsigned int window_exp;
	u32 window;
	unsigned int pass_tail;
	u32 pass_at;
	u32 gap;
	unsigned int patience;

	unsigned long pollers;
	bool masked;
};

/**
 * struct eip93_counts - per CPU
 * @reads: of registers
 * @writes: of registers
 * @interrupts: with a result
 * @spurious: others
 */
struct eip93_counts {
	unsigned long reads;
	unsigned long writes;
	unsigned long interrupts;
	unsigned long spurious;
};

/**
 * struct eip93 - a device
 * @dev: the device
 * @base: registers
 * @irq: interrupt
 * @clks: clocks, @nr_clks of them, often none
 * @nr_clks: how many
 * @reset: reset line, or NULL
 * @options: OPTION_1
 * @nonce: CBC begins with the IV, which is a nonce: %ESP_RING_CAP_CBC_NONCE
 * @name: of the engine
 * @index: of @name
 * @engine: the layer's; set by the first sa_add at the latest
 * @ring: the rings
 * @queue: both directions
 * @life_lock: one at a time stops, starts, suspends or resumes it
 * @suspended: its clocks are off; @life_lock
 * @sa_pool: SA records in memory that both see without cache maintenance
 * @sa_pool_dma: bus address of @sa_pool
 * @nr_records: in @sa_pool
 * @sa_used: which of them are in use; @sa_lock
 * @sa_lock: protects @sa_used
 * @algs: what is offered, @nr_algs rows
 * @nr_algs: how many
 * @resets: starts of the hardware
 * @counts: counters
 * @debugfs: directory
 */
struct eip93 {
	struct device *dev;
	void __iomem *base;
	int irq;
	struct clk_bulk_data *clks;
	int nr_clks;
	struct reset_control *reset;
	u32 options;
	bool nonce;
	char name[24];
	int index;
	struct esp_ring_engine *engine;
	struct eip93_ring ring;
	struct eip93_queue queue[ESP_RING_NR_DIRS];
	struct mutex life_lock; /* @suspended */
	bool suspended;
	struct eip93_sa_record *sa_pool;
	dma_addr_t sa_pool_dma;
	unsigned int nr_records;
	unsigned long *sa_used;
	struct mutex sa_lock; /* @sa_used */
	struct esp_ring_alg algs[EIP93_MAX_ALGS];
	unsigned int nr_algs;
	unsigned int resets;
	struct eip93_counts __percpu *counts;
	struct dentry *debugfs;
};

static inline u32 eip93_read(struct eip93 *e, unsigned int reg)
{
	this_cpu_inc(e->counts->reads);
	return readl(e->base + reg);
}

static inline void eip93_write(struct eip93 *e, unsigned int reg, u32 val)
{
	this_cpu_inc(e->counts->writes);
	writel(val, e->base + reg);
}

/* Not before the layer knows of it: the self test has no engine to give up. */
static inline void eip93_fail(struct eip93 *e, const char *why)
{
	if (READ_ONCE(e->engine))
		esp_ring_engine_fail(e->engine, why);
}

/* hw.c */
int eip93_hw_get(struct eip93 *e);
int eip93_hw_start(struct eip93 *e);
void eip93_hw_stop(struct eip93 *e);
int eip93_hw_clocks_on(struct eip93 *e);
void eip93_hw_clocks_off(struct eip93 *e);

/* ring.c */
int eip93_ring_init(struct eip93 *e, unsigned int size);
void eip93_ring_set_run(struct eip93 *e, enum eip93_run run);
void eip93_ring_add(struct eip93 *e, struct eip93_queue *eq,
		    struct eip93_req *req);
void eip93_ring_doorbell(struct eip93 *e);
unsigned int eip93_ring_drain(struct eip93 *e);
bool eip93_ring_has_result(const struct eip93 *e);
void eip93_ring_forget(struct eip93 *e, bool answer);

/* irq.c */
int eip93_irq_get(struct eip93 *e);
void eip93_irq_on(struct eip93 *e);
void eip93_irq_off(struct eip93 *e);
void eip93_irq_reset_thresh(struct eip93 *e);
void eip93_irq_hurry(struct eip93 *e);
int eip93_irq_find_window(struct eip93 *e);
bool eip93_arm(struct esp_ring_queue *q);

/* sa.c */
int eip93_sa_init(struct eip93 *e, unsigned int nr_sas);
struct eip93_sa *eip93_sa_new(struct eip93 *e,
			      const struct esp_ring_sa_params *params,
			      struct netlink_ext_ack *extack);
void eip93_sa_free(struct eip93 *e, struct eip93_sa *sa);

/* pkt.c */
int eip93_pkt_submit(struct eip93 *e, struct esp_ring_pkt *pkt,
		     enum eip93_run run);
int eip93_pkt_finish(struct eip93 *e, struct eip93_queue *eq,
		     struct esp_ring_queue *q, int budget, int *err);
void eip93_pkt_unmap(struct eip93 *e, const struct eip93_req *req);
int eip93_submit(struct esp_ring_queue *q, struct esp_ring_pkt *pkt);
void eip93_doorbell(struct esp_ring_queue *q);
int eip93_poll(struct esp_ring_queue *q, int budget);

/* caps.c */
extern const char * const eip93_cipher_names[];
extern const char * const eip93_auth_names[];
int eip93_caps_find(struct eip93 *e, bool legacy);

/* selftest.c */
int eip93_selftest(struct eip93 *e, const struct esp_ring_alg *alg,
		   unsigned int key_len, unsigned int icv_len, bool esn);
int eip93_selftest_timeout(struct eip93 *e, unsigned int exp);

/* debugfs.c */
void eip93_debugfs_add(struct eip93 *e);
void eip93_debugfs_del(struct eip93 *e);
void eip93_debugfs_init(void);
void eip93_debugfs_exit(void);

#endif /* _ESP_RING_EIP93_H */
