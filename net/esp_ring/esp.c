// SPDX-License-Identifier: GPL-2.0-only
/*
 * The packet in place: what RFC 4303 puts around the payload before an engine
 * gets it, and what the stack wants when it comes back.
 */
#include <linux/local_lock.h>
#include <linux/skbuff.h>
#include <linux/percpu.h>
#include <linux/random.h>
#include <net/esp.h>
#include <net/ip6_checksum.h>
#include <net/udp.h>

#include "compat.h"
#include "internal.h"
#include "trace.h"

/*
 * esp4 and esp6 keep a pointer behind xfrm's control block that
 * esp_input_done2() frees; the layout is private to them.
 */
struct esp_ring_skb_cb {
	struct xfrm_skb_cb xfrm;
	void *tmp;
};

/* One call of the random generator for several IVs: it costs much per call. */
struct esp_ring_iv_pool {
	local_lock_t lock;
	u8 bytes[16 * ESP_RING_IV_MAX];
	unsigned int left;
};

static DEFINE_PER_CPU(struct esp_ring_iv_pool, iv_pool) = {
	.lock = INIT_LOCAL_LOCK(lock),
};

/* BH off, which alone keeps nobody away on PREEMPT_RT. */
static void random_iv(u8 *iv, unsigned int len)
{
	struct esp_ring_iv_pool *pool;

	local_lock(&iv_pool.lock);
	pool = this_cpu_ptr(&iv_pool);
	if (pool->left < len) {
		get_random_bytes(pool->bytes, sizeof(pool->bytes));
		pool->left = sizeof(pool->bytes);
	}
	pool->left -= len;
	memcpy(iv, pool->bytes + pool->left, len);
	memzero_explicit(pool->bytes + pool->left, len);
	local_unlock(&iv_pool.lock);
}

/* Whether the engine that the SA is on now makes an IV of a nonce. */
static bool wants_nonce(const struct esp_ring_sa *sa)
{
	const struct esp_ring_queue *q = rcu_dereference(sa->queue);

	return !sa->seqiv && sa->params.iv_len && q &&
	       q->engine->caps.flags & ESP_RING_CAP_CBC_NONCE;
}

/*
 * A counter mode must never see one IV twice under one key. The kernel's seqiv
 * makes it of the sequence number and a salt; ours is the same function of the
 * same salt, so that packets of the SA may run here or in software in any order.
 * The same is good for what must only never come twice: the nonce of a CBC mode.
 */
static void write_iv(const struct esp_ring_sa *sa, struct sk_buff *skb,
		     struct esp_ring_pkt *pkt)
{
	u8 *iv = pkt->esp + sizeof(struct ip_esp_hdr);
	u8 len = sa->params.iv_len;
	__be64 seq;

	pkt->nonce = wants_nonce(sa);
	if (!sa->seqiv && !pkt->nonce) {
		random_iv(iv, len);
		return;
	}

	seq = cpu_to_be64(XFRM_SKB_CB(skb)->seq.output.low |
			  (u64)XFRM_SKB_CB(skb)->seq.output.hi << 32);
	seq ^= sa->salt;
	memcpy(iv, &seq, sizeof(seq));
	memset(iv + sizeof(seq), 0, len - sizeof(seq));
}

/**
 * esp_ring_esp_no_nonce - an IV for a packet that goes to another engine
 * @sa: the SA
 * @pkt: the packet, with a nonce, and no engine has touched it
 *
 * BH off.
 */
void esp_ring_esp_no_nonce(const struct esp_ring_sa *sa,
			   const struct esp_ring_pkt *pkt)
{
	random_iv(pkt->esp + sizeof(struct ip_esp_hdr), sa->params.iv_len);
}

/* Whether it is one linear piece that nobody else reads, with room behind it. */
static bool is_private(const struct sk_buff *skb, int room)
{
	return !skb_is_nonlinear(skb) && !skb_cloned(skb) &&
	       room <= skb_tailroom(skb);
}

/* Make it so. The three exceptions are counted: they cost an allocation and a copy. */
static int make_private(struct esp_ring_sa *sa, struct sk_buff *skb, int room)
{
	int more = (int)(skb->data_len + room) - (int)(skb->end - skb->tail);

	if (skb_is_nonlinear(skb))
		esp_ring_count(sa, linearised);
	if (skb_cloned(skb))
		esp_ring_count(sa, uncloned);
	if (more > 0)
		esp_ring_count(sa, expanded);

	more = max(more, 0);
	if ((more || skb_cloned(skb)) &&
	    pskb_expand_head(skb, 0, more, GFP_ATOMIC))
		return -ENOMEM;

	return skb_linearize(skb);
}

static int output_head(struct xfrm_state *x, struct sk_buff *skb,
		       struct esp_info *esp)
{
#if IS_ENABLED(CONFIG_INET6_ESP)
	if (x->props.family == AF_INET6)
		return esp6_output_head(x, skb, esp);
#endif
	return esp_output_head(x, skb, esp);
}

/*
 * Lay out a packet for encryption; @pkt is filled in. Before, skb's data is the
 * payload, as xfrm_type.output gets it; on return it is the outer IP header. BH off.
 */
static int lay_out_output(struct esp_ring_sa *sa, struct xfrm_state *x,
			  struct sk_buff *skb, struct esp_ring_pkt *pkt)
{
	const struct esp_ring_sa_params *p = &sa->params;
	struct esp_info esp = { .inplace = true };

	esp.clen = ALIGN(skb->len + 2, sa->align);
	esp.plen = esp.clen - skb->len;
	esp.tailen = esp.plen + p->icv_len;

	if (unlikely(!is_private(skb, esp.tailen)) &&
	    make_private(sa, skb, esp.tailen)) {
		esp_ring_count_drop(sa, NULL, ESP_RING_DROP_NOMEM);
		return -ENOMEM;
	}

	esp.proto = *skb_mac_header(skb);
	*skb_mac_header(skb) = IPPROTO_ESP;
	esp.esph = ip_esp_hdr(skb);
	esp.nfrags = output_head(x, skb, &esp);
	if (esp.nfrags < 0)
		return esp.nfrags;

	esp.esph->spi = x->id.spi;
	esp.esph->seq_no = htonl(XFRM_SKB_CB(skb)->seq.output.low);
	pkt->esp = (u8 *)esp.esph;
	write_iv(sa, skb, pkt);
	skb_push(skb, -skb_network_offset(skb));

	pkt->len = sizeof(*esp.esph) + p->iv_len + esp.clen + p->icv_len;
	pkt->seq_hi = p->esn ? htonl(XFRM_SKB_CB(skb)->seq.output.hi) : 0;
	return 0;
}

/* Check and lay out a packet for decryption: skb's data is the ESP header. */
static int lay_out_input(struct esp_ring_sa *sa, struct sk_buff *skb,
			 struct esp_ring_pkt *pkt)
{
	const struct esp_ring_sa_params *p = &sa->params;
	int head = sizeof(struct ip_esp_hdr) + p->iv_len;
	int clen = (int)skb->len - head - p->icv_len;

	/* At least pad length and next header, and whole blocks of the cipher, which
	 * are of a power of two bytes.
	 */
	if (clen < 2 || clen & (p->block_len - 1)) {
		esp_ring_count_drop(sa, NULL, ESP_RING_DROP_LENGTH);
		return -EINVAL;
	}
	if (unlikely(!is_private(skb, 0)) && make_private(sa, skb, 0)) {
		esp_ring_count_drop(sa, NULL, ESP_RING_DROP_NOMEM);
		return -ENOMEM;
	}

	/* What the hardware summed was ciphertext. */
	skb->ip_summed = CHECKSUM_NONE;

	pkt->esp = skb->data;
	pkt->len = skb->len;
	pkt->seq_hi = p->esn ? XFRM_SKB_CB(skb)->seq.input.hi : 0;
	pkt->nonce = false;
	return 0;
}

/* ESP in UDP over IPv6 needs a checksum, over the ciphertext. */
static void output_udp6_csum(struct sk_buff *skb)
{
	struct ipv6hdr *ip6h = ipv6_hdr(skb);
	struct udphdr *uh = udp_hdr(skb);
	int offset = skb_transport_offset(skb);
	int len = ntohs(uh->len);

	uh->check = 0;
	uh->check = csum_ipv6_magic(&ip6h->saddr, &ip6h->daddr, len, IPPROTO_UDP,
				    skb_checksum(skb, offset, skb->len - offset,
						 0));
	if (!uh->check)
		uh->check = CSUM_MANGLED_0;
}

static void finish_output(struct esp_ring_sa *sa, struct sk_buff *skb, int err)
{
	if (!err && sa->params.encap && sa->params.family == AF_INET6)
		output_udp6_csum(skb);

	xfrm_output_resume(skb_to_full_sk(skb), skb, err);
}

static void finish_input(struct esp_ring_sa *sa, struct sk_buff *skb, int err)
{
	int nexthdr;

	BUILD_BUG_ON(sizeof(struct esp_ring_skb_cb) > sizeof(skb->cb));
	((struct esp_ring_skb_cb *)skb->cb)->tmp = NULL;

#if IS_ENABLED(CONFIG_INET6_ESP)
	if (sa->params.family == AF_INET6)
		nexthdr = esp6_input_done2(skb, err);
	else
#endif
		nexthdr = esp_input_done2(skb, err);

	if (!err && nexthdr < 0)
		esp_ring_count_drop(sa, NULL, ESP_RING_DROP_TRAILER);
	xfrm_input_resume(skb, nexthdr);
}

static int output_tail(struct xfrm_state *x, struct sk_buff *skb,
		       struct esp_info *esp)
{
#if IS_ENABLED(CONFIG_INET6_ESP)
	if (x->props.family == AF_INET6)
		return esp6_output_tail(x, skb, esp);
#endif
	return esp_output_tail(x, skb, esp);
}

/*
 * Let the stack do a packet that was meant for an engine, which has not touched
 * it. The stack lays a packet out as we do, up to the IV, which is its own
 * business. BH off, under rcu_read_lock; no lock held.
 */
static int run_in_software(struct esp_ring_sa *sa, struct xfrm_state *x,
			   struct sk_buff *skb, const struct esp_ring_pkt *pkt)
{
	const struct esp_ring_sa_params *p = &sa->params;
	struct esp_info esp = { .inplace = true, .nfrags = 1 };

	esp_ring_count(sa, software);
	if (p->dir == ESP_RING_DECRYPT)
		return esp_ring_stack_type(x)->input(x, skb);

	/* What the stack's IV is made of: never without it. */
	esp.seqno = cpu_to_be64(XFRM_SKB_CB(skb)->seq.output.low |
				(u64)XFRM_SKB_CB(skb)->seq.output.hi << 32);
	esp.esph = (struct ip_esp_hdr *)pkt->esp;
	esp.clen = pkt->len - sizeof(*esp.esph) - p->iv_len - p->icv_len;
	return output_tail(x, skb, &esp);
}

/**
 * esp_ring_esp_software_resume - let the stack do a packet that has waited
 * @sa: the SA
 * @skb: the packet; consumed
 * @pkt: what was found when it was laid out
 *
 * BH off; no lock held.
 */
void esp_ring_esp_software_resume(struct esp_ring_sa *sa, struct sk_buff *skb,
				  const struct esp_ring_pkt *pkt)
{
	bool encrypt = sa->params.dir == ESP_RING_ENCRYPT;
	struct xfrm_state *x = encrypt ? skb_dst(skb)->xfrm : xfrm_input_state(skb);
	int err;

	rcu_read_lock();
	err = run_in_software(sa, x, skb, pkt);
	if (err == -EINPROGRESS)
		goto out;
	if (encrypt)
		xfrm_output_resume(skb_to_full_sk(skb), skb, err);
	else
		xfrm_input_resume(skb, err);
out:
	rcu_read_unlock();
}

/**
 * esp_ring_esp_finish - give packets back to the stack
 * @sa: the SA, of which all of them are
 * @done: the packets; consumed. &esp_ring_done.err is 0, -EBADMSG, or another
 *	error: the stack drops and counts it
 * @n: how many
 *
 * BH off; no lock held: the packets may come back into the layer by another SA.
 */
void esp_ring_esp_finish(struct esp_ring_sa *sa, const struct esp_ring_done *done,
			 int n)
{
	const struct esp_ring_done *end = done + n;

	rcu_read_lock();
	if (sa->params.dir == ESP_RING_ENCRYPT)
		for (; done < end; done++)
			finish_output(sa, done->skb, done->err);
	else
		for (; done < end; done++)
			finish_input(sa, done->skb, done->err);
	rcu_read_unlock();
}

/*
 * xfrm does not compare the direction an SA is offloaded for with the way its
 * packets go: whoever configures one wrongly, also in an unprivileged user
 * namespace, may send by an inbound SA. Such a packet is for software; the queue
 * of the other direction would hand it back to the wrong half of the stack.
 */
static bool has_engine(const struct esp_ring_sa *sa, enum esp_ring_dir dir)
{
	return sa && sa->params.dir == dir && rcu_access_pointer(sa->queue);
}

/*
 * The SA of a state, if an engine has it and the packet goes its way. A packet of
 * one that has none is counted; rcu_read_lock is held.
 */
static struct esp_ring_sa *sa_with_engine(const struct xfrm_state *x,
					  enum esp_ring_dir dir)
{
	struct esp_ring_sa *sa = esp_ring_state_sa(x);

	if (likely(has_engine(sa, dir)))
		return sa;
	if (sa)
		esp_ring_count(sa, software);
	return NULL;
}

/* To the engine, or to software if it has just gone. BH off, under rcu_read_lock. */
static int hand_in(struct esp_ring_sa *sa, struct xfrm_state *x,
		   struct sk_buff *skb, const struct esp_ring_pkt *pkt)
{
	int err = esp_ring_enqueue(sa, skb, pkt);

	if (unlikely(err == -ENODEV))
		return run_in_software(sa, x, skb, pkt);
	return err ?: -EINPROGRESS;
}

/**
 * esp_ring_output - .output of our type
 * @x: the state
 * @skb: the packet, as xfrm_type.output gets it
 *
 * Process context or softirq.
 *
 * Return: -EINPROGRESS, and it is ours from then on; xfrm frees it on any other
 * error. NET_XMIT_DROP is what esp4 itself returns when an asynchronous engine has
 * no room: local senders slow down.
 */
int esp_ring_output(struct xfrm_state *x, struct sk_buff *skb)
{
	struct esp_ring_sa *sa;
	struct esp_ring_pkt pkt;
	int err;

	rcu_read_lock();
	sa = sa_with_engine(x, ESP_RING_ENCRYPT);
	if (unlikely(!sa)) {
		rcu_read_unlock();
		return esp_ring_stack_type(x)->output(x, skb);
	}

	local_bh_disable();
	err = lay_out_output(sa, x, skb, &pkt);
	if (!err) {
		err = hand_in(sa, x, skb, &pkt);
		if (err == -ENOBUFS)
			err = NET_XMIT_DROP;
	}
	local_bh_enable();
	rcu_read_unlock();

	return err;
}

/**
 * esp_ring_input - .input of our type
 * @x: the state
 * @skb: the packet, as xfrm_type.input gets it
 *
 * BH off.
 *
 * Return: the next header, or an error as above.
 */
int esp_ring_input(struct xfrm_state *x, struct sk_buff *skb)
{
	struct esp_ring_sa *sa;
	struct esp_ring_pkt pkt;
	int err;

	lockdep_assert_in_softirq();
	rcu_read_lock();
	sa = sa_with_engine(x, ESP_RING_DECRYPT);
	if (unlikely(!sa)) {
		rcu_read_unlock();
		return esp_ring_stack_type(x)->input(x, skb);
	}

	err = lay_out_input(sa, skb, &pkt);
	if (!err)
		err = hand_in(sa, x, skb, &pkt);
	rcu_read_unlock();

	return err;
}
