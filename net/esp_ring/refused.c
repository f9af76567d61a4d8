// SPDX-License-Identifier: GPL-2.0-only
/*
 * The last SAs that were refused, and why: the one who asked may have been a
 * daemon that does not show what the kernel said.
 */
#include <linux/ktime.h>
#include <linux/seq_file.h>
#include <linux/spinlock.h>

#include "compat.h"
#include "internal.h"

#define ESP_RING_REFUSED	64

/**
 * struct esp_ring_refused - an SA that was refused
 * @when: since boot
 * @port: name of the device that it was to be offloaded to
 * @netns: inode of that device's name space
 * @dir: of the SA
 * @packet: packet offload was asked for
 * @family: of the addresses
 * @spi: of the SA
 * @daddr: destination
 * @saddr: source
 * @alg: cipher, or combined mode
 * @auth: integrity algorithm, empty for none
 * @err: negative error
 * @why: the reason; a copy, since the text can be in a module that goes
 */
struct esp_ring_refused {
	ktime_t when;
	char port[IFNAMSIZ];
	unsigned int netns;
	enum esp_ring_dir dir;
	bool packet;
	u8 family;
	__be32 spi;
	xfrm_address_t daddr;
	xfrm_address_t saddr;
	char alg[48];
	char auth[32];
	int err;
	char why[96];
};

/* Any context, that of a larval state included. */
static DEFINE_SPINLOCK(refused_lock);
static struct esp_ring_refused refused[ESP_RING_REFUSED];
static unsigned int nr_refused;

/**
 * esp_ring_refused_note - remember an SA that was refused
 * @dev: the device that it was to be offloaded to
 * @x: its state
 * @err: the answer
 * @why: the text that goes with it, or NULL
 */
void esp_ring_refused_note(const struct net_device *dev,
			   const struct xfrm_state *x, int err, const char *why)
{
	struct esp_ring_refused *r;

	spin_lock_bh(&refused_lock);
	r = &refused[nr_refused++ % ESP_RING_REFUSED];
	r->when = ktime_get_boottime();
	strscpy(r->port, dev->name, sizeof(r->port));
	r->netns = dev_net(dev)->ns.inum;
	r->dir = x->xso.dir == XFRM_DEV_OFFLOAD_IN ? ESP_RING_DECRYPT :
						     ESP_RING_ENCRYPT;
	r->packet = x->xso.type != XFRM_DEV_OFFLOAD_CRYPTO;
	r->family = x->props.family;
	r->spi = x->id.spi;
	r->daddr = x->id.daddr;
	r->saddr = x->props.saddr;
	strscpy(r->alg, x->aead ? x->aead->alg_name :
		x->ealg ? x->ealg->alg_name : "-", sizeof(r->alg));
	strscpy(r->auth, x->aalg ? x->aalg->alg_name : "-", sizeof(r->auth));
	r->err = err;
	strscpy(r->why, why ?: "", sizeof(r->why));
	spin_unlock_bh(&refused_lock);
}

static void show_one(struct seq_file *m, const struct esp_ring_refused *r,
		     ktime_t now)
{
	seq_printf(m, "port=%s netns=%u queue=%s spi=0x%08x", r->port, r->netns,
		   r->dir == ESP_RING_ENCRYPT ? "encrypt" : "decrypt",
		   be32_to_cpu(r->spi));
	if (r->family == AF_INET6)
		seq_printf(m, " src=%pI6c dst=%pI6c", &r->saddr, &r->daddr);
	else
		seq_printf(m, " src=%pI4 dst=%pI4", &r->saddr, &r->daddr);
	seq_printf(m, " cipher=%s auth=%s offload=%s ago_ms=%lld error=%d reason=%s\n",
		   r->alg, r->auth, r->packet ? "packet" : "crypto",
		   ktime_ms_delta(now, r->when), -r->err, r->why);
}

/**
 * esp_ring_refused_show - show them, the oldest first
 * @m: the file; "reason=" is the last of a line and may have blanks
 */
void esp_ring_refused_show(struct seq_file *m)
{
	struct esp_ring_refused one;
	ktime_t now = ktime_get_boottime();
	unsigned int i = 0, end;

	for (;;) {
		spin_lock_bh(&refused_lock);
		end = nr_refused;
		if (end - i > ESP_RING_REFUSED)
			i = end - ESP_RING_REFUSED;
		if (i != end)
			one = refused[i % ESP_RING_REFUSED];
		spin_unlock_bh(&refused_lock);
		if (i == end)
			break;
		show_one(m, &one, now);
		i++;
	}
}
