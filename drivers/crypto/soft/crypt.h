/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Software engine of the ESP crypto ring: the cryptography of one packet,
 * without any queue. Also used by the fault injection engine of the selftests.
 */
#ifndef _ESP_RING_SOFT_CRYPT_H
#define _ESP_RING_SOFT_CRYPT_H

#include <crypto/aead.h>
#include <linux/list.h>
#include <linux/scatterlist.h>
#include <linux/types.h>

#define SOFT_MAX_IV	16

struct esp_ring_pkt;
struct esp_ring_sa_params;
struct netlink_ext_ack;
struct soft_sa;

/**
 * struct soft_ctx - what one thread needs to do one packet at a time
 * @req: the request, large enough for every SA that exists; only its thread
 *	uses it
 * @spare: a larger one, that the thread takes before its next packet
 * @list: in the list of all contexts
 * @wait: for the exception, a transform that finishes later
 * @sg: the packet, in one piece
 * @iv: copy of the packet's IV, since transforms write to theirs
 */
struct soft_ctx {
	struct aead_request *req;
	struct aead_request *spare;
	struct list_head list;
	struct crypto_wait wait;
	struct scatterlist sg;
	u8 iv[SOFT_MAX_IV] __aligned(CRYPTO_MINALIGN);
};

void esp_ring_soft_ctx_init(struct soft_ctx *ctx);
void esp_ring_soft_ctx_exit(struct soft_ctx *ctx);
int esp_ring_soft_sa_new(const struct esp_ring_sa_params *params,
			 struct soft_sa **sap, struct netlink_ext_ack *extack);
void esp_ring_soft_sa_free(struct soft_sa *sa);
int esp_ring_soft_crypt(struct soft_ctx *ctx, const struct esp_ring_pkt *pkt);

#endif /* _ESP_RING_SOFT_CRYPT_H */
