/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MT7621 frame engine: reception.
 *
 * A frame comes from a GMAC, its GDM says where it goes: to PDMA, to the PPE,
 * which knows no flow and sends it on to PDMA, or nowhere. PDMA fills the
 * descriptors of ring 0 from DRX on, and not the one that PCRX names, which is
 * the last that the host has seen.
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/log.h"
#include "qemu/timer.h"
#include "mtk_fe.h"

/* Fields of GDMA_FWD_CFG: frames for this MAC, to all, to groups, to others */
#define FWD_MINE                12
#define FWD_BROADCAST           8
#define FWD_MULTICAST           4
#define FWD_OTHERS              0

static unsigned destination(MTKGmacState *g, const uint8_t *frame)
{
    uint32_t cfg = FE_REG(g->fe, GDMA_FWD_CFG(g->id));
    unsigned shift = FWD_OTHERS;

    if (frame[0] & 1) {
        shift = FWD_MULTICAST;
        if (ldl_be_p(frame) == UINT32_MAX && lduw_be_p(frame + 4) == 0xffff) {
            shift = FWD_BROADCAST;
        }
    } else if (lduw_be_p(frame) == FE_REG(g->fe, GDMA_MAC_ADRH(g->id)) &&
               ldl_be_p(frame + 2) == FE_REG(g->fe, GDMA_MAC_ADRL(g->id))) {
        shift = FWD_MINE;
    }
    return (cfg >> shift) & 7;
}

/* What MCR's limit is, without the FCS; that of 1518 leaves room for a tag */
static size_t longest(MTKGmacState *g, const uint8_t *frame)
{
    uint16_t type = lduw_be_p(frame + MTK_TAG_OFFSET);

    switch (MCR_MAX_RX(FE_REG(g->fe, MAC_MCR(g->id)))) {
    case 0:
        return 1514 + (type == 0x8100 || type == 0x88a8 || type < 0x300 ?
                       MTK_TAG_LEN : 0);
    case 1:
        return 1532;
    case 2:
        return 1548;
    }
    return MTK_FE_FRAME_MAX - 4;
}

static uint32_t ring_size(MTKFEState *s)
{
    return FE_REG(s, PDMA_RX_CNT) & 0xffff;
}

static bool rx_enabled(MTKFEState *s)
{
    return (FE_REG(s, PDMA_GLO_CFG) & DMA_RX_EN) && ring_size(s) &&
           FE_REG(s, PDMA_DRX) < ring_size(s);
}

/* A descriptor that nobody has taken back yet says so itself, too */
static bool has_room(MTKFEState *s)
{
    uint32_t words[4];

    if (s->faults.stop_rx && !s->rx_stopped) {
        s->rx_stopped = true;
        s->stats.faults++;
    }
    if (s->rx_stopped || FE_REG(s, PDMA_DRX) == FE_REG(s, PDMA_PCRX) ||
        mtk_fe_strikes(s, &s->faults.rx_none)) {
        return false;
    }
    if (!mtk_fe_get_desc(FE_REG(s, PDMA_RX_PTR) + 16 * FE_REG(s, PDMA_DRX),
                         words) || (words[1] & RXD2_DONE)) {
        FE_REG(s, PDMA_INT_STATUS) |= INT_RX_COHERENT;
        mtk_fe_update_irq(s);
        return false;
    }
    return true;
}

/* Into the ring, in which there is room */
static void to_ring(MTKFEState *s, const uint8_t *frame, size_t len,
                    uint32_t rxd2, uint32_t rxd3, uint32_t rxd4)
{
    uint32_t index = FE_REG(s, PDMA_DRX);
    uint32_t desc = FE_REG(s, PDMA_RX_PTR) + 16 * index;
    uint32_t offset = FE_REG(s, PDMA_GLO_CFG) & DMA_RX_2B_OFFSET ? 2 : 0;
    uint32_t words[4];

    mtk_fe_get_desc(desc, words);
    if (offset + len > TXD3_LEN(words[1]) ||
        !mtk_fe_dma_write(words[0] + offset, frame, len)) {
        qemu_log_mask(LOG_GUEST_ERROR, "mtk-fe: %zu bytes do not fit\n", len);
        s->stats.rx_drops++;
        return;
    }
    words[1] = RXD2_DONE | RXD2_LAST | len << 16 | rxd2;
    words[2] = rxd3;
    words[3] = rxd4;
    mtk_fe_put_desc(desc, 2, &words[2], 2);
    smp_wmb();
    mtk_fe_put_desc(desc, 1, &words[1], 1);
    FE_REG(s, PDMA_DRX) = (index + 1) % ring_size(s);
    s->stats.rx_frames++;
    s->stats.rx_bytes += len;
    mtk_fe_done(s, false);
}

/* The PPE drops what has a wrong checksum, if it is told to */
static bool ppe_passes(MTKFEState *s, unsigned gmac, bool ip_bad, bool l4_bad)
{
    uint32_t cfg = FE_REG(s, PPE_GLO_CFG);
    uint32_t port = (FE_REG(s, PPE_CPU_PORT) >> (4 * (gmac + 1))) & 7;

    if (!(cfg & PPE_EN)) {
        return true;
    }
    return port == GDMA_TO_PDMA && !(ip_bad && (cfg & PPE_IP4_CS_DROP)) &&
           !(l4_bad && (cfg & PPE_IP4_L4_CS_DROP));
}

/* The tag, as the CPU gets it: in the frame, or in the descriptor */
static size_t untag(MTKFEState *s, uint8_t **frame, size_t len, bool tagged,
                    uint32_t *rxd2, uint32_t *rxd3)
{
    uint16_t type = lduw_be_p(*frame + MTK_TAG_OFFSET);

    if (!(FE_REG(s, CDMP_EG_CTRL) & CDM_UNTAG_EN) ||
        (!tagged && type != 0x8100 && type != 0x88a8) ||
        len < MTK_TAG_OFFSET + MTK_TAG_LEN + 2) {
        return len;
    }
    *rxd2 |= RXD2_VTAG;
    *rxd3 = ldl_be_p(*frame + MTK_TAG_OFFSET);
    memmove(*frame + MTK_TAG_LEN, *frame, MTK_TAG_OFFSET);
    *frame += MTK_TAG_LEN;
    return len - MTK_TAG_LEN;
}

static void to_pdma(MTKGmacState *g, uint8_t *frame, size_t len, bool ppe)
{
    MTKFEState *s = g->fe;
    uint32_t cfg = FE_REG(s, GDMA_FWD_CFG(g->id));
    uint32_t rxd2 = 0, rxd3 = 0, rxd4 = RXD4_NO_FOE;
    bool from_switch = (cfg & GDMA_SPECIAL_TAG) && mtk_fe_has_tag(frame, len);
    bool tagged = from_switch && (FE_REG(s, CDMP_IG_CTRL) & CDM_STAG_EN);
    bool valid, ip_bad, l4_bad;

    valid = mtk_fe_verify(s, frame, len, from_switch, &ip_bad, &l4_bad);
    g->mib.rx_checksum += ip_bad || l4_bad;
    if (ppe && !ppe_passes(s, g->id, ip_bad, l4_bad)) {
        s->stats.rx_drops++;
        return;
    }
    /* Three switches for IP, TCP and UDP; no driver has them apart */
    if (valid && (cfg & (GDMA_ICS_EN | GDMA_TCS_EN | GDMA_UCS_EN))) {
        rxd4 |= RXD4_L4_VALID;
    }
    if (tagged) {
        rxd4 |= RXD4_SPECIAL_TAG |
                RXD4_SPORT(frame[MTK_TAG_OFFSET + 1] & 7);
    } else {
        rxd4 |= RXD4_SPORT(g->id + 1);
    }
    len = untag(s, &frame, len, tagged, &rxd2, &rxd3);
    to_ring(s, frame, len, rxd2, rxd3, rxd4);
}

/* Returns: false if it has to wait for room in the ring */
static bool take(MTKGmacState *g, const uint8_t *frame, size_t len)
{
    uint8_t copy[MTK_FE_FRAME_MAX];
    MTKFEState *s = g->fe;
    unsigned to = destination(g, frame);

    if (to != GDMA_TO_PDMA && to != GDMA_TO_PPE) {
        if (to != GDMA_DROP) {
            qemu_log_mask(LOG_UNIMP, "mtk-fe: frames to port %u\n", to);
        }
        s->stats.rx_drops++;
        return true;
    }
    if (!rx_enabled(s)) {
        s->stats.rx_drops++;
        return true;
    }
    if (!has_room(s)) {
        s->stats.rx_full++;
        if (mtk_gmac_pause(g)) {
            return false;
        }
        g->mib.rx_overflow++;
        return true;
    }
    memcpy(copy, frame, len);
    mtk_gmac_count(g, false, len);
    to_pdma(g, copy, len, to == GDMA_TO_PPE);
    return true;
}

/* Is it one that the MAC takes? */
static bool is_good(MTKGmacState *g, const uint8_t *frame, size_t len)
{
    if (len < 14) {
        g->mib.rx_short++;
    } else if (len > longest(g, frame)) {
        g->mib.rx_long++;
    } else if (mtk_fe_strikes(g->fe, &g->fe->faults.rx_fcs)) {
        g->mib.rx_fcs++;
    } else {
        return true;
    }
    g->fe->stats.rx_drops++;
    return false;
}

/*
 * A frame at the wire's end. With pause frames, a full ring stops the sender,
 * otherwise the frame is lost.
 *
 * Returns: false if the sender has to keep it until it is called
 */
bool mtk_fe_rx(MTKGmacState *g, const uint8_t *frame, size_t len)
{
    MTKFEState *s = g->fe;

    if (g->rx_len) {
        g->refused = true;
        return false;
    }
    if (s->faults.gone || !mtk_gmac_up(g, MCR_RX_EN)) {
        s->stats.rx_drops++;
        return true;
    }
    if (!is_good(g, frame, len)) {
        return true;
    }
    if (!s->wire_bps) {
        bool taken = take(g, frame, len);

        g->refused |= !taken;
        return taken;
    }
    memcpy(g->rx, frame, len);
    g->rx_len = len;
    timer_mod(g->rx_timer, qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) +
              mtk_fe_wire_ns(s->wire_bps, len));
    return true;
}

/* A frame that has come in whole, or waited for room */
static void arrived(MTKGmacState *g)
{
    if (g->rx_len && !timer_pending(g->rx_timer) &&
        take(g, g->rx, g->rx_len)) {
        g->rx_len = 0;
    }
    if (!g->rx_len && g->refused) {
        g->refused = false;
        mtk_gmac_flush(g);
    }
}

static void rx_timer_cb(void *opaque)
{
    arrived(opaque);
}

/* The ring has room, or is enabled or stopped */
void mtk_fe_rx_retry(MTKFEState *s)
{
    for (unsigned n = 0; n < MTK_FE_GMACS; n++) {
        arrived(&s->gmac[n]);
    }
}

void mtk_fe_rx_reset(MTKFEState *s)
{
    for (unsigned n = 0; n < MTK_FE_GMACS; n++) {
        timer_del(s->gmac[n].rx_timer);
        s->gmac[n].rx_len = 0;
    }
}

void mtk_fe_rx_init(MTKFEState *s)
{
    for (unsigned n = 0; n < MTK_FE_GMACS; n++) {
        s->gmac[n].rx_timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, rx_timer_cb,
                                           &s->gmac[n]);
    }
}
