/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * SafeXcel EIP-93: registers, descriptors and records, as far as this driver
 * uses them. No data sheet is public; the facts are those that can be read out
 * of Linux' own drivers/crypto/inside-secure/eip93 (6.15 and later) and of the
 * older out-of-tree driver vschagen/mtk-eip93.
 */
#ifndef _ESP_RING_EIP93_REGS_H
#define _ESP_RING_EIP93_REGS_H

#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/types.h>

/* Bus addresses of the rings of commands and of results. */
#define EIP93_CDR_BASE			0x080
#define EIP93_RDR_BASE			0x084
#define EIP93_RING_CONFIG		0x088
#define   EIP93_RING_SIZE		GENMASK(9, 0)	/* descriptors - 1 */
#define EIP93_RING_THRESH		0x08c
/* Interrupt when more results than this wait ... */
#define   EIP93_RDR_THRESH		GENMASK(25, 16)
/* ... or when there has been one for 2^(n + 10) clocks. */
#define   EIP93_RD_TIMEOUT		GENMASK(29, 26)
#define   EIP93_RD_TIMEOUT_EN		BIT(31)
/* Written: that many more commands are ready, that many results were taken. */
#define EIP93_CD_COUNT			0x090
#define EIP93_RD_COUNT			0x094
#define   EIP93_COUNT_MAX		255

#define EIP93_PE_CONFIG			0x100
#define   EIP93_PE_RESET		BIT(0)
#define   EIP93_RING_RESET		BIT(1)
#define   EIP93_PE_MODE_AUTO_RING	(3 << 8)
#define   EIP93_CDR_UPDATE		BIT(10)
#define EIP93_BUF_THRESH		0x10c
#define   EIP93_BUF_IN			GENMASK(7, 0)
#define   EIP93_BUF_OUT			GENMASK(23, 16)
#define EIP93_CLOCK_CTRL		0x1e8
#define   EIP93_CLOCK_PE		BIT(0)
#define   EIP93_CLOCK_DES		BIT(1)
#define   EIP93_CLOCK_AES		BIT(2)
#define   EIP93_CLOCK_HASH		BIT(4)

#define EIP93_OPTION_1			0x1f4
#define   EIP93_OPTION_DES		BIT(0)
#define   EIP93_OPTION_AES		BIT(2)
#define   EIP93_OPTION_AES_128		BIT(13)
#define   EIP93_OPTION_AES_192		BIT(14)
#define   EIP93_OPTION_AES_256		BIT(15)
#define   EIP93_OPTION_MD5		BIT(16)
#define   EIP93_OPTION_SHA1		BIT(17)
#define   EIP93_OPTION_SHA256		BIT(19)
#define EIP93_REVISION			0x1fc
#define   EIP93_REVISION_EIP		GENMASK(7, 0)	/* 93 */
#define   EIP93_REVISION_PATCH		GENMASK(19, 16)
#define   EIP93_REVISION_MINOR		GENMASK(23, 20)
#define   EIP93_REVISION_MAJOR		GENMASK(27, 24)

/* Sources that are pending, enabled or not. */
#define EIP93_INT_RAW			0x200
/* Read: sources that are pending and enabled. Written: cleared. */
#define EIP93_INT_STATUS		0x204
#define EIP93_INT_ENABLE		0x210
#define EIP93_INT_DISABLE		0x214
#define   EIP93_INT_RDR			BIT(1)
#define   EIP93_INT_ALL			(GENMASK(18, 15) | GENMASK(11, 9) | \
					 GENMASK(1, 0))

/**
 * struct eip93_desc - a descriptor; commands and results look alike
 * @ctrl: EIP93_CTRL_*
 * @src: input, on a multiple of 4
 * @dst: output, likewise; may be @src
 * @sa: &struct eip93_sa_record
 * @state: &struct eip93_state, or 0
 * @arc4: not used
 * @user_id: comes back in the result
 * @length: EIP93_LEN_*
 */
struct eip93_desc {
	u32 ctrl;
	u32 src;
	u32 dst;
	u32 sa;
	u32 state;
	u32 arc4;
	u32 user_id;
	u32 length;
};

static_assert(sizeof(struct eip93_desc) == 32);

/* Both words say who owns the descriptor: 1 to be done, 2 done. */
#define EIP93_CTRL_OWNER		GENMASK(1, 0)
#define EIP93_LEN_OWNER			GENMASK(23, 22)
#define   EIP93_OWNER_ENGINE		1
#define   EIP93_OWNER_HOST		2
#define EIP93_CTRL_HASH_FINAL		BIT(4)
#define EIP93_CTRL_AUTH_ERR		BIT(16)
#define EIP93_CTRL_PAD_ERR		BIT(17)
#define EIP93_CTRL_SEQ_ERR		BIT(18)
#define EIP93_CTRL_EXT_ERR		BIT(19)
#define EIP93_CTRL_EXT_CODE		GENMASK(23, 20)
#define EIP93_CTRL_ERRORS		GENMASK(19, 16)
#define EIP93_LEN_BYTES			GENMASK(19, 0)

/**
 * struct eip93_sa_record - what to do, and the keys
 * @cmd0: EIP93_CMD0_*
 * @cmd1: EIP93_CMD1_*
 * @key: the cipher's, as bytes
 * @inner: hash state after HMAC's first block, as the CPU's words
 * @outer: the same of the second hash
 * @spi: for the protocol opcodes
 * @seq: likewise
 * @seq_mask: likewise
 * @nonce: likewise
 */
struct eip93_sa_record {
	u32 cmd0;
	u32 cmd1;
	u32 key[8];
	u32 inner[8];
	u32 outer[8];
	u32 spi;
	u32 seq[2];
	u32 seq_mask[2];
	u32 nonce;
};

static_assert(sizeof(struct eip93_sa_record) == 128);

#define EIP93_CMD0_OP			GENMASK(2, 0)
#define   EIP93_OP_CRYPT		0
#define   EIP93_OP_CRYPT_HASH		1
#define   EIP93_OP_HASH			3
#define EIP93_CMD0_INBOUND		BIT(3)
#define EIP93_CMD0_PAD_ZERO		(3 << 6)
#define EIP93_CMD0_CIPHER		GENMASK(11, 8)
#define   EIP93_CIPHER_3DES		1
#define   EIP93_CIPHER_AES		3
#define   EIP93_CIPHER_NULL		15
#define EIP93_CMD0_HASH			GENMASK(15, 12)
#define   EIP93_HASH_MD5		0
#define   EIP93_HASH_SHA1		1
#define   EIP93_HASH_SHA256		3
#define   EIP93_HASH_NULL		15
#define EIP93_CMD0_DIGEST_WORDS		GENMASK(23, 20)
#define EIP93_CMD0_IV_FROM_STATE	(2 << 24)
#define EIP93_CMD0_SAVE_HASH		BIT(29)

#define EIP93_CMD1_COPY_DIGEST		BIT(0)
#define EIP93_CMD1_COPY_HEADER		BIT(1)
#define EIP93_CMD1_COPY_PAD		BIT(3)	/* goes with COPY_DIGEST */
#define EIP93_CMD1_MODE			GENMASK(9, 8)
#define   EIP93_MODE_ECB		0
#define   EIP93_MODE_CBC		1
#define   EIP93_MODE_CTR		2
#define EIP93_CMD1_HMAC			BIT(12)
#define EIP93_CMD1_CRYPT_OFFSET		GENMASK(23, 16)	/* in words */
#define EIP93_CMD1_AES_KEY_LEN		GENMASK(26, 24)	/* in 8 bytes */

/**
 * struct eip93_state - state record of one operation
 * @iv: IV or counter block, as bytes
 * @byte_count: of the hash so far
 * @digest: the hash, as the CPU's words
 * @unused: the engine's record ends before it
 */
struct eip93_state {
	u32 iv[4];
	u32 byte_count[2];
	u32 digest[8];
	u32 unused[2];
};

static_assert(sizeof(struct eip93_state) == 64);

#endif /* _ESP_RING_EIP93_REGS_H */
