/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints: perf record -e 'esp_ring:*', trace-cmd record -e esp_ring
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM esp_ring

#if !defined(_ESP_RING_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _ESP_RING_TRACE_H

#include <linux/tracepoint.h>
#include "internal.h"

#define esp_ring_show_dir(dir)						\
	__print_symbolic(dir, { ESP_RING_ENCRYPT, "encrypt" },		\
			 { ESP_RING_DECRYPT, "decrypt" })

TRACE_DEFINE_ENUM(ESP_RING_ENCRYPT);
TRACE_DEFINE_ENUM(ESP_RING_DECRYPT);
TRACE_DEFINE_ENUM(ESP_RING_DROP_FULL);
TRACE_DEFINE_ENUM(ESP_RING_DROP_NOMEM);
TRACE_DEFINE_ENUM(ESP_RING_DROP_LENGTH);
TRACE_DEFINE_ENUM(ESP_RING_DROP_ICV);
TRACE_DEFINE_ENUM(ESP_RING_DROP_ENGINE);
TRACE_DEFINE_ENUM(ESP_RING_DROP_REBIND);
TRACE_DEFINE_ENUM(ESP_RING_DROP_TRAILER);

/* A packet goes to the engine; the queue's lock is held. */
TRACE_EVENT(esp_ring_submit,
	TP_PROTO(const struct esp_ring_queue *q,
		 const struct esp_ring_slot *slot),
	TP_ARGS(q, slot),
	TP_STRUCT__entry(
		__array(char, engine, ESP_RING_NAME_LEN)
		__field(int, dir)
		__field(u32, spi)
		__field(u32, cookie)
		__field(u32, len)
		__field(u32, waiting)
		__field(u32, inflight)
		__field(u64, wait_ns)
	),
	TP_fast_assign(
		strscpy(__entry->engine, q->engine->name, ESP_RING_NAME_LEN);
		__entry->dir = q->dir;
		__entry->spi = be32_to_cpu(slot->sa->params.spi);
		__entry->cookie = slot->pkt.cookie;
		__entry->len = slot->pkt.len;
		__entry->waiting = q->backlog_len[ESP_RING_PRIO_HIGH] +
				   q->backlog_len[ESP_RING_PRIO_LOW];
		__entry->inflight = q->inflight_len;
		__entry->wait_ns = esp_ring_slot_age(slot);
	),
	TP_printk("engine=%s queue=%s spi=0x%08x cookie=0x%08x len=%u waiting=%u inflight=%u wait_ns=%llu",
		  __entry->engine, esp_ring_show_dir(__entry->dir),
		  __entry->spi, __entry->cookie, __entry->len, __entry->waiting,
		  __entry->inflight, __entry->wait_ns)
);

/* A packet's answer is taken; the queue's lock is held. */
TRACE_EVENT(esp_ring_complete,
	TP_PROTO(const struct esp_ring_queue *q,
		 const struct esp_ring_slot *slot),
	TP_ARGS(q, slot),
	TP_STRUCT__entry(
		__array(char, engine, ESP_RING_NAME_LEN)
		__field(int, dir)
		__field(u32, spi)
		__field(u32, cookie)
		__field(u32, len)
		__field(int, err)
		__field(u64, total_ns)
	),
	TP_fast_assign(
		strscpy(__entry->engine, q->engine->name, ESP_RING_NAME_LEN);
		__entry->dir = q->dir;
		__entry->spi = be32_to_cpu(slot->sa->params.spi);
		__entry->cookie = slot->pkt.cookie;
		__entry->len = slot->pkt.len;
		__entry->err = slot->err;
		__entry->total_ns = esp_ring_slot_age(slot);
	),
	TP_printk("engine=%s queue=%s spi=0x%08x cookie=0x%08x len=%u err=%d total_ns=%llu",
		  __entry->engine, esp_ring_show_dir(__entry->dir),
		  __entry->spi, __entry->cookie, __entry->len, __entry->err,
		  __entry->total_ns)
);

/* A packet is dropped by the layer. */
TRACE_EVENT(esp_ring_drop,
	TP_PROTO(const struct esp_ring_sa *sa, enum esp_ring_drop why),
	TP_ARGS(sa, why),
	TP_STRUCT__entry(
		__field(int, dir)
		__field(u32, spi)
		__field(int, why)
	),
	TP_fast_assign(
		__entry->dir = sa->params.dir;
		__entry->spi = be32_to_cpu(sa->params.spi);
		__entry->why = why;
	),
	TP_printk("queue=%s spi=0x%08x reason=%s",
		  esp_ring_show_dir(__entry->dir), __entry->spi,
		  __print_symbolic(__entry->why,
				   { ESP_RING_DROP_FULL, "full" },
				   { ESP_RING_DROP_NOMEM, "nomem" },
				   { ESP_RING_DROP_LENGTH, "length" },
				   { ESP_RING_DROP_ICV, "icv" },
				   { ESP_RING_DROP_ENGINE, "engine" },
				   { ESP_RING_DROP_REBIND, "rebind" },
				   { ESP_RING_DROP_TRAILER, "trailer" }))
);

/* An SA goes from one engine, or software, to another. */
TRACE_EVENT(esp_ring_rebind,
	TP_PROTO(const struct esp_ring_sa *sa, const char *from, const char *to),
	TP_ARGS(sa, from, to),
	TP_STRUCT__entry(
		__field(int, dir)
		__field(u32, spi)
		__array(char, from, ESP_RING_NAME_LEN)
		__array(char, to, ESP_RING_NAME_LEN)
	),
	TP_fast_assign(
		__entry->dir = sa->params.dir;
		__entry->spi = be32_to_cpu(sa->params.spi);
		strscpy(__entry->from, from, ESP_RING_NAME_LEN);
		strscpy(__entry->to, to, ESP_RING_NAME_LEN);
	),
	TP_printk("queue=%s spi=0x%08x from=%s to=%s",
		  esp_ring_show_dir(__entry->dir), __entry->spi,
		  __entry->from, __entry->to)
);

#endif /* _ESP_RING_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
