/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A player of frames: traffic for a router, on the machine's own clock.
 *
 * What comes from a socket of the host comes when the host likes. This plays
 * the frames of a capture file by the virtual clock, at the speed of a wire,
 * and costs the guest nothing; with -icount it is all one how busy the host is.
 *
 * It has two ports, and counts at one what it sent by the other: unicast IPv4 to
 * the port's address. As many frames are under way as the window says, so the
 * router is as busy as it can be and loses nothing. Frames that have not
 * arrived when none has for STALL_NS are lost.
 *
 * When `total' have arrived no more are sent; when the last of them is there,
 * frame 0 leaves by port 1, which the guest may wait for. What is measured begins
 * with the start, or with arrival number `warm', and ends with the last one.
 *
 *  0x000 magic "PLAY"            0x004 frames in the file
 *  0x008 total; a write starts   0x00c warm
 *  0x010 1: running             0x014 speed of the wires in Kbit/s, 0: no limit
 *  0x020 + 0x10 n: port n: +0 first frame, +4 how many, 0: none, +8 window
 *  0x100 + 8 n: 64 bits; reading the low word latches the high one:
 *      0 ns, 1 instructions, 2 ns of them the engine was busy,
 *      3 and 4 arrivals of what port 0 and 1 sent, all of them measured;
 *      5, 6, 7 and 8, 9, 10: sent, arrived, lost of port 0 and 1, of all
 */
#include "qemu/osdep.h"
#include "qemu/log.h"
#include "qemu/module.h"
#include "hw/qdev-properties.h"
#include "hw/qdev-properties-system.h"
#include "net/eth.h"
#include "qapi/error.h"
#include "system/cpu-timers.h"
#include "mtk_fe.h"
#include "player.h"

#define CTL_MAGIC       0x000
#define   MAGIC         0x59414c50
#define CTL_FRAMES      0x004
#define CTL_TOTAL       0x008
#define CTL_WARM        0x00c
#define CTL_RUNNING     0x010
#define CTL_KBIT_S      0x014
#define CTL_PORT        0x020
#define CTL_PORT_END    0x03c
#define CTL_STATS       0x100
#define STATS           11

/* Longer than a slow router takes for a window's worth of packets */
#define STALL_NS        (50 * SCALE_MS)
#define STALLS_MAX      3

#define PCAP_MAGIC      0xa1b2c3d4
#define PCAP_HEADER     24
#define PCAP_RECORD     16
#define FRAME_MAX       2000

static int64_t now_ns(void)
{
    return qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
}

static int64_t under_way(const PlayerPort *p)
{
    return p->sent - p->arrived - p->lost;
}

static void mark(PlayerState *s, PlayerMark *m)
{
    m->ns = now_ns();
    m->insns = icount_enabled() ? icount_get_raw() : 0;
    m->busy_ns = s->engine ? s->engine->stats.busy_ns : 0;
    for (unsigned i = 0; i < PLAYER_PORTS; i++) {
        m->arrived[i] = s->port[i].arrived;
    }
}

static void emit(PlayerPort *p, unsigned n)
{
    gsize len;
    const uint8_t *frame = g_bytes_get_data(
        g_array_index(p->player->frames, GBytes *, n), &len);

    if (p->player->wire_bps) {
        p->free_at = now_ns() + mtk_fe_wire_ns(p->player->wire_bps, len);
    }
    qemu_send_packet(qemu_get_queue(p->nic), frame, len);
}

/* The next frame, as soon as the wire is free, if there may be one more */
static void play(PlayerPort *p)
{
    PlayerState *s = p->player;

    if (s->running && !s->stopping && p->frames &&
        under_way(p) < p->window && !timer_pending(p->timer)) {
        timer_mod(p->timer, MAX(now_ns(), p->free_at));
    }
}

static void port_timer_cb(void *opaque)
{
    PlayerPort *p = opaque;

    if (!p->player->running || p->player->stopping) {
        return;
    }
    emit(p, p->first + p->sent++ % p->frames);
    play(p);
}

static void tell_cb(void *opaque)
{
    PlayerState *s = opaque;

    s->running = false;
    emit(&s->port[1], 0);
}

/* Not from within what the router does at the moment */
static void stop(PlayerState *s)
{
    timer_del(s->stall);
    timer_mod(s->tell, now_ns());
}

static bool all_there(PlayerState *s)
{
    return under_way(&s->port[0]) + under_way(&s->port[1]) <= 0;
}

static void stall_cb(void *opaque)
{
    PlayerState *s = opaque;

    for (unsigned i = 0; i < PLAYER_PORTS; i++) {
        PlayerPort *p = &s->port[i];

        p->lost += MAX(under_way(p), 0);
    }
    if (s->stopping || ++s->stalls == STALLS_MAX) {
        stop(s);
        return;
    }
    timer_mod(s->stall, now_ns() + STALL_NS);
    for (unsigned i = 0; i < PLAYER_PORTS; i++) {
        play(&s->port[i]);
    }
}

static void arrived(PlayerPort *from)
{
    PlayerState *s = from->player;
    uint64_t n;

    from->arrived++;
    n = s->port[0].arrived + s->port[1].arrived;
    s->stalls = 0;
    timer_mod(s->stall, now_ns() + STALL_NS);
    if (n == s->warm) {
        mark(s, &s->begin);
    }
    if (n >= s->total) {
        mark(s, &s->end);
        s->stopping = true;
    }
    if (s->stopping && all_there(s)) {
        stop(s);
    }
    play(from);
}

static ssize_t receive(NetClientState *nc, const uint8_t *frame, size_t len)
{
    PlayerPort *p = qemu_get_nic_opaque(nc);
    PlayerState *s = p->player;

    if (s->running && len >= ETH_HLEN &&
        !memcmp(frame, p->conf.macaddr.a, ETH_ALEN) &&
        lduw_be_p(frame + 12) == ETH_P_IP) {
        arrived(&s->port[p == &s->port[0]]);
    }
    return len;
}

static void go(PlayerState *s, uint32_t total)
{
    for (unsigned i = 0; i < PLAYER_PORTS; i++) {
        PlayerPort *p = &s->port[i];

        if (s->running || !p->nic || p->first >= s->frames->len ||
            p->frames > s->frames->len - p->first) {
            qemu_log_mask(LOG_GUEST_ERROR, "player: it runs, has no wire or "
                          "not these frames\n");
            return;
        }
    }
    s->total = total;
    s->running = true;
    s->stopping = false;
    s->stalls = 0;
    for (unsigned i = 0; i < PLAYER_PORTS; i++) {
        PlayerPort *p = &s->port[i];

        p->sent = p->arrived = p->lost = 0;
        play(p);
    }
    mark(s, &s->begin);
    s->end = s->begin;
    timer_mod(s->stall, now_ns() + STALL_NS);
}

static uint64_t measured(PlayerState *s, unsigned n)
{
    const PlayerPort *p = &s->port[n >= 8];

    switch (n) {
    case 0:
        return s->end.ns - s->begin.ns;
    case 1:
        return s->end.insns - s->begin.insns;
    case 2:
        return s->end.busy_ns - s->begin.busy_ns;
    case 3:
    case 4:
        return s->end.arrived[n - 3] - s->begin.arrived[n - 3];
    case 5:
    case 8:
        return p->sent;
    case 6:
    case 9:
        return p->arrived;
    default:
        return p->lost;
    }
}

static uint32_t *port_reg(PlayerState *s, hwaddr addr)
{
    PlayerPort *p = &s->port[(addr - CTL_PORT) / 0x10];

    switch (addr & 0xf) {
    case 0:
        return &p->first;
    case 4:
        return &p->frames;
    case 8:
        return &p->window;
    }
    return NULL;
}

static uint64_t ctl_read(void *opaque, hwaddr addr, unsigned size)
{
    PlayerState *s = opaque;
    uint64_t val;

    switch (addr) {
    case CTL_MAGIC:
        return MAGIC;
    case CTL_FRAMES:
        return s->frames->len;
    case CTL_TOTAL:
        return s->total;
    case CTL_WARM:
        return s->warm;
    case CTL_RUNNING:
        return s->running;
    case CTL_KBIT_S:
        return s->wire_bps / 1000;
    case CTL_PORT ... CTL_PORT_END:
        return port_reg(s, addr) ? *port_reg(s, addr) : 0;
    case CTL_STATS ... CTL_STATS + 8 * STATS - 4:
        if (addr & 4) {
            return s->high;
        }
        val = measured(s, (addr - CTL_STATS) / 8);
        s->high = val >> 32;
        return val;
    }
    return 0;
}

static void ctl_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    PlayerState *s = opaque;

    switch (addr) {
    case CTL_TOTAL:
        go(s, val);
        break;
    case CTL_WARM:
        s->warm = val;
        break;
    case CTL_KBIT_S:
        s->wire_bps = val * 1000;
        break;
    case CTL_PORT ... CTL_PORT_END:
        if (!s->running && port_reg(s, addr)) {
            *port_reg(s, addr) = val;
        }
        break;
    }
}

static const MemoryRegionOps ctl_ops = {
    .read = ctl_read,
    .write = ctl_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 4, .max_access_size = 4 },
};

static NetClientInfo net_info = {
    .type = NET_CLIENT_DRIVER_NIC,
    .size = sizeof(NICState),
    .receive = receive,
};

/* The classic format of captures, in the byte order of the models' hosts */
static bool read_file(PlayerState *s, Error **errp)
{
    const uint8_t *p;
    gchar *text;
    gsize len;

    if (!g_file_get_contents(s->file, &text, &len, NULL)) {
        error_setg(errp, "player: %s cannot be read", s->file);
        return false;
    }
    s->data = g_bytes_new_take(text, len);
    p = g_bytes_get_data(s->data, NULL);
    if (len < PCAP_HEADER || ldl_le_p(p) != PCAP_MAGIC) {
        error_setg(errp, "player: %s is no pcap file", s->file);
        return false;
    }
    for (gsize at = PCAP_HEADER; at < len; ) {
        gsize n = len - at < PCAP_RECORD ? 0 : ldl_le_p(p + at + 8);
        GBytes *frame;

        at += PCAP_RECORD;
        if (n < ETH_HLEN || n > FRAME_MAX || at + n > len) {
            error_setg(errp, "player: %s: frame %u is cut or too long",
                       s->file, s->frames->len);
            return false;
        }
        frame = g_bytes_new_from_bytes(s->data, at, n);
        g_array_append_val(s->frames, frame);
        at += n;
    }
    return true;
}

static void player_realize(DeviceState *dev, Error **errp)
{
    PlayerState *s = PLAYER(dev);
    SysBusDevice *sbd = SYS_BUS_DEVICE(dev);

    memory_region_init_io(&s->ctl, OBJECT(s), &ctl_ops, s, "player-ctl",
                          PLAYER_CTL_SIZE);
    sysbus_init_mmio(sbd, &s->ctl);
    s->frames = g_array_new(false, false, sizeof(GBytes *));
    s->stall = timer_new_ns(QEMU_CLOCK_VIRTUAL, stall_cb, s);
    s->tell = timer_new_ns(QEMU_CLOCK_VIRTUAL, tell_cb, s);
    if (s->file && !read_file(s, errp)) {
        return;
    }
    for (unsigned i = 0; i < PLAYER_PORTS; i++) {
        PlayerPort *p = &s->port[i];

        p->player = s;
        p->timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, port_timer_cb, p);
        qemu_macaddr_default_if_unset(&p->conf.macaddr);
        if (p->conf.peers.ncs[0]) {
            p->nic = qemu_new_nic(&net_info, &p->conf, TYPE_PLAYER, dev->id,
                                  &dev->mem_reentrancy_guard, p);
        }
    }
}

static const Property player_properties[] = {
    DEFINE_PROP_STRING("frames", PlayerState, file),
    DEFINE_PROP_UINT64("wire-bps", PlayerState, wire_bps, 0),
    DEFINE_PROP_NETDEV("netdev0", PlayerState, port[0].conf.peers),
    DEFINE_PROP_MACADDR("mac0", PlayerState, port[0].conf.macaddr),
    DEFINE_PROP_NETDEV("netdev1", PlayerState, port[1].conf.peers),
    DEFINE_PROP_MACADDR("mac1", PlayerState, port[1].conf.macaddr),
};

static void player_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);

    dc->desc = "player of frames";
    dc->realize = player_realize;
    dc->user_creatable = false;
    device_class_set_props(dc, player_properties);
}

static const TypeInfo player_types[] = {
    {
        .name = TYPE_PLAYER,
        .parent = TYPE_SYS_BUS_DEVICE,
        .instance_size = sizeof(PlayerState),
        .class_init = player_class_init,
    },
};
DEFINE_TYPES(player_types)
