/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the layer know of each other. Grouped by the file that has
 * the functions; locks are named at the members that they protect.
 *
 * Locks, outermost first:
 *   net->xfrm.xfrm_cfg_mutex	the core's, around state_add
 *   rtnl			ports come and go
 *   esp_ring_mutex		engines, which SA is on which engine
 *   x->lock			the core's, around state_delete; BH off
 *   queue->lock		one queue's slots, lists and counters; BH off. Two
 *				at once only in rebind.c, under esp_ring_mutex.
 */
#ifndef _ESP_RING_INTERNAL_H
#define _ESP_RING_INTERNAL_H

#include <linux/crypto.h>
#include <linux/dynamic_queue_limits.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <linux/rcupdate.h>
#include <linux/seq_file.h>
#include <linux/smp.h>
#include <linux/u64_stats_sync.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <net/esp_ring.h>
#include <net/xfrm.h>

#include "slot.h"

#define ESP_RING_NAME_LEN	32
#define ESP_RING_IV_MAX		16
#define ESP_RING_NR_PRIOS	2
#define ESP_RING_PRIO_HIGH	0
#define ESP_RING_PRIO_LOW	1
/* Engines that a device tree may name for a port: dts/schemas/net/esp-engine.yaml */
#define ESP_RING_MAX_BESIDE	4
/* Packets taken from the high list in a row while the low list waits. */
#define ESP_RING_HIGH_BURST	16

/**
 * enum esp_ring_drop - why a packet was dropped; each has a counter
 * @ESP_RING_DROP_FULL: the queue's limit in bytes or in slots
 * @ESP_RING_DROP_NOMEM: no memory to make the packet linear or private
 * @ESP_RING_DROP_LENGTH: shorter than header, IV and ICV, not whole blocks, or
 *	longer than the engine takes
 * @ESP_RING_DROP_ICV: the ICV does not match
 * @ESP_RING_DROP_ENGINE: the engine reported another error, or failed with it
 * @ESP_RING_DROP_REBIND: waiting while its SA had to leave an engine, and the
 *	next one had no room
 * @ESP_RING_DROP_TRAILER: decrypted, but the ESP trailer is wrong
 * @ESP_RING_NR_DROPS: number of reasons
 */
enum esp_ring_drop {
	ESP_RING_DROP_FULL,
	ESP_RING_DROP_NOMEM,
	ESP_RING_DROP_LENGTH,
	ESP_RING_DROP_ICV,
	ESP_RING_DROP_ENGINE,
	ESP_RING_DROP_REBIND,
	ESP_RING_DROP_TRAILER,
	ESP_RING_NR_DROPS,
};

/**
 * struct esp_ring_counts - per-CPU counters of an SA or of a queue
 * @packets: completed without error
 * @bytes: their length from ESP header through ICV
 * @drops: by reason
 * @linearised: skbs that had page fragments or a fragment list
 * @uncloned: skbs whose data was shared
 * @expanded: skbs whose buffer had no room for all of them and the trailer
 * @software: packets of an offloaded SA that ran in software, no engine being
 *	there
 * @syncp: for 32-bit readers
 */
struct esp_ring_counts {
	u64_stats_t packets;
	u64_stats_t bytes;
	u64_stats_t drops[ESP_RING_NR_DROPS];
	u64_stats_t linearised;
	u64_stats_t uncloned;
	u64_stats_t expanded;
	u64_stats_t software;
	struct u64_stats_sync syncp;
};

/**
 * struct esp_ring_totals - sum of &struct esp_ring_counts over all CPUs
 * @packets: as there
 * @bytes: as there
 * @drops: as there
 * @linearised: as there
 * @uncloned: as there
 * @expanded: as there
 * @software: as there
 */
struct esp_ring_totals {
	u64 packets;
	u64 bytes;
	u64 drops[ESP_RING_NR_DROPS];
	u64 linearised;
	u64 uncloned;
	u64 expanded;
	u64 software;
};

/**
 * struct esp_ring_done - a packet between reaping and finishing
 * @skb: the packet
 * @sa: its SA, with a reference
 * @len: bytes from ESP header through ICV
 * @err: the engine's answer
 */
struct esp_ring_done {
	struct sk_buff *skb;
	struct esp_ring_sa *sa;
	u32 len;
	int err;
};

/**
 * enum esp_ring_qstate - what a queue does with packets
 * @ESP_RING_Q_RUNNING: take them and feed the engine
 * @ESP_RING_Q_HOLDING: take them, feed nothing: its engine is being emptied
 */
enum esp_ring_qstate {
	ESP_RING_Q_RUNNING,
	ESP_RING_Q_HOLDING,
};

/**
 * struct esp_ring_qstats - a queue's own counters, under its lock
 * @doorbells: calls of the engine's doorbell
 * @completions: answers that were taken
 * @refused: of packets that the engine did not take, and not because it was busy
 * @passes: NAPI polls
 * @busy: submissions that the engine put off
 * @high_water: most packets at once, waiting and in the engine, that were seen
 *	by a pass
 */
struct esp_ring_qstats {
	u64 doorbells;
	u64 completions;
	u64 refused;
	u64 passes;
	u64 busy;
	u32 high_water;
};

/**
 * struct esp_ring_queue - one direction of one engine
 * @engine: owner
 * @dir: direction
 * @lock: protects what follows, up to @napi
 * @state: &enum esp_ring_qstate
 * @slots: all slots, allocated at registration
 * @pkt_priv: the engine's memory for each of them
 * @nr_slots: how many
 * @free: slots without a packet
 * @backlog: packets that wait for the engine, one list for each priority
 * @backlog_bytes: bytes on each of them
 * @backlog_len: packets on each of them
 * @high_run: packets taken from the high list since the low one was served
 * @inflight: packets that the engine has, in order of submission, one list for
 *	each priority: an urgent one's answer is not kept behind the others'
 * @inflight_len: packets on both
 * @urgent_bytes: bytes of the urgent ones
 * @unrung: submitted since the last doorbell
 * @active: jiffies when packets were last taken out
 * @dql: limit of the bytes in the engine
 * @load: bytes that were offered in about the last second; see choose.c
 * @load_at: jiffies when @load was that
 * @stats: counters
 * @napi: finishes packets; on a device of the engine
 * @done: one pass of @napi, used by it alone
 * @csd: runs @napi on @cpu or @home
 * @cpu: CPU of completion, the admin's choice; -1 for the engine's own
 * @home: CPU of completion otherwise, for an engine that does not poll; written
 *	under @lock
 * @ran_on: CPU where @napi ran last; -1 before
 * @watchdog: looks at the oldest packet in the engine while there is any
 * @watchdog_on: @watchdog is queued; under @lock
 * @asked_for: cookie of the packet in the engine that @watchdog found old, or
 *	%ESP_RING_COOKIE_NONE; under @lock
 * @asked_pass: passes of @napi when it first did; under @lock
 * @idle: woken when the engine has none
 * @nr_sas: SAs bound here that have not been deleted; under @lock
 * @last_chosen: number of the choice that brought the last; esp_ring_mutex
 * @counts: per-CPU counters
 * @interrupts: per-CPU, as the engine counts them
 * @spurious: answers for no packet: late, or given twice
 */
struct esp_ring_queue {
	struct esp_ring_engine *engine;
	enum esp_ring_dir dir;

	/* Protects what follows, up to @napi. */
	spinlock_t lock;
	enum esp_ring_qstate state;
	struct esp_ring_slot *slots;
	void *pkt_priv;
	unsigned int nr_slots;
	struct list_head free;
	struct list_head backlog[ESP_RING_NR_PRIOS];
	u32 backlog_bytes[ESP_RING_NR_PRIOS];
	u32 backlog_len[ESP_RING_NR_PRIOS];
	u32 high_run;
	struct list_head inflight[ESP_RING_NR_PRIOS];
	u32 inflight_len;
	u32 urgent_bytes;
	u32 unrung;
	unsigned long active;
	struct dql dql;
	u64 load;
	unsigned long load_at;
	unsigned int nr_sas;
	struct esp_ring_qstats stats;
	bool watchdog_on;
	u32 asked_for;
	u64 asked_pass;

	struct napi_struct napi;
	struct esp_ring_done done[NAPI_POLL_WEIGHT];
	call_single_data_t csd;
	int cpu;
	int home;
	int ran_on;
	struct delayed_work watchdog;
	wait_queue_head_t idle;
	u64 last_chosen;
	struct esp_ring_counts __percpu *counts;
	u64 __percpu *interrupts;
	atomic_t spurious;
};

/**
 * esp_ring_slot_release - make a slot free
 * @q: the queue; its lock is held, BH off
 * @slot: without packet, SA reference taken over by the caller
 */
static inline void esp_ring_slot_release(struct esp_ring_queue *q,
					 struct esp_ring_slot *slot)
{
	slot->skb = NULL;
	slot->sa = NULL;
	/* The last used is the first to be used again: it is in the cache. */
	list_move(&slot->list, &q->free);
}

/**
 * enum esp_ring_estate - life of an engine
 * @ESP_RING_ENGINE_RUNNING: takes SAs and packets
 * @ESP_RING_ENGINE_LEAVING: being unregistered
 * @ESP_RING_ENGINE_FAILED: given up after a failure; its SAs have gone elsewhere
 */
enum esp_ring_estate {
	ESP_RING_ENGINE_RUNNING,
	ESP_RING_ENGINE_LEAVING,
	ESP_RING_ENGINE_FAILED,
};

/**
 * struct esp_ring_engine - a registered engine
 * @name: unique
 * @index: of a bit in sets of engines
 * @ops: the engine's functions
 * @caps: what it can do
 * @rating: see &struct esp_ring_engine_desc
 * @batch: packets for a doorbell
 * @timeout: of a packet in the engine, in jiffies
 * @fwnode: of its device, or NULL
 * @priv: the engine's
 * @list: on the list of engines; esp_ring_mutex
 * @state: &enum esp_ring_estate; esp_ring_mutex
 * @sas: SAs bound to it; esp_ring_mutex
 * @nr_sas: SAs that it holds, those included that are bound no more but have
 *	packets in it; @gone is woken when one goes
 * @gone: waits for @nr_sas to become 0
 * @queues: encrypt and decrypt
 * @napi_dev: what NAPI needs
 * @fail_work: recovery, see engine.c
 * @fail_why: for the log; set once until recovered
 * @failures: since registration; esp_ring_mutex
 * @rebinds: SAs that had to leave; esp_ring_mutex
 * @restarts: restarts since @restart_epoch
 * @restart_epoch: jiffies; more than a few restarts in a minute end it
 */
struct esp_ring_engine {
	char name[ESP_RING_NAME_LEN];
	unsigned int index;
	const struct esp_ring_engine_ops *ops;
	struct esp_ring_caps caps;
	int rating;
	unsigned int batch;
	unsigned long timeout;
	const struct fwnode_handle *fwnode;
	void *priv;
	struct list_head list;
	enum esp_ring_estate state;
	struct list_head sas;
	atomic_t nr_sas;
	wait_queue_head_t gone;
	struct esp_ring_queue queues[ESP_RING_NR_DIRS];
	struct net_device *napi_dev;
	struct work_struct fail_work;
	const char *fail_why;
	unsigned int failures;
	unsigned int rebinds;
	unsigned int restarts;
	unsigned long restart_epoch;
};

/**
 * struct esp_ring_port - a net_device that advertises ESP offload
 * @dev: the device; valid while the port is on the list
 * @list: on the list of ports; port_lock
 * @ref: the list and each SA hold one
 * @selected: it advertises the feature, on or off; RTNL
 * @name: last name of the device, for what is shown after it has gone
 * @fix_ops: copy of the device's own operations with our ndo_fix_features, for
 *	drivers that mask features they do not know; NULL for others
 * @past: counters of SAs that have gone; under port_lock
 */
struct esp_ring_port {
	struct net_device *dev;
	struct list_head list;
	struct kref ref;
	bool selected;
	char name[IFNAMSIZ];
	struct esp_ring_fix_ops *fix_ops;
	struct esp_ring_totals past[ESP_RING_NR_DIRS];
};

/**
 * struct esp_ring_beside - the engines beside a port, by the device tree
 * @nodes: in order of preference, with references
 * @nr: how many
 * @named: by the property esp-engine; otherwise the only one that the SoC has
 * @glue: name of who knows the port's Ethernet controller, or empty
 */
struct esp_ring_beside {
	struct fwnode_handle *nodes[ESP_RING_MAX_BESIDE];
	unsigned int nr;
	bool named;
	char glue[ESP_RING_NAME_LEN];
};

/**
 * struct esp_ring_sa - an offloaded SA
 * @ref: xfrm_state and each packet on its way hold one
 * @params: what engines see; the keys are our copy
 * @cipher_name: what @params points to
 * @auth_name: likewise
 * @salt: of the kernel's seqiv, so that our IVs continue its sequence; of what
 *	is a nonce for CBC otherwise
 * @seqiv: IV is the sequence number; otherwise nobody can predict it
 * @prio: %ESP_RING_PRIO_HIGH or %ESP_RING_PRIO_LOW
 * @align: what the ciphertext is padded to, in bytes
 * @queue: where its packets go; NULL: software. Written under the lock of the
 *	queue that it leaves and of that which it gets.
 * @leaving: deleted, and not counted in &esp_ring_queue.nr_sas any more; under
 *	the same lock
 * @engine_priv: the engine's handle; changes with @queue
 * @engine: bound to, or NULL; esp_ring_mutex
 * @holder: the engine that @engine_priv is of; outlives the binding until the
 *	last packet has left
 * @engine_list: on @engine's list, or that of the SAs without one; esp_ring_mutex
 * @all: on the list of all SAs; esp_ring_mutex
 * @port: the port that it came from
 * @beside: the engines beside the port when it came
 * @daddr: destination, for what is shown
 * @saddr: source, likewise
 * @reqid: likewise
 * @rebinds: how often it changed the engine
 * @counts: per-CPU counters
 * @release: frees it, in process context
 * @rcu: readers find it through xfrm_state
 */
struct esp_ring_sa {
	refcount_t ref;
	struct esp_ring_sa_params params;
	char cipher_name[CRYPTO_MAX_ALG_NAME];
	char auth_name[CRYPTO_MAX_ALG_NAME];
	__be64 salt;
	bool seqiv;
	u8 prio;
	u8 align;
	struct esp_ring_queue __rcu *queue;
	bool leaving;
	void *engine_priv;
	struct esp_ring_engine *engine;
	struct esp_ring_engine *holder;
	struct list_head engine_list;
	struct list_head all;
	struct esp_ring_port *port;
	struct esp_ring_beside beside;
	xfrm_address_t daddr;
	xfrm_address_t saddr;
	u32 reqid;
	unsigned int rebinds;
	struct esp_ring_counts __percpu *counts;
	struct work_struct release;
	struct rcu_head rcu;
};

extern struct mutex esp_ring_mutex;
extern struct workqueue_struct *esp_ring_wq;
extern struct list_head esp_ring_engines;
extern struct list_head esp_ring_sas;
extern struct list_head esp_ring_orphans;
extern const char * const esp_ring_drop_names[ESP_RING_NR_DROPS];

/* port.c */
int esp_ring_ports_init(void);
void esp_ring_ports_exit(void);
struct esp_ring_port *esp_ring_port_get(const struct net_device *dev);
void esp_ring_port_put(struct esp_ring_port *port);
void esp_ring_port_retire(struct esp_ring_port *port, enum esp_ring_dir dir,
			  const struct esp_ring_totals *totals);
void esp_ring_port_past(struct esp_ring_port *port, enum esp_ring_dir dir,
			struct esp_ring_totals *totals);
void esp_ring_ports_walk(void (*fn)(struct esp_ring_port *port, void *arg),
			 void *arg);

/* glue.c */
void esp_ring_beside_get(struct esp_ring_beside *beside, struct net_device *dev);
void esp_ring_beside_put(struct esp_ring_beside *beside);
unsigned int esp_ring_beside_rank(const struct esp_ring_beside *beside,
				  const struct esp_ring_engine *engine);

/* xfrm.c */
extern const struct xfrmdev_ops esp_ring_xfrmdev_ops;
const struct xfrm_type *esp_ring_stack_type(const struct xfrm_state *x);

static inline struct esp_ring_sa *esp_ring_state_sa(const struct xfrm_state *x)
{
	return (struct esp_ring_sa *)READ_ONCE(x->xso.offload_handle);
}

/* sa.c */
struct esp_ring_sa *esp_ring_sa_create(struct xfrm_state *x,
				       struct esp_ring_port *port,
				       struct netlink_ext_ack *extack);
void esp_ring_sa_put_many(struct esp_ring_sa *sa, unsigned int n);

static inline void esp_ring_sa_put(struct esp_ring_sa *sa)
{
	esp_ring_sa_put_many(sa, 1);
}

/* esp.c */
int esp_ring_input(struct xfrm_state *x, struct sk_buff *skb);
int esp_ring_output(struct xfrm_state *x, struct sk_buff *skb);
void esp_ring_esp_software_resume(struct esp_ring_sa *sa, struct sk_buff *skb,
				  const struct esp_ring_pkt *pkt);
void esp_ring_esp_finish(struct esp_ring_sa *sa, const struct esp_ring_done *done,
			 int n);

/* One that no engine has touched, to be dropped by the stack. */
static inline void esp_ring_esp_drop(struct esp_ring_sa *sa, struct sk_buff *skb)
{
	const struct esp_ring_done done = { .skb = skb, .err = -EIO };

	esp_ring_esp_finish(sa, &done, 1);
}

void esp_ring_esp_no_nonce(const struct esp_ring_sa *sa,
			   const struct esp_ring_pkt *pkt);

/* queue.c */
int esp_ring_queue_init(struct esp_ring_queue *q, struct esp_ring_engine *engine,
			enum esp_ring_dir dir,
			const struct esp_ring_engine_desc *desc);
void esp_ring_queue_destroy(struct esp_ring_queue *q);
void esp_ring_queue_settle(struct esp_ring_queue *q,
			   const struct esp_ring_queue *from);
int esp_ring_enqueue(struct esp_ring_sa *sa, struct sk_buff *skb,
		     const struct esp_ring_pkt *pkt);
bool esp_ring_slot_take(struct esp_ring_queue *q, struct esp_ring_sa *sa,
			struct sk_buff *skb, const struct esp_ring_pkt *pkt,
			ktime_t queued);
void esp_ring_feed(struct esp_ring_queue *q, bool ring);
void esp_ring_queue_hold(struct esp_ring_queue *q);
void esp_ring_queue_run(struct esp_ring_queue *q);
void esp_ring_queue_abort(struct esp_ring_queue *q);
void esp_ring_queue_purge(struct esp_ring_queue *q);
void esp_ring_queue_wait_done(struct esp_ring_queue *q);
bool esp_ring_queue_wait_idle(struct esp_ring_queue *q, unsigned long timeout);

/* complete.c */
int esp_ring_napi_poll(struct napi_struct *napi, int budget);
void esp_ring_csd(void *info);
void esp_ring_schedule_again(struct esp_ring_queue *q);

/* watchdog.c */
void esp_ring_watchdog(struct work_struct *work);
void esp_ring_watchdog_arm(struct esp_ring_queue *q);

/* engine.c */
const char *esp_ring_engine_state_name(const struct esp_ring_engine *engine);
void esp_ring_engine_set_cpus(void);
void esp_ring_engine_put_sa(struct esp_ring_engine *engine);
void esp_ring_engine_sa_gone(struct esp_ring_engine *engine, void *priv);
void esp_ring_engine_fail_work(struct work_struct *work);

/* choose.c */
void esp_ring_queue_forget(struct esp_ring_queue *q, unsigned long elapsed);

/**
 * esp_ring_queue_load - what a queue was offered of late
 * @q: the queue; its lock is held
 * @more: bytes that are offered to it now
 *
 * What waits at one moment says little: senders make bursts. This sum forgets
 * half of itself in about a second.
 *
 * Return: bytes.
 */
static inline u64 esp_ring_queue_load(struct esp_ring_queue *q, unsigned int more)
{
	unsigned long elapsed = jiffies - q->load_at;

	if (unlikely(elapsed))
		esp_ring_queue_forget(q, elapsed);
	q->load += more;
	return q->load;
}

struct esp_ring_engine *esp_ring_choose(const struct esp_ring_sa *sa, u64 tried,
					const char **why);

/* rules.c */
u8 esp_ring_rule_prio(const struct xfrm_state *x);
bool esp_ring_rule_engine(const char *port, char *engine);
int esp_ring_rule_cpu(const char *engine, enum esp_ring_dir dir);

/* rebind.c */
int esp_ring_bind(struct esp_ring_sa *sa, struct netlink_ext_ack *extack);
void esp_ring_leave(struct esp_ring_sa *sa);
void esp_ring_unbind(struct esp_ring_sa *sa);
void esp_ring_rebind_all(struct esp_ring_engine *engine);
void esp_ring_adopt_orphans(void);

/* stats.c */
void esp_ring_count_packets(struct esp_ring_sa *sa, struct esp_ring_queue *q,
			    unsigned int packets, unsigned int bytes);
void esp_ring_count_drop(struct esp_ring_sa *sa, struct esp_ring_queue *q,
			 enum esp_ring_drop why);
void esp_ring_count_one(struct esp_ring_sa *sa, size_t member);
void esp_ring_totals_add(struct esp_ring_totals *to,
			 const struct esp_ring_totals *from);
void esp_ring_sum(struct esp_ring_totals *sum,
		  const struct esp_ring_counts __percpu *counts);

#define esp_ring_count(sa, member)					\
	esp_ring_count_one(sa, offsetof(struct esp_ring_counts, member))

/* refused.c */
void esp_ring_refused_note(const struct net_device *dev,
			   const struct xfrm_state *x, int err, const char *why);
void esp_ring_refused_show(struct seq_file *m);

/* debugfs.c */
void esp_ring_debugfs_init(void);
void esp_ring_debugfs_exit(void);

#endif /* _ESP_RING_INTERNAL_H */
