/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MT7621 frame engine: transmission by QDMA.
 *
 * Descriptors are a linked list. The host moves CTX to the one after the last
 * that it has filled; DTX follows. A descriptor is done when its data has been
 * read, and DRX is the last of these. A frame that cannot leave at once, because
 * of the wire, the peer or its queue's maximum rate, is kept in a page of the
 * scratch memory that the host has given, and when there is none, QDMA waits.
 */
#include "qemu/osdep.h"
#include "qemu/log.h"
#include "qemu/timer.h"
#include "mtk_fe.h"

/* What a queue may send at once, for one timer per that much (a guess) */
#define BURST_BYTES     16384

/* The segments that a packet has at the smallest size that IPv4 hosts use */
#define PAGES(len)      (1 + (len) / 536)

static uint64_t max_rate(MTKFEState *s, unsigned qid)
{
    uint32_t sch = FE_REG(s, QDMA_QTX_SCH(qid));
    uint64_t kbps = (sch >> 4) & 0x7f;

    if (!(sch & QTX_MAX_RATE_EN)) {
        return 0;
    }
    for (unsigned exp = sch & 0xf; exp; exp--) {
        kbps *= 10;
    }
    return kbps * 1000;
}

/* When the next frame of a queue may leave by this GMAC; 0: now */
static int64_t not_before(MTKFEState *s, unsigned qid, MTKGmacState *g,
                          int64_t now)
{
    uint64_t rate = max_rate(s, qid);
    int64_t at = s->wire_bps ? g->tx_free_at : 0;

    if (rate) {
        at = MAX(at, s->queue[qid].free_at - mtk_fe_wire_ns(rate, BURST_BYTES));
    }
    return at > now ? at : 0;
}

static void leave(MTKFEState *s, unsigned qid, MTKGmacState *g,
                  const uint8_t *frame, size_t len, int64_t now)
{
    uint64_t rate = max_rate(s, qid);

    if (rate) {
        s->queue[qid].free_at = MAX(s->queue[qid].free_at, now) +
                                mtk_fe_wire_ns(rate, len);
    }
    if (s->wire_bps) {
        g->tx_free_at = MAX(g->tx_free_at, now) +
                        mtk_fe_wire_ns(s->wire_bps, len);
    }
    mtk_gmac_send(g, frame, len);
}

static unsigned free_pages(MTKFEState *s)
{
    return FE_REG(s, QDMA_FQ_COUNT) & 0xffff;
}

/* A page from the head of the free list, with the frame in it */
static bool hold(MTKFEState *s, unsigned qid, unsigned gmac,
                 const uint8_t *frame, size_t len)
{
    uint32_t words[4];
    MTKHeld *h;

    if (!free_pages(s) ||
        !mtk_fe_get_desc(FE_REG(s, QDMA_FQ_HEAD), words) ||
        len > FE_REG(s, QDMA_FQ_BLEN) >> 16 ||
        !mtk_fe_dma_write(words[0], frame, len)) {
        return false;
    }
    h = g_new(MTKHeld, 1);
    *h = (MTKHeld) {
        .page = FE_REG(s, QDMA_FQ_HEAD), .data = words[0], .len = len,
        .gmac = gmac,
    };
    FE_REG(s, QDMA_FQ_HEAD) = words[1];
    FE_REG(s, QDMA_FQ_COUNT)--;
    QSIMPLEQ_INSERT_TAIL(&s->queue[qid].held, h, entry);
    s->stats.tx_held++;
    return true;
}

/* And back to its tail */
static void release(MTKFEState *s, MTKHeld *h)
{
    uint32_t tail = FE_REG(s, QDMA_FQ_TAIL);

    if (free_pages(s)) {
        mtk_fe_put_desc(tail, 1, &h->page, 1);
    } else {
        FE_REG(s, QDMA_FQ_HEAD) = h->page;
    }
    FE_REG(s, QDMA_FQ_TAIL) = h->page;
    FE_REG(s, QDMA_FQ_COUNT)++;
    g_free(h);
}

static void send_later(MTKFEState *s, int64_t at)
{
    if (!timer_pending(s->tx_timer) ||
        at < timer_expire_time_ns(s->tx_timer)) {
        timer_mod(s->tx_timer, at);
    }
}

/* What waits in a queue and may leave now. Returns: true if something did */
static bool send_held(MTKFEState *s, unsigned qid, int64_t now)
{
    uint8_t frame[MTK_FE_FRAME_MAX];
    MTKQueue *q = &s->queue[qid];
    MTKHeld *h = QSIMPLEQ_FIRST(&q->held);
    MTKGmacState *g;
    int64_t at;

    if (!h) {
        return false;
    }
    g = &s->gmac[h->gmac];
    at = not_before(s, qid, g, now);
    if (at) {
        send_later(s, at);
        return false;
    }
    if (!mtk_gmac_can_send(g)) {
        return false;
    }
    QSIMPLEQ_REMOVE_HEAD(&q->held, entry);
    if (mtk_fe_dma_read(h->data, frame, h->len)) {
        leave(s, qid, g, frame, h->len, now);
    }
    release(s, h);
    return true;
}

/* Round robin; the weights and minimum rates of the scheduler do nothing */
static void send_all_held(MTKFEState *s)
{
    int64_t now = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
    unsigned idle = 0;

    while (idle < MTK_FE_QUEUES) {
        idle = send_held(s, s->next_queue, now) ? 0 : idle + 1;
        s->next_queue = (s->next_queue + 1) % MTK_FE_QUEUES;
    }
}

/* A frame as it shall be on the wire, but for its padding */
void mtk_fe_tx_segment(MTKFEState *s, unsigned gmac, unsigned qid,
                       uint8_t *frame, size_t len)
{
    int64_t now = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
    MTKGmacState *g = &s->gmac[gmac];
    int64_t at = not_before(s, qid, g, now);

    if (QSIMPLEQ_EMPTY(&s->queue[qid].held) && !at && mtk_gmac_can_send(g)) {
        leave(s, qid, g, frame, len, now);
        return;
    }
    if (!hold(s, qid, gmac, frame, len)) {
        s->stats.tx_drops++;
        FE_REG(s, FE_INT_STATUS) |= FE_INT_FQ_EMPTY;
    } else if (at) {
        send_later(s, at);
    }
}

static size_t insert_vlan(uint8_t **frame, size_t len, uint16_t tci)
{
    *frame -= MTK_TAG_LEN;
    memmove(*frame, *frame + MTK_TAG_LEN, MTK_TAG_OFFSET);
    stw_be_p(*frame + MTK_TAG_OFFSET, 0x8100);
    stw_be_p(*frame + MTK_TAG_OFFSET + 2, tci);
    return len + MTK_TAG_LEN;
}

/* One packet: the offloads that its first descriptor asks for */
static void packet(MTKFEState *s, uint8_t *frame, size_t len, uint32_t txd4,
                   unsigned qid)
{
    unsigned gmac = TXD4_FPORT(txd4) - 1;
    bool tagged;
    MTKParsed p;

    if (gmac >= MTK_FE_GMACS || len < 14) {
        qemu_log_mask(LOG_GUEST_ERROR, "mtk-fe: port %u, %zu bytes\n",
                      gmac + 1, len);
        s->stats.tx_drops++;
        return;
    }
    if (txd4 & TXD4_INS_VLAN) {
        len = insert_vlan(&frame, len, txd4);
    }
    if (txd4 & (TXD4_CHKSUM | TXD4_TSO)) {
        tagged = (FE_REG(s, CDMQ_IG_CTRL) & CDM_STAG_EN) &&
                 mtk_fe_has_tag(frame, len);
        mtk_fe_parse(frame, len, tagged, &p);
        if (txd4 & TXD4_TSO) {
            uint32_t why = mtk_fe_tso(s, gmac, qid, frame, len, &p);

            if (why) {
                FE_REG(s, FE_INT_STATUS) |= why;
                s->stats.tx_drops++;
            }
            return;
        }
        mtk_fe_checksum(frame, len, &p);
    }
    if (len > MTK_FE_FRAME_MAX) {
        s->stats.tx_drops++;
        return;
    }
    mtk_fe_tx_segment(s, gmac, qid, frame, len);
}

static bool tx_enabled(MTKFEState *s)
{
    if (s->faults.stop_tx && !s->tx_stopped) {
        s->tx_stopped = true;
        s->stats.faults++;
    }
    return (FE_REG(s, QDMA_GLO_CFG) & DMA_TX_EN) && !s->tx_stopped &&
           !s->faults.gone;
}

/* Descriptors of a packet are the host's again */
static void give_back(MTKFEState *s, uint32_t first, unsigned n)
{
    uint32_t addr = first, words[4];

    for (unsigned i = 0; i < n; i++) {
        mtk_fe_get_desc(addr, words);
        FE_REG(s, QDMA_DRX) = addr;
        if (FE_REG(s, QDMA_GLO_CFG) & DMA_TX_WB_DDONE) {
            words[2] |= TXD3_OWNER_CPU;
            mtk_fe_put_desc(addr, 2, &words[2], 1);
        }
        addr = words[1];
    }
    FE_REG(s, QDMA_DTX) = addr;
    s->stats.tx_desc += n;
}

/*
 * The packet at DTX. Nothing changes if it is not all there, or if it could
 * need more pages than are left.
 *
 * Returns: true if it is done
 */
static bool next_packet(MTKFEState *s)
{
    uint32_t first = FE_REG(s, QDMA_DTX), addr = first;
    uint32_t words[4], txd4 = 0;
    uint8_t *frame = s->tx_buf + MTK_TAG_LEN;
    size_t len = 0, n = 0;
    unsigned qid;

    do {
        if (addr == FE_REG(s, QDMA_CTX)) {
            return false;
        }
        if (!mtk_fe_get_desc(addr, words) || (words[2] & TXD3_OWNER_CPU)) {
            FE_REG(s, QDMA_INT_STATUS) |= INT_TX_COHERENT;
            mtk_fe_update_irq(s);
            return false;
        }
        if (len + TXD3_LEN(words[2]) > MTK_FE_TSO_MAX ||
            !mtk_fe_dma_read(words[0], frame + len, TXD3_LEN(words[2]))) {
            FE_REG(s, QDMA_INT_STATUS) |= INT_TX_COHERENT;
            mtk_fe_update_irq(s);
            return false;
        }
        len += TXD3_LEN(words[2]);
        txd4 = n++ ? txd4 : words[3];
        addr = words[1];
    } while (!(words[2] & TXD3_LAST));

    qid = TXD3_QID(words[2]);
    if (free_pages(s) < MIN(PAGES(len), FE_REG(s, QDMA_FQ_COUNT) >> 16)) {
        FE_REG(s, FE_INT_STATUS) |= FE_INT_FQ_EMPTY;
        return false;
    }
    packet(s, frame, len, txd4, qid);
    give_back(s, first, n);
    mtk_fe_done(s, true);
    return true;
}

/*
 * Whatever there is to do. What happens while a frame is sent, be it that a
 * peer has room again, may call this from within.
 */
void mtk_fe_tx_run(MTKFEState *s)
{
    s->tx_again = true;
    if (s->tx_running) {
        return;
    }
    s->tx_running = true;
    while (s->tx_again) {
        s->tx_again = false;
        send_all_held(s);
        while (tx_enabled(s) && next_packet(s)) {
            continue;
        }
    }
    s->tx_running = false;
}

void mtk_fe_tx_reset(MTKFEState *s)
{
    timer_del(s->tx_timer);
    for (unsigned q = 0; q < MTK_FE_QUEUES; q++) {
        MTKHeld *h;

        while ((h = QSIMPLEQ_FIRST(&s->queue[q].held))) {
            QSIMPLEQ_REMOVE_HEAD(&s->queue[q].held, entry);
            g_free(h);
        }
        s->queue[q].free_at = 0;
    }
    for (unsigned n = 0; n < MTK_FE_GMACS; n++) {
        s->gmac[n].tx_free_at = 0;
    }
}

static void tx_timer_cb(void *opaque)
{
    mtk_fe_tx_run(opaque);
}

void mtk_fe_tx_init(MTKFEState *s)
{
    for (unsigned q = 0; q < MTK_FE_QUEUES; q++) {
        QSIMPLEQ_INIT(&s->queue[q].held);
    }
    s->tx_buf = g_malloc(MTK_TAG_LEN + MTK_FE_TSO_MAX);
    s->tx_timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, tx_timer_cb, s);
}
