// SPDX-License-Identifier: GPL-2.0-only
/*
 * Known answers. There is no data sheet, and much of what this driver asks of
 * the engine no public driver has asked before in just this way. So each
 * transform is tried before it is offered: what the engine encrypts is checked
 * with the kernel's own crypto, it must decrypt it again, and it must notice
 * when a bit is wrong. An engine that fails costs speed then, not packets, and
 * one that accepts a forged ICV is never asked to check one.
 */
#include <crypto/algapi.h>
#include <crypto/hash.h>
#include <crypto/skcipher.h>
#include <linux/bitfield.h>
#include <linux/bottom_half.h>
#include <linux/delay.h>
#include <linux/ktime.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>

#include "eip93.h"

#define TEST_TEXT		96	/* whole blocks of every cipher */
#define TEST_ROOM		16	/* before the header, as the layer has it */
#define TEST_MAX		256
#define TEST_KEY_MAX		64
#define TEST_SEQ_HI		0x00c0ffee
#define TEST_TIMEOUT_MS		100
/* More than there are results, and longer than any timeout that is tried. */
#define TEST_THRESH		8
#define TEST_RESULT_US		2000
#define CTR_NONCE		4
#define DES3_BLOCK		8
#define AES_BLOCK		16

/**
 * struct test - one transform
 * @p: the SA's parameters
 * @key: bytes, as good as any
 * @buf: the packet, with room before it; in cache lines of its own
 * @text: what is encrypted
 * @wire: the packet encrypted
 * @pkt: as the layer would give it
 */
struct test {
	struct esp_ring_sa_params p;
	u8 key[TEST_KEY_MAX];
	u8 *buf;
	u8 text[TEST_TEXT];
	u8 wire[TEST_MAX];
	struct esp_ring_pkt pkt;
};

static void set_params(struct test *t, const struct esp_ring_alg *alg,
		       unsigned int key_len, unsigned int icv_len, bool esn)
{
	struct esp_ring_sa_params *p = &t->p;
	unsigned int i;

	/* Three different keys, as 3DES wants them. */
	for (i = 0; i < TEST_KEY_MAX; i++)
		t->key[i] = 0x11 + i * 7;
	for (i = 0; i < TEST_TEXT; i++)
		t->text[i] = i * 13 + 5;

	p->cipher = alg->cipher;
	p->auth = alg->auth;
	p->cipher_name = eip93_cipher_names[alg->cipher];
	p->auth_name = eip93_auth_names[alg->auth];
	p->esn = esn;
	p->key = t->key;
	p->key_len = key_len;
	p->auth_key = t->key + 9;
	p->auth_key_len = 20;
	p->icv_len = icv_len;
	switch (alg->cipher) {
	case ESP_RING_CIPHER_AES_CBC:
		p->iv_len = AES_BLOCK;
		break;
	case ESP_RING_CIPHER_DES3_CBC:
		p->iv_len = DES3_BLOCK;
		break;
	case ESP_RING_CIPHER_AES_CTR:
		p->iv_len = 8;
		p->key_len += CTR_NONCE;
		break;
	default:
		break;
	}
}

static void free_test(struct test *t)
{
	kfree(t->buf);
	kfree(t);
}

static struct test *new_test(const struct esp_ring_alg *alg, unsigned int key_len,
			     unsigned int icv_len, bool esn)
{
	struct test *t = kzalloc(sizeof(*t), GFP_KERNEL);

	if (!t)
		return NULL;
	t->buf = kzalloc(TEST_MAX, GFP_KERNEL);
	if (!t->buf) {
		free_test(t);
		return NULL;
	}
	set_params(t, alg, key_len, icv_len, esn);
	return t;
}

static unsigned int head_len(const struct test *t)
{
	return EIP93_ESP_HDR + t->p.iv_len;
}

/* Wait for one packet without interrupt and without the layer. */
static int wait_packet(struct eip93 *e, struct eip93_queue *eq)
{
	unsigned int ms;
	int found, err;

	for (ms = 0; ms < TEST_TIMEOUT_MS * 10; ms++) {
		spin_lock_bh(&e->ring.result_lock);
		eip93_ring_drain(e);
		spin_unlock_bh(&e->ring.result_lock);
		spin_lock_bh(&eq->finish_lock);
		found = eip93_pkt_finish(e, eq, NULL, 1, &err);
		spin_unlock_bh(&eq->finish_lock);
		if (found)
			return err;
		usleep_range(100, 200);
	}
	return -ETIMEDOUT;
}

static int submit_packet(struct eip93 *e, struct test *t, struct eip93_sa *sa)
{
	int err;

	t->pkt.sa_priv = sa;
	t->pkt.esp = t->buf + TEST_ROOM;
	t->pkt.len = head_len(t) + TEST_TEXT + t->p.icv_len;
	t->pkt.seq_hi = t->p.esn ? cpu_to_be32(TEST_SEQ_HI) : 0;

	local_bh_disable();
	err = eip93_pkt_submit(e, &t->pkt, EIP93_TESTING);
	if (!err)
		eip93_ring_doorbell(e);
	local_bh_enable();
	return err;
}

static int run_packet(struct eip93 *e, struct test *t, struct eip93_sa *sa)
{
	return submit_packet(e, t, sa) ?: wait_packet(e, &e->queue[t->p.dir]);
}

/* The ICV over what is there, by the kernel. */
static int check_icv(const struct test *t)
{
	const u8 *esp = t->buf + TEST_ROOM;
	unsigned int len = head_len(t) + TEST_TEXT;
	u8 data[TEST_MAX], digest[32];
	struct crypto_shash *tfm;
	int err;

	memcpy(data, esp, len);
	if (t->p.esn)
		memcpy(data + len, &t->pkt.seq_hi, sizeof(t->pkt.seq_hi));

	tfm = crypto_alloc_shash(t->p.auth_name, 0, 0);
	if (IS_ERR(tfm))
		return PTR_ERR(tfm);
	err = crypto_shash_setkey(tfm, t->p.auth_key, t->p.auth_key_len) ?:
	      crypto_shash_tfm_digest(tfm, data,
				      len + (t->p.esn ? sizeof(__be32) : 0),
				      digest);
	crypto_free_shash(tfm);
	if (err)
		return err;
	return crypto_memneq(digest, esp + len, t->p.icv_len) ? -EILSEQ : 0;
}

/* Bytes of the header before a test's packet was encrypted. */
static u8 header_byte(unsigned int i)
{
	return 0xa0 + i;
}

static int check_header(const u8 *header, unsigned int from, unsigned int to)
{
	for (; from < to; from++)
		if (*header++ != header_byte(from))
			return -EILSEQ;
	return 0;
}

/*
 * What was encrypted, decrypted by the kernel, is the text again; and where the
 * cipher begins with the IV, what was there.
 */
static int check_text(const struct test *t, const struct eip93_sa *sa)
{
	const u8 *esp = t->buf + TEST_ROOM;
	unsigned int before = sa->head - sa->clear;
	struct crypto_sync_skcipher *tfm;
	struct skcipher_request *req;
	struct scatterlist sg;
	u8 iv[AES_BLOCK] = { }, *data;
	int err = -ENOMEM;

	if (t->p.cipher == ESP_RING_CIPHER_NULL)
		return memcmp(esp + head_len(t), t->text, TEST_TEXT) ?
		       -EILSEQ : 0;

	tfm = crypto_alloc_sync_skcipher(t->p.cipher_name, 0, 0);
	if (IS_ERR(tfm))
		return PTR_ERR(tfm);
	req = skcipher_request_alloc(&tfm->base, GFP_KERNEL);
	data = kmemdup(esp + sa->clear, before + TEST_TEXT, GFP_KERNEL);
	if (!req || !data)
		goto out;
	if (!before)
		memcpy(iv, esp + EIP93_ESP_HDR, t->p.iv_len);
	sg_init_one(&sg, data, before + TEST_TEXT);
	skcipher_request_set_callback(req, 0, NULL, NULL);
	skcipher_request_set_crypt(req, &sg, &sg, before + TEST_TEXT, iv);
	err = crypto_sync_skcipher_setkey(tfm, t->p.key, t->p.key_len) ?:
	      crypto_skcipher_decrypt(req);
	if (!err)
		err = check_header(data, sa->clear, sa->head);
	if (!err && memcmp(data + before, t->text, TEST_TEXT))
		err = -EILSEQ;
out:
	kfree(data);
	skcipher_request_free(req);
	crypto_free_sync_skcipher(tfm);
	return err;
}

static int test_encrypt(struct eip93 *e, struct test *t, struct eip93_sa *sa)
{
	u8 *esp = t->buf + TEST_ROOM;
	unsigned int i;
	int err;

	for (i = 0; i < head_len(t); i++)
		esp[i] = header_byte(i);
	memcpy(esp + head_len(t), t->text, TEST_TEXT);
	err = run_packet(e, t, sa) ?: check_icv(t) ?: check_text(t, sa) ?:
	      check_header(esp, 0, sa->clear);
	memcpy(t->wire, t->buf, TEST_MAX);
	return err;
}

/* Decrypt what was encrypted, with one bit changed in byte @flip if not 0. */
static int test_decrypt(struct eip93 *e, struct test *t, struct eip93_sa *sa,
			unsigned int flip)
{
	int err;

	memcpy(t->buf, t->wire, TEST_MAX);
	t->buf[TEST_ROOM + flip] ^= flip ? 0x10 : 0;
	err = run_packet(e, t, sa);
	if (flip)
		return err == -EBADMSG ? 0 : err ?: -EKEYREJECTED;
	return err ?: memcmp(t->buf + TEST_ROOM + head_len(t), t->text,
			     TEST_TEXT) ? -EILSEQ : 0;
}

static int test_both(struct eip93 *e, struct test *t)
{
	unsigned int icv = head_len(t) + TEST_TEXT;
	struct eip93_sa *sa;
	int err;

	t->p.dir = ESP_RING_ENCRYPT;
	sa = eip93_sa_new(e, &t->p, NULL);
	if (IS_ERR(sa))
		return PTR_ERR(sa);
	err = test_encrypt(e, t, sa);
	eip93_sa_free(e, sa);
	if (err)
		return err;

	t->p.dir = ESP_RING_DECRYPT;
	sa = eip93_sa_new(e, &t->p, NULL);
	if (IS_ERR(sa))
		return PTR_ERR(sa);
	err = test_decrypt(e, t, sa, 0) ?:
	      test_decrypt(e, t, sa, EIP93_ESP_HDR - 1) ?:
	      test_decrypt(e, t, sa, icv - 1) ?:
	      test_decrypt(e, t, sa, icv) ?:
	      test_decrypt(e, t, sa, icv + t->p.icv_len - 1) ?:
	      /* A wrong one has left nothing behind. */
	      test_decrypt(e, t, sa, 0);
	eip93_sa_free(e, sa);
	return err;
}

/* A buffer that the engine still has is not ours to free before it stands. */
static int take_back(struct eip93 *e, int err)
{
	if (err != -ETIMEDOUT)
		return err;
	eip93_hw_stop(e);
	eip93_ring_forget(e, false);
	return eip93_hw_start(e) ? -ENODEV : err;
}

static bool has_result(struct eip93 *e)
{
	bool there;

	spin_lock_bh(&e->ring.result_lock);
	there = eip93_ring_has_result(e);
	spin_unlock_bh(&e->ring.result_lock);
	return there;
}

/*
 * From a result that is left lying to the interrupt that would tell of it. @from is
 * when it was not there yet: what disturbs us makes it longer, never shorter.
 */
static int time_result(struct eip93 *e, ktime_t from)
{
	unsigned int us;

	for (us = 0;; us++) {
		ktime_t now = ktime_get();

		if (has_result(e))
			break;
		if (us == TEST_RESULT_US)
			return -ETIME;
		from = now;
		udelay(1);
	}
	for (us = 0; !(eip93_read(e, EIP93_INT_RAW) & EIP93_INT_RDR); us++) {
		if (us == TEST_RESULT_US)
			return -ETIME;
		udelay(1);
	}
	return min_t(s64, ktime_to_ns(ktime_sub(ktime_get(), from)), INT_MAX);
}

/**
 * eip93_selftest_timeout - how long a result waits for others
 * @e: the device, started, with a table of capabilities; the ring is
 *	%EIP93_TESTING, interrupts are off
 * @exp: what the register has as the timeout
 *
 * Process context.
 *
 * Return: ns or a negative error; -ETIME: there is no such timeout.
 */
int eip93_selftest_timeout(struct eip93 *e, unsigned int exp)
{
	const struct esp_ring_alg *alg = &e->algs[0];
	struct eip93_sa *sa;
	int ns, err = 0;
	struct test *t;
	ktime_t from;

	t = new_test(alg, fls64(alg->key_lens) - 1, fls64(alg->icv_lens) - 1,
		     false);
	if (!t)
		return -ENOMEM;
	t->p.dir = ESP_RING_ENCRYPT;
	sa = eip93_sa_new(e, &t->p, NULL);
	if (IS_ERR(sa)) {
		ns = PTR_ERR(sa);
		goto out;
	}

	eip93_write(e, EIP93_RING_THRESH, EIP93_RD_TIMEOUT_EN |
		    FIELD_PREP(EIP93_RD_TIMEOUT, exp) |
		    FIELD_PREP(EIP93_RDR_THRESH, TEST_THRESH));
	eip93_write(e, EIP93_INT_STATUS, EIP93_INT_RDR);
	from = ktime_get();
	ns = submit_packet(e, t, sa);
	if (!ns) {
		ns = time_result(e, from);
		err = take_back(e, wait_packet(e, &e->queue[t->p.dir]));
	}
	eip93_irq_reset_thresh(e);
	eip93_write(e, EIP93_INT_STATUS, EIP93_INT_RDR);
	eip93_sa_free(e, sa);
out:
	free_test(t);
	return err ?: ns;
}

/**
 * eip93_selftest - try one transform in both directions
 * @e: the device, started; the ring is %EIP93_TESTING
 * @alg: cipher and hash
 * @key_len: bytes of the cipher's key
 * @icv_len: bytes
 * @esn: with 64-bit sequence numbers
 *
 * Process context. After -ETIMEDOUT the engine has been reset.
 *
 * Return: 0; -EILSEQ: wrong data; -EKEYREJECTED: a wrong ICV was accepted;
 * -ETIMEDOUT; another error.
 */
int eip93_selftest(struct eip93 *e, const struct esp_ring_alg *alg,
		   unsigned int key_len, unsigned int icv_len, bool esn)
{
	struct test *t = new_test(alg, key_len, icv_len, esn);
	int err;

	if (!t)
		return -ENOMEM;
	err = take_back(e, test_both(e, t));
	free_test(t);
	return err;
}
