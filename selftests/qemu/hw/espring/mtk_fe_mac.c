/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MT7621 frame engine: GMACs with their wires and counters, MDIO.
 *
 * A GMAC's wire ends at a network backend of its own, if it has one, and at the
 * switch otherwise: GMAC0 at port 6, GMAC1 at port 5.
 */
#include "qemu/osdep.h"
#include "qemu/host-utils.h"
#include "qemu/module.h"
#include "qemu/timer.h"
#include "hw/qdev-properties.h"
#include "net/eth.h"
#include "mtk_fe.h"

/* Preamble, FCS and the gap to the next */
#define WIRE_OVERHEAD           24

/* What a link is that is not forced: up, 1 Gbit/s, full duplex, with pauses */
#define MSR_UP                  0x3b

int64_t mtk_fe_wire_ns(uint64_t bps, size_t len)
{
    return muldiv64((MAX(len, ETH_ZLEN) + WIRE_OVERHEAD) * 8,
                    NANOSECONDS_PER_SECOND, MAX(bps, 1000));
}

uint32_t mtk_gmac_status(MTKGmacState *g)
{
    uint32_t mcr = FE_REG(g->fe, MAC_MCR(g->id));

    if (mcr & MCR_FORCE_MODE) {
        return mcr & MCR_STATE;
    }
    return g->nic && qemu_get_queue(g->nic)->link_down ? 0 : MSR_UP;
}

/* @enable: MCR_TX_EN or MCR_RX_EN */
bool mtk_gmac_up(MTKGmacState *g, uint32_t enable)
{
    return (FE_REG(g->fe, MAC_MCR(g->id)) & enable) &&
           (mtk_gmac_status(g) & MCR_FORCE_LINK);
}

/* Does it send pause frames? */
bool mtk_gmac_pause(MTKGmacState *g)
{
    return mtk_gmac_status(g) & MCR_FORCE_TX_FC;
}

void mtk_gmac_count(MTKGmacState *g, bool tx, size_t len)
{
    if (tx) {
        g->mib.tx_packets++;
        g->mib.tx_bytes += len;
    } else {
        g->mib.rx_packets++;
        g->mib.rx_bytes += len;
    }
}

static uint32_t take_low(uint64_t *counter)
{
    uint32_t val = *counter;

    *counter -= val;
    return val;
}

static uint32_t take_high(uint64_t *counter)
{
    uint32_t val = *counter >> 32;

    *counter = (uint32_t)*counter;
    return val;
}

static uint32_t take_all(uint32_t *counter)
{
    uint32_t val = *counter;

    *counter = 0;
    return val;
}

/* Reading clears: the driver adds up */
uint32_t mtk_gmac_read_mib(MTKGmacState *g, hwaddr offset)
{
    MTKMib *m = &g->mib;

    switch (offset) {
    case 0x00:
        return take_low(&m->rx_bytes);
    case 0x04:
        return take_high(&m->rx_bytes);
    case 0x08 ... 0x2c:
        return take_all(&m->rx_packets + (offset - 0x08) / 4);
    case 0x30:
        return take_low(&m->tx_bytes);
    case 0x34:
        return take_high(&m->tx_bytes);
    case 0x38:
        return take_all(&m->tx_packets);
    }
    return 0;
}

static void sent_cb(NetClientState *nc, ssize_t len)
{
    MTKGmacState *g = qemu_get_nic_opaque(nc);

    g->peer_busy = false;
    mtk_fe_tx_run(g->fe);
}

bool mtk_gmac_can_send(MTKGmacState *g)
{
    return !g->peer_busy;
}

/* mtk_gmac_can_send() was true */
void mtk_gmac_send(MTKGmacState *g, const uint8_t *frame, size_t len)
{
    MTKFEState *s = g->fe;
    uint8_t padded[ETH_ZLEN];

    if (!mtk_gmac_up(g, MCR_TX_EN)) {
        s->stats.tx_drops++;
        return;
    }
    if (mtk_fe_strikes(s, &s->faults.tx_skip)) {
        g->mib.tx_skip++;
        return;
    }
    if (len < ETH_ZLEN) {
        memcpy(padded, frame, len);
        memset(padded + len, 0, ETH_ZLEN - len);
        frame = padded;
        len = ETH_ZLEN;
    }
    mtk_gmac_count(g, true, len);
    s->stats.tx_frames++;
    s->stats.tx_bytes += len;
    if (g->nic) {
        /* If the peer has no room the frame is kept, for it alone */
        g->peer_busy = !qemu_send_packet_async(qemu_get_queue(g->nic), frame,
                                               len, sent_cb);
    } else if (s->sw) {
        mt7530_cpu_send(s->sw, g->id ? MT7530_GMAC1_PORT : MT7530_GMAC0_PORT,
                        frame, len);
    }
}

/* There may be room for what waits at the other end */
void mtk_gmac_flush(MTKGmacState *g)
{
    if (g->nic) {
        qemu_flush_queued_packets(qemu_get_queue(g->nic));
    } else if (g->fe->sw) {
        mt7530_cpu_ready(g->fe->sw,
                         g->id ? MT7530_GMAC1_PORT : MT7530_GMAC0_PORT);
    }
}

static bool from_switch(void *opaque, const uint8_t *frame, size_t len)
{
    return mtk_fe_rx(opaque, frame, len);
}

static ssize_t from_nic(NetClientState *nc, const uint8_t *frame, size_t len)
{
    return mtk_fe_rx(qemu_get_nic_opaque(nc), frame, len) ? len : 0;
}

static NetClientInfo nic_info = {
    .type = NET_CLIENT_DRIVER_NIC,
    .size = sizeof(NICState),
    .receive = from_nic,
};

/* Clause 22, and clause 45 in two cycles; done before the next access */
void mtk_fe_mdio(MTKFEState *s, uint32_t val)
{
    unsigned phy = (val >> 20) & 0x1f, reg = (val >> 25) & 0x1f;
    unsigned command = (val >> 18) & 3;
    bool c45 = !((val >> 16) & 3);
    uint16_t data = val;

    if (!(val & PHY_IAC_ACCESS)) {
        FE_REG(s, PHY_IAC) = val;
        return;
    }
    s->stats.mdio++;
    if (!s->sw) {
        data = 0xffff;
    } else if (c45 && command == 0) {
        s->c45_reg = data;
    } else if (c45 && command == 1) {
        mt7530_mdio_c45_write(s->sw, phy, reg, s->c45_reg, data);
    } else if (c45) {
        data = mt7530_mdio_c45_read(s->sw, phy, reg, s->c45_reg);
    } else if (command == 1) {
        mt7530_mdio_write(s->sw, phy, reg, data);
    } else if (command == 2) {
        data = mt7530_mdio_read(s->sw, phy, reg);
    }
    FE_REG(s, PHY_IAC) = (val & ~(PHY_IAC_ACCESS | 0xffff)) | data;
}

static void gmac_realize(DeviceState *dev, Error **errp)
{
    MTKGmacState *g = MTK_GMAC(dev);

    qemu_macaddr_default_if_unset(&g->conf.macaddr);
    if (g->conf.peers.ncs[0]) {
        g->nic = qemu_new_nic(&nic_info, &g->conf, TYPE_MTK_GMAC, dev->id,
                              &dev->mem_reentrancy_guard, g);
        qemu_format_nic_info_str(qemu_get_queue(g->nic), g->conf.macaddr.a);
    } else if (g->fe->sw) {
        mt7530_connect_cpu(g->fe->sw,
                           g->id ? MT7530_GMAC1_PORT : MT7530_GMAC0_PORT,
                           from_switch, g);
    }
}

static const Property gmac_properties[] = {
    DEFINE_NIC_PROPERTIES(MTKGmacState, conf),
};

static void gmac_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);

    dc->desc = "GMAC of the MT7621";
    dc->realize = gmac_realize;
    dc->user_creatable = false;
    device_class_set_props(dc, gmac_properties);
    set_bit(DEVICE_CATEGORY_NETWORK, dc->categories);
}

static const TypeInfo gmac_types[] = {
    {
        .name = TYPE_MTK_GMAC,
        .parent = TYPE_DEVICE,
        .instance_size = sizeof(MTKGmacState),
        .class_init = gmac_class_init,
    },
};
DEFINE_TYPES(gmac_types)
