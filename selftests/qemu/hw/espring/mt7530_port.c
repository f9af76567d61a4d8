/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MT7530: where frames come in and go out, and what is counted of them.
 */
#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "qemu/module.h"
#include "qapi/error.h"
#include "hw/qdev-properties.h"
#include "net/eth.h"
#include "mt7530_int.h"

static bool counting(MT7530State *s)
{
    return *mt7530_reg(s, R_MIB_CCR) & MIB_CCR_ENABLE;
}

void mt7530_count(MT7530State *s, unsigned port, unsigned counter)
{
    if (counting(s)) {
        (*mt7530_reg(s, R_MIB(port) + counter))++;
    }
}

/* Address kind, class of length, bytes, as they are on the wire with the FCS */
void mt7530_count_frame(MT7530State *s, unsigned port, bool tx,
                        const uint8_t *frame, size_t len)
{
    unsigned first = tx ? MIB_TX_UNICAST : MIB_RX_UNICAST;
    uint32_t *bytes = mt7530_reg(s, R_MIB(port) +
                                    (tx ? MIB_TX_BYTES : MIB_RX_BYTES));
    size_t wire = MAX(len, ETH_ZLEN) + ETH_FCS_LEN;
    unsigned size = 0;

    if (!counting(s)) {
        return;
    }
    mt7530_count(s, port, first + (is_broadcast_ether_addr(frame) ? 8 :
                                   is_multicast_ether_addr(frame) ? 4 : 0));
    /* 64, 65 to 127, 128 to 255, ... */
    while (size < 5 && wire >= MAX(64u << size, 65)) {
        size++;
    }
    mt7530_count(s, port, (tx ? MIB_TX_SIZES : MIB_RX_SIZES) + 4 * size);
    bytes[0] += wire;
    bytes[1] += bytes[0] < wire;
}

static bool send_to_cpu(MT7530State *s, unsigned port, const uint8_t *frame,
                        size_t len)
{
    MT7530Cpu *c = &s->cpu[port];
    MT7530Frame *f;

    if (!c->to_cpu) {
        return false;
    }
    if (g_queue_is_empty(&c->queue) && c->to_cpu(c->opaque, frame, len)) {
        return true;
    }
    if (g_queue_get_length(&c->queue) >= MT7530_CPU_QUEUE) {
        return false;
    }
    f = g_malloc(sizeof(*f) + len);
    f->len = len;
    memcpy(f->data, frame, len);
    g_queue_push_tail(&c->queue, f);
    return true;
}

void mt7530_cpu_ready(MT7530State *s, int port)
{
    MT7530Cpu *c = &s->cpu[port];
    MT7530Frame *f;

    /* the receiver may say so from within */
    if (c->draining) {
        return;
    }
    c->draining = true;
    while ((f = g_queue_peek_head(&c->queue)) &&
           c->to_cpu(c->opaque, f->data, f->len)) {
        g_free(g_queue_pop_head(&c->queue));
    }
    c->draining = false;
}

void mt7530_connect_cpu(MT7530State *s, int port, MT7530ToCpu to_cpu,
                        void *opaque)
{
    s->cpu[port].to_cpu = to_cpu;
    s->cpu[port].opaque = opaque;
}

/* Out of a port, in the format that it has there */
void mt7530_send(MT7530State *s, unsigned port, const uint8_t *frame,
                 size_t len)
{
    bool sent;

    if (!mt7530_port_up(s, port) ||
        !(*mt7530_reg(s, R_PMCR(port)) & PMCR_TX_EN)) {
        return;
    }
    if (port >= MT7530_PHYS) {
        sent = send_to_cpu(s, port, frame, len);
    } else {
        qemu_send_packet(qemu_get_queue(s->port[port].nic), frame, len);
        sent = true;
    }
    if (sent) {
        mt7530_count_frame(s, port, true, frame, len);
    } else {
        mt7530_count(s, port, MIB_TX_DROP);
    }
}

static bool receiving(MT7530State *s, unsigned port)
{
    return mt7530_port_up(s, port) &&
           *mt7530_reg(s, R_PMCR(port)) & PMCR_RX_EN;
}

void mt7530_cpu_send(MT7530State *s, int port, const uint8_t *frame,
                     size_t len)
{
    int phy = port == MT7530_GMAC1_PORT ? mt7530_muxed_phy(s) : -1;
    uint8_t padded[ETH_ZLEN];
    size_t size = sizeof(padded);

    if (s->in_reset || len < ETH_HLEN) {
        return;
    }
    if (eth_pad_short_frame(padded, &size, frame, len)) {
        frame = padded;
        len = size;
    }
    /* GMAC1 and a PHY that MTRAP joins have nothing to do with the switch */
    if (phy >= 0) {
        if (s->port[phy].link) {
            qemu_send_packet(qemu_get_queue(s->port[phy].nic), frame, len);
        }
    } else if (receiving(s, port)) {
        mt7530_forward(s, port, frame, len);
    }
}

/*
 * A frame may come back to one of our own ports while it is being sent, when a
 * cable joins two of them. It waits for the main loop, or a storm would be a
 * recursion.
 */
static ssize_t port_receive(NetClientState *nc, const uint8_t *frame,
                            size_t len)
{
    MT7530Port *p = qemu_get_nic_opaque(nc);
    MT7530State *s = p->sw;
    uint8_t padded[ETH_ZLEN];
    size_t size = sizeof(padded), given = len;

    if (s->forwarding) {
        qemu_bh_schedule(s->again);
        return 0;
    }
    if (s->in_reset || !p->link || len < ETH_HLEN) {
        return given;
    }
    if (eth_pad_short_frame(padded, &size, frame, len)) {
        frame = padded;
        len = size;
    }
    if (mt7530_muxed_phy(s) == (int)p->index) {
        send_to_cpu(s, MT7530_GMAC1_PORT, frame, len);
    } else if (receiving(s, p->index)) {
        mt7530_forward(s, p->index, frame, len);
    }
    return given;
}

static void receive_again(void *opaque)
{
    MT7530State *s = opaque;

    for (unsigned i = 0; i < MT7530_PHYS; i++) {
        qemu_flush_queued_packets(qemu_get_queue(s->port[i].nic));
    }
}

static void port_link_changed(NetClientState *nc)
{
    mt7530_phy_cable(qemu_get_nic_opaque(nc));
}

static NetClientInfo port_net = {
    .type = NET_CLIENT_DRIVER_NIC,
    .size = sizeof(NICState),
    .receive = port_receive,
    .link_status_changed = port_link_changed,
};

void mt7530_ports_realize(MT7530State *s, Error **errp)
{
    s->again = qemu_bh_new_guarded(receive_again, s,
                                   &DEVICE(s)->mem_reentrancy_guard);
    for (unsigned i = 0; i < MT7530_PORTS; i++) {
        g_queue_init(&s->cpu[i].queue);
    }
    for (unsigned i = 0; i < MT7530_PHYS; i++) {
        s->port[i].sw = s;
        s->port[i].index = i;
        if (!qdev_realize(DEVICE(&s->port[i]), NULL, errp)) {
            return;
        }
    }
}

static void port_realize(DeviceState *dev, Error **errp)
{
    MT7530Port *p = MT7530_PORT(dev);

    qemu_macaddr_default_if_unset(&p->conf.macaddr);
    p->nic = qemu_new_nic(&port_net, &p->conf, TYPE_MT7530_PORT, dev->id,
                          &dev->mem_reentrancy_guard, p);
    mt7530_phy_init(p);
}

static const Property port_properties[] = {
    DEFINE_NIC_PROPERTIES(MT7530Port, conf),
};

static void port_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);

    dc->desc = "port of an MT7530";
    dc->realize = port_realize;
    dc->user_creatable = false;
    device_class_set_props(dc, port_properties);
}

static const TypeInfo port_types[] = {
    {
        .name = TYPE_MT7530_PORT,
        .parent = TYPE_DEVICE,
        .instance_size = sizeof(MT7530Port),
        .class_init = port_class_init,
    },
};
DEFINE_TYPES(port_types)
