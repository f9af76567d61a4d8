/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MT7530: a frame's way from its port of entry to those of exit.
 *
 * The order of the steps, and what overrides what, follows from the comments
 * of mainline's mt7530.c and from 2.20.4 and 2.20.5 of the MT7620 guide; what
 * neither says is listed in ../../README.md.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "net/eth.h"
#include "mt7530_int.h"

#define ADDRS           12      /* destination and source */
#define TAG             4       /* special tag, or 802.1Q's */
#define STAG_8100       1       /* first byte: what the tag stands for */
#define STAG_88A8       2
#define STAG_PORTS      0x3f    /* second byte from the CPU */
#define STAG_SA_DIS     0x40
#define VID             0xfff

typedef struct Packet {
    const uint8_t *frame;
    size_t len;
    unsigned port;
    const uint8_t *rest;        /* from the type behind the tags on */
    size_t rest_len;
    bool tagged;                /* a tag was taken off */
    uint16_t tpid, tci;
    uint8_t forced;             /* ports that the CPU has named */
    bool sa_dis;
    bool vlan_hit, ivl;
    unsigned vid, fid;
    uint32_t vawd1, vawd2;
    bool bpdu;                  /* STP does not stop it */
    unsigned eg_tag;            /* of the rule that trapped it */
} Packet;

static uint32_t port_reg(MT7530State *s, unsigned offset_of_0, unsigned port)
{
    return *mt7530_reg(s, offset_of_0 + port * 0x100);
}

static size_t max_length(MT7530State *s)
{
    static const uint16_t fixed[] = { 1522, 1536, 1552 };
    uint32_t val = *mt7530_reg(s, R_GMACCR);

    return (val & 3) < 3 ? fixed[val & 3] : (val >> 2 & 0xf) * 1024;
}

/* Take off the special tag, or the VLAN tag if the port looks at those */
static void parse(MT7530State *s, Packet *p)
{
    uint32_t pvc = port_reg(s, R_PVC(0), p->port);
    const uint8_t *at = p->frame + ADDRS;

    p->rest = at;
    p->rest_len = p->len - ADDRS;
    if (pvc & PVC_SPEC_TAG) {
        p->tagged = at[0] & (STAG_8100 | STAG_88A8);
        p->tpid = at[0] & STAG_88A8 ? ETH_P_DVLAN : ETH_P_VLAN;
        p->forced = at[1] & STAG_PORTS;
        p->sa_dis = at[1] & STAG_SA_DIS;
    } else if ((pvc >> PVC_ATTR_SHIFT & 3) != PVC_TRANSPARENT &&
               lduw_be_p(at) == ETH_P_VLAN) {
        p->tagged = true;
        p->tpid = ETH_P_VLAN;
    } else {
        return;
    }
    p->tci = p->tagged ? lduw_be_p(at + 2) : 0;
    p->rest += TAG;
    p->rest_len -= TAG;
}

static bool acceptable(MT7530State *s, Packet *p)
{
    bool tagged = p->tagged && p->tci & VID;

    switch (port_reg(s, R_PVC(0), p->port) & PVC_ACC_FRM) {
    case PVC_ACC_TAGGED:
        return tagged;
    case PVC_ACC_UNTAGGED:
        return !tagged;
    }
    return true;
}

/* False: the port's mode does not let this VLAN in */
static bool classify(MT7530State *s, Packet *p)
{
    unsigned mode = port_reg(s, R_PCR(0), p->port) & PCR_VLAN;

    p->vid = p->tagged ? p->tci & VID : 0;
    if (!p->vid) {
        p->vid = port_reg(s, R_PPBV1(0), p->port) & VID;
    }
    if (mode == PCR_MATRIX_MODE) {
        return true;
    }
    p->vawd1 = s->vawd1[p->vid];
    p->vawd2 = s->vawd2[p->vid];
    p->vlan_hit = p->vawd1 & VAWD1_VALID;
    if (!p->vlan_hit) {
        return mode == PCR_FALLBACK;
    }
    p->ivl = p->vawd1 & VAWD1_IVL;
    p->fid = p->vawd1 >> VAWD1_FID_SHIFT & (MT7530_FIDS - 1);
    return mode != PCR_SECURITY ||
           p->vawd1 >> VAWD1_MEM_SHIFT & 1u << p->port;
}

/* The half of a register that has the rule for a reserved address */
static uint32_t reserved_rule(MT7530State *s, Packet *p)
{
    static const uint8_t reserved[] = { 0x01, 0x80, 0xc2, 0x00, 0x00 };

    if (p->rest_len >= 2 && lduw_be_p(p->rest) == 0x888e) {
        return *mt7530_reg(s, R_BPC) >> 16;
    }
    if (memcmp(p->frame, reserved, sizeof(reserved))) {
        return 0;
    }
    switch (p->frame[5]) {
    case 0x00:
        return (*mt7530_reg(s, R_BPC) & 0xffff) | FW_BPDU;
    case 0x01:
        return *mt7530_reg(s, R_RGAC1) & 0xffff;
    case 0x02:
        return *mt7530_reg(s, R_RGAC1) >> 16;
    case 0x03:
        return *mt7530_reg(s, R_RGAC2) & 0xffff;
    case 0x0e:
        return *mt7530_reg(s, R_RGAC2) >> 16;
    }
    return 0;
}

static uint8_t cpu_port(MT7530State *s)
{
    uint32_t mfc = *mt7530_reg(s, R_MFC);

    return mfc & MFC_CPU_EN ? 1u << (mfc >> MFC_CPU_PORT_SHIFT & 7) : 0;
}

static unsigned stp_state(MT7530State *s, unsigned port, unsigned fid)
{
    return port_reg(s, R_SSP(0), port) >> 2 * fid & 3;
}

/* By the table, or by who gets what is not in it */
static uint8_t by_address(MT7530State *s, Packet *p)
{
    uint32_t mfc = *mt7530_reg(s, R_MFC);
    MT7530Entry *e;

    if (is_broadcast_ether_addr(p->frame)) {
        return mfc >> MFC_BC_FFP_SHIFT;
    }
    e = mt7530_lookup(s, mt7530_key(p->frame, p->ivl, p->vid, p->fid));
    if (e) {
        return e->ports;
    }
    return mfc >> (is_multicast_ether_addr(p->frame) ? MFC_UNM_FFP_SHIFT
                                                     : MFC_UNU_FFP_SHIFT);
}

static uint8_t lookup(MT7530State *s, Packet *p)
{
    uint8_t to = by_address(s, p);

    to &= port_reg(s, R_PCR(0), p->port) >> PCR_MATRIX_SHIFT;
    if (p->vlan_hit) {
        to &= p->vawd1 >> VAWD1_MEM_SHIFT;
    }
    for (unsigned i = 0; i < MT7530_PORTS; i++) {
        if (!p->bpdu && stp_state(s, i, p->fid) != SSP_FORWARDING) {
            to &= ~(1u << i);
        }
    }
    return to;
}

static uint8_t destinations(MT7530State *s, Packet *p, uint32_t rule)
{
    uint8_t to;

    if (p->forced) {
        return p->forced;
    }
    switch (rule & 7) {
    case FW_ONLY:
        to = cpu_port(s);
        break;
    case FW_INCLUDE:
        to = lookup(s, p) | cpu_port(s);
        break;
    case FW_EXCLUDE:
        to = lookup(s, p) & ~cpu_port(s);
        break;
    case FW_DROP:
        to = 0;
        break;
    default:
        to = lookup(s, p);
    }
    return to & ~(1u << p->port);
}

/* First the rule that trapped it, then the port of entry, then the VLAN */
static unsigned egress_mode(MT7530State *s, Packet *p, unsigned to)
{
    unsigned mode = p->eg_tag;

    if (!mode) {
        mode = port_reg(s, R_PVC(0), p->port) >> PVC_EG_TAG_SHIFT & 7;
    }
    if (mode) {
        return mode;
    }
    if (p->vlan_hit && p->vawd1 & VAWD1_EG_CON) {
        return EG_CONSISTENT;
    }
    if (p->vlan_hit && p->vawd1 & VAWD1_VTAG_EN) {
        return EG_UNTAG + (p->vawd2 >> 2 * to & 3);
    }
    return EG_UNTAG + (port_reg(s, R_PCR(0), to) >> PCR_EG_TAG_SHIFT & 3);
}

static uint8_t *put_tag(uint8_t *at, uint16_t first, uint16_t second)
{
    stw_be_p(at, first);
    stw_be_p(at + 2, second);
    return at + TAG;
}

/*
 * A special tag has room for a VLAN's; stacking leaves that empty and puts the
 * VLAN tag behind it.
 */
static void send_as(MT7530State *s, Packet *p, unsigned to, unsigned mode)
{
    bool tag = mode == EG_CONSISTENT ? p->tagged : mode > EG_UNTAG;
    uint16_t tpid = mode == EG_CONSISTENT ? p->tpid : ETH_P_VLAN;
    uint16_t tci = mode == EG_CONSISTENT ? p->tci : (p->tci & ~VID) | p->vid;
    uint8_t out[MT7530_FRAME_MAX + 2 * TAG], *at = out + ADDRS;

    memcpy(out, p->frame, ADDRS);
    if (port_reg(s, R_PVC(0), to) & PVC_SPEC_TAG) {
        bool joined = tag && mode != EG_STACK;
        uint8_t kind = !joined ? 0 : tpid == ETH_P_DVLAN ? STAG_88A8
                                                         : STAG_8100;

        at = put_tag(at, kind << 8 | p->port, joined ? tci : 0);
        tag = tag && !joined;
    }
    if (tag) {
        at = put_tag(at, tpid, tci);
    }
    memcpy(at, p->rest, p->rest_len);
    mt7530_send(s, to, out, at + p->rest_len - out);
}

static int monitor(MT7530State *s, unsigned of, uint32_t direction)
{
    uint32_t mfc = *mt7530_reg(s, R_MFC);
    unsigned port = mfc & MFC_MIRROR_PORT;

    if (!(mfc & MFC_MIRROR_EN) || port >= MT7530_PORTS ||
        !(port_reg(s, R_PCR(0), of) & direction) ||
        (port == of && !(*mt7530_reg(s, R_AGC) & AGC_LOCAL_EN))) {
        return -1;
    }
    return port;
}

static void deliver(MT7530State *s, Packet *p, uint8_t to)
{
    for (unsigned i = 0; i < MT7530_PORTS; i++) {
        unsigned mode;
        int copy;

        if (!(to & 1u << i)) {
            continue;
        }
        mode = egress_mode(s, p, i);
        send_as(s, p, i, mode);
        copy = monitor(s, i, PCR_TX_MIR);
        if (copy >= 0) {
            send_as(s, p, copy, mode);
        }
    }
}

/* Ingress rules, spanning tree, learning; where it goes if it may go on */
static uint8_t admit(MT7530State *s, Packet *p)
{
    uint32_t rule = 0;
    uint8_t to = 0;
    unsigned state;

    if (!acceptable(s, p) || (!classify(s, p) && !p->forced)) {
        mt7530_count(s, p->port, MIB_RX_INGRESS_DROP);
        return 0;
    }
    if (!p->forced) {
        rule = reserved_rule(s, p);
        p->bpdu = rule & FW_BPDU;
        p->eg_tag = rule >> FW_EG_TAG_SHIFT & 7;
    }
    state = p->forced ? SSP_FORWARDING : stp_state(s, p->port, p->fid);
    if (state >= SSP_LEARNING && !p->sa_dis && !(p->frame[6] & 1) &&
        !(port_reg(s, R_PSC(0), p->port) & PSC_SA_DIS)) {
        mt7530_learn(s, mt7530_key(p->frame + 6, p->ivl, p->vid, p->fid),
                     p->port);
    }
    if (state == SSP_FORWARDING || p->bpdu) {
        to = destinations(s, p, rule);
    }
    if (!to) {
        mt7530_count(s, p->port, MIB_RX_FILTERING);
    }
    return to;
}

void mt7530_forward(MT7530State *s, unsigned port, const uint8_t *frame,
                    size_t len)
{
    Packet p = { .frame = frame, .len = len, .port = port };
    bool nested = s->forwarding;
    int copy;

    if (len + ETH_FCS_LEN > max_length(s) || len > MT7530_FRAME_MAX) {
        mt7530_count(s, port, MIB_RX_OVERSIZE);
        return;
    }
    mt7530_count_frame(s, port, false, frame, len);
    s->forwarding = true;
    parse(s, &p);
    copy = monitor(s, port, PCR_RX_MIR);
    if (copy >= 0) {
        send_as(s, &p, copy, EG_CONSISTENT);
    }
    deliver(s, &p, admit(s, &p));
    s->forwarding = nested;
}
