/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ESP offload through a shared crypto ring: the contract between the layer
 * (net/esp_ring), its engines (drivers/crypto) and the ports' glue
 * (drivers/net/ethernet).
 *
 * An engine does the cryptography of ESP packets (RFC 4303) in place. It knows
 * neither skb policy nor xfrm: it is given an SA's parameters, packets whose
 * header, IV, padding and trailer are already laid out, and answers each packet
 * with one call of esp_ring_complete().
 */
#ifndef _NET_ESP_RING_H
#define _NET_ESP_RING_H

#include <linux/bits.h>
#include <linux/device/driver.h>
#include <linux/kconfig.h>
#include <linux/mod_devicetable.h>
#include <linux/netlink.h>
#include <linux/types.h>

struct device;
struct fwnode_handle;
struct esp_ring_engine;
struct esp_ring_queue;

/** enum esp_ring_dir - direction of an SA, and of a queue of an engine
 * @ESP_RING_ENCRYPT: outbound SAs
 * @ESP_RING_DECRYPT: inbound SAs
 * @ESP_RING_NR_DIRS: number of directions, and of queues of an engine
 */
enum esp_ring_dir {
	ESP_RING_ENCRYPT,
	ESP_RING_DECRYPT,
	ESP_RING_NR_DIRS,
};

/** enum esp_ring_cipher - confidentiality transform of an SA
 * @ESP_RING_CIPHER_ANY: in a capability: whatever the kernel's crypto API has
 *	under &esp_ring_sa_params.cipher_name; in an SA: one that is not listed
 * @ESP_RING_CIPHER_NULL: RFC 2410
 * @ESP_RING_CIPHER_DES3_CBC: RFC 2451
 * @ESP_RING_CIPHER_AES_CBC: RFC 3602
 * @ESP_RING_CIPHER_AES_CTR: RFC 3686, the nonce is the key's last 4 bytes
 * @ESP_RING_CIPHER_AES_GCM: RFC 4106, the salt is the key's last 4 bytes
 * @ESP_RING_CIPHER_AES_GMAC: RFC 4543, the salt is the key's last 4 bytes
 * @ESP_RING_CIPHER_AES_CCM: RFC 4309, the salt is the key's last 3 bytes
 * @ESP_RING_CIPHER_CHACHA20_POLY1305: RFC 7634, salt: the key's last 4 bytes
 */
enum esp_ring_cipher {
	ESP_RING_CIPHER_ANY,
	ESP_RING_CIPHER_NULL,
	ESP_RING_CIPHER_DES3_CBC,
	ESP_RING_CIPHER_AES_CBC,
	ESP_RING_CIPHER_AES_CTR,
	ESP_RING_CIPHER_AES_GCM,
	ESP_RING_CIPHER_AES_GMAC,
	ESP_RING_CIPHER_AES_CCM,
	ESP_RING_CIPHER_CHACHA20_POLY1305,
};

/** enum esp_ring_auth - integrity transform of an SA
 * @ESP_RING_AUTH_ANY: as %ESP_RING_CIPHER_ANY, for &esp_ring_sa_params.auth_name
 * @ESP_RING_AUTH_NONE: no separate one: a combined mode, or no integrity at all
 * @ESP_RING_AUTH_HMAC_MD5: RFC 2403
 * @ESP_RING_AUTH_HMAC_SHA1: RFC 2404
 * @ESP_RING_AUTH_HMAC_SHA256: RFC 4868
 * @ESP_RING_AUTH_HMAC_SHA384: RFC 4868
 * @ESP_RING_AUTH_HMAC_SHA512: RFC 4868
 */
enum esp_ring_auth {
	ESP_RING_AUTH_ANY,
	ESP_RING_AUTH_NONE,
	ESP_RING_AUTH_HMAC_MD5,
	ESP_RING_AUTH_HMAC_SHA1,
	ESP_RING_AUTH_HMAC_SHA256,
	ESP_RING_AUTH_HMAC_SHA384,
	ESP_RING_AUTH_HMAC_SHA512,
};

/** struct esp_ring_sa_params - one SA as an engine sees it
 * @dir: encrypt or decrypt
 * @family: AF_INET or AF_INET6, of the outer header
 * @mode: XFRM_MODE_*
 * @encap: ESP is inside UDP (RFC 3948)
 * @esn: 64-bit sequence numbers (RFC 4303, 2.2.1): the ICV covers the high
 *	half, &esp_ring_pkt.seq_hi
 * @cipher: confidentiality, or the combined mode
 * @auth: integrity, %ESP_RING_AUTH_NONE for a combined mode
 * @cipher_name: the crypto API's name of @cipher ("rfc4106(gcm(aes))",
 *	"cbc(aes)", "ecb(cipher_null)")
 * @auth_name: the same of @auth ("hmac(sha1)"), NULL with %ESP_RING_AUTH_NONE
 * @key: cipher key with its salt or nonce, @key_len bytes. Keys are the layer's
 *	copy and stay valid until &esp_ring_engine_ops.sa_del returns; an engine
 *	that makes a copy zeroes it. Never to be printed.
 * @auth_key: integrity key, @auth_key_len bytes
 * @key_len: bytes
 * @auth_key_len: bytes
 * @iv_len: bytes of IV between ESP header and payload, as on the wire
 * @icv_len: bytes of ICV at the end, as on the wire
 * @block_len: the cipher's block, in bytes; 1 for stream and counter modes
 * @spi: as in the header
 */
struct esp_ring_sa_params {
	enum esp_ring_dir dir;
	u8 family;
	u8 mode;
	bool encap;
	bool esn;
	enum esp_ring_cipher cipher;
	enum esp_ring_auth auth;
	const char *cipher_name;
	const char *auth_name;
	const u8 *key;
	const u8 *auth_key;
	unsigned int key_len;
	unsigned int auth_key_len;
	u8 iv_len;
	u8 icv_len;
	u8 block_len;
	__be32 spi;
};

/** struct esp_ring_alg - one row of an engine's capability table
 * @cipher: confidentiality, or combined mode; %ESP_RING_CIPHER_ANY for all
 * @auth: integrity; %ESP_RING_AUTH_ANY for all
 * @key_lens: cipher key lengths in bytes without salt or nonce, as a set:
 *	bit n for n bytes; 0 for any
 * @icv_lens: ICV lengths in bytes, likewise
 * @esn: the engine can authenticate the high half of the sequence number
 */
struct esp_ring_alg {
	enum esp_ring_cipher cipher;
	enum esp_ring_auth auth;
	u64 key_lens;
	u64 icv_lens;
	bool esn;
};

#define ESP_RING_CAP_IPV4	BIT(0)
#define ESP_RING_CAP_IPV6	BIT(1)
#define ESP_RING_CAP_TRANSPORT	BIT(2)
#define ESP_RING_CAP_TUNNEL	BIT(3)
#define ESP_RING_CAP_BEET	BIT(4)
#define ESP_RING_CAP_ENCAP	BIT(5)
#define ESP_RING_CAP_ALL	GENMASK(5, 0)
/*
 * Encrypting in CBC mode the engine begins with the IV, itself from an IV of
 * zeros: what the layer leaves there is a nonce, and what is sent is that nonce
 * encrypted, which nobody can predict (NIST SP 800-38A, appendix C, the first
 * method; the kernel's echainiv does the same).
 */
#define ESP_RING_CAP_CBC_NONCE	BIT(6)

/** struct esp_ring_caps - what an engine can do
 * @algs: table of @nr_algs rows
 * @nr_algs: rows in @algs
 * @flags: ESP_RING_CAP_*: families, modes, UDP encapsulation, and whose work the
 *	IV of CBC is
 * @max_len: longest packet in bytes, from ESP header to the end of the ICV
 * @max_sas: SAs at one time, both directions together; 0 for no limit
 */
struct esp_ring_caps {
	const struct esp_ring_alg *algs;
	unsigned int nr_algs;
	u32 flags;
	u32 max_len;
	u32 max_sas;
};

/** struct esp_ring_pkt - one packet as an engine sees it
 * @sa_priv: what &esp_ring_engine_ops.sa_add stored for its SA
 * @esp: first byte of the ESP header. From here on @len bytes are linear,
 *	private and writable; at least 16 bytes before them are too (for an
 *	engine that moves the header to insert @seq_hi), to be left as found.
 * @len: bytes from ESP header through ICV. Encrypting, the IV and the padded
 *	trailer are in place, the ICV is to be written. Decrypting, the length of
 *	the ciphertext has been checked against IV, ICV and block length.
 * @seq_hi: high half of a 64-bit sequence number, 0 without ESN
 * @nonce: the IV of a CBC mode is a nonce: only an engine with
 *	%ESP_RING_CAP_CBC_NONCE sees such packets, and it does the same with those
 *	that have an IV already
 * @urgent: of an SA of high priority. An engine that can choose does it before
 *	those that are not, which it does not forget; the others ignore this
 * @cookie: to be given back to esp_ring_complete()
 * @priv: &esp_ring_engine_desc.pkt_priv bytes for the engine, not initialised
 *	between packets; the layer zeroes them once, at registration
 */
struct esp_ring_pkt {
	void *sa_priv;
	u8 *esp;
	u32 len;
	__be32 seq_hi;
	bool nonce;
	bool urgent;
	u32 cookie;
	void *priv;
};

/** struct esp_ring_engine_ops - what the layer calls
 * @sa_add: take an SA. Process context, may sleep, several at once. Stores its
 *	own handle in *priv. -EOPNOTSUPP with an extack text where the engine
 *	cannot do this SA (extack may be NULL); other errors likewise end in
 *	another engine or software.
 * @sa_del: forget an SA of which no packet is held. Process context, may sleep;
 *	zeroes every copy of the keys.
 * @submit: take one packet. BH off, under the queue's lock: one caller at a time
 *	for each queue, but both queues of an engine at once. The engine may
 *	begin at once or at the @doorbell. 0, or -EBUSY: no room now, the packet
 *	stays with the layer and the engine calls esp_ring_schedule() for this
 *	queue when there is room again. Any other error fails this one packet.
 * @doorbell: start whatever was submitted since the last call. Context as @submit.
 * @poll: collect results and call esp_ring_complete() for each, at most budget
 *	times. Optional; NAPI context. An engine that completes from its own
 *	context has none.
 * @arm: results below budget have been collected, interrupts may be enabled
 *	again. Optional; NAPI context. True if more results wait already.
 * @stop: stop all work of both queues. On return the engine touches no packet's
 *	memory any more and every packet that it held is forgotten; completions
 *	that come later are ignored. Process context, may sleep, bounded.
 * @start: begin again after @stop, for instance with a reset. SAs taken by
 *	@sa_add before are valid again. Process context, may sleep.
 */
struct esp_ring_engine_ops {
	int (*sa_add)(struct esp_ring_engine *engine,
		      const struct esp_ring_sa_params *params, void **priv,
		      struct netlink_ext_ack *extack);
	void (*sa_del)(struct esp_ring_engine *engine, void *priv);
	int (*submit)(struct esp_ring_queue *q, struct esp_ring_pkt *pkt);
	void (*doorbell)(struct esp_ring_queue *q);
	int (*poll)(struct esp_ring_queue *q, int budget);
	bool (*arm)(struct esp_ring_queue *q);
	void (*stop)(struct esp_ring_engine *engine);
	int (*start)(struct esp_ring_engine *engine);
};

/** struct esp_ring_engine_desc - an engine at registration
 * @name: unique, for people and for binding rules; shorter than 32 bytes
 * @ops: all of its functions
 * @caps: copied, but not the table that it points to
 * @rating: among the engines that can do an SA, those of the highest rating
 *	share the load (software 100, hardware 300)
 * @slots: packets that a queue can hold, waiting and in the engine; 0 for 1024
 * @batch: packets for one doorbell of a busy engine; 0 for 1. The engine is
 *	never left with fewer than two batches while packets wait.
 * @min_inflight: bytes that the dynamic limit always lets into the engine
 * @timeout_ms: a packet held longer than this is a hang; 0 for 500
 * @pkt_priv: bytes of &esp_ring_pkt.priv
 * @fwnode: the device's node, by which ports are bound to the engine beside
 *	them, see &struct esp_ring_glue; NULL for an engine that is no device
 * @priv: handed out by esp_ring_engine_priv()
 */
struct esp_ring_engine_desc {
	const char *name;
	const struct esp_ring_engine_ops *ops;
	struct esp_ring_caps caps;
	int rating;
	unsigned int slots;
	unsigned int batch;
	unsigned int min_inflight;
	unsigned int timeout_ms;
	size_t pkt_priv;
	const struct fwnode_handle *fwnode;
	void *priv;
};

struct esp_ring_engine *
esp_ring_engine_register(const struct esp_ring_engine_desc *desc);
void esp_ring_engine_unregister(struct esp_ring_engine *engine);
void esp_ring_engine_fail(struct esp_ring_engine *engine, const char *why);
void *esp_ring_engine_priv(const struct esp_ring_engine *engine);
const char *esp_ring_engine_name(const struct esp_ring_engine *engine);

struct esp_ring_engine *esp_ring_queue_engine(const struct esp_ring_queue *q);
enum esp_ring_dir esp_ring_queue_dir(const struct esp_ring_queue *q);
struct esp_ring_queue *esp_ring_engine_queue(struct esp_ring_engine *engine,
					     enum esp_ring_dir dir);

bool esp_ring_complete(struct esp_ring_queue *q, u32 cookie, int err);
void esp_ring_schedule(struct esp_ring_queue *q);
void esp_ring_count_irq(struct esp_ring_queue *q);

/** struct esp_ring_soc - what is to be known of a SoC that its tree may not say
 * @engine: compatible of the engine beside the Ethernet controller, for device
 *	trees without "esp-engine" (dts/schemas/net/esp-engine.yaml): taken where
 *	the tree has exactly one. NULL: none is known.
 */
struct esp_ring_soc {
	const char *engine;
};

/** struct esp_ring_glue - Ethernet controllers with an engine beside them
 * @name: for people, in debugfs; shorter than 32 bytes
 * @match: nodes of the controllers; the data of each is a &struct esp_ring_soc
 * @dev: NULL, or the one controller that is meant
 * @list: the layer's
 *
 * The ports of such a controller, of a switch behind it and all devices stacked
 * on these prefer the engines that the device tree names for them, in its
 * order, to others. Nothing is attached to the controller or to its driver: who
 * has its ports is looked up when an SA is added.
 */
struct esp_ring_glue {
	const char *name;
	const struct of_device_id *match;
	const struct device *dev;
	struct list_head list;
};

int esp_ring_glue_register(struct esp_ring_glue *glue);
void esp_ring_glue_unregister(struct esp_ring_glue *glue);

/** module_esp_ring_glue() - a module that does nothing but this
 * @glue: its &struct esp_ring_glue
 */
#define module_esp_ring_glue(glue) \
	module_driver(glue, esp_ring_glue_register, esp_ring_glue_unregister)

#if IS_REACHABLE(CONFIG_ESP_RING)
void devm_esp_ring_attach(struct device *dev, const struct of_device_id *match);
#else
/* an Ethernet driver built in, the layer a module: glue as a module does it */
static inline void devm_esp_ring_attach(struct device *dev,
					const struct of_device_id *match)
{
}
#endif

#endif /* _NET_ESP_RING_H */
