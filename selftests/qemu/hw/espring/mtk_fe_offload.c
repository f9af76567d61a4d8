/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MT7621 frame engine: checksums, segmentation, tags.
 */
#include "qemu/osdep.h"
#include "qemu/iov.h"
#include "hw/net/net_rx_pkt.h"
#include "net/checksum.h"
#include "net/eth.h"
#include "mtk_fe.h"

/*
 * The parser takes the special tag for an outer VLAN tag, and so does QEMU's,
 * once it has the type of one.
 */
static uint16_t disguise(uint8_t *frame)
{
    uint16_t tag = lduw_be_p(frame + MTK_TAG_OFFSET);

    stw_be_p(frame + MTK_TAG_OFFSET, ETH_P_DVLAN);
    return tag;
}

/* A type would be 0x600 at least, a tag of these is 0x2ff at most */
bool mtk_fe_has_tag(const uint8_t *frame, size_t len)
{
    return len >= MTK_TAG_OFFSET + MTK_TAG_LEN + 2 &&
           frame[MTK_TAG_OFFSET] <= MTK_TAG_TYPE_MAX;
}

void mtk_fe_parse(uint8_t *frame, size_t len, bool tagged, MTKParsed *p)
{
    struct iovec iov = { .iov_base = frame, .iov_len = len };
    eth_ip4_hdr_info ip4;
    eth_ip6_hdr_info ip6;
    eth_l4_hdr_info l4;
    uint16_t tag = 0;

    memset(p, 0, sizeof(*p));
    memset(&ip4, 0, sizeof(ip4));
    memset(&ip6, 0, sizeof(ip6));
    memset(&l4, 0, sizeof(l4));
    if (tagged) {
        tag = disguise(frame);
    }
    eth_get_protocols(&iov, 1, 0, &p->ip4, &p->ip6, &p->l3, &p->l4, &p->l5,
                      &ip6, &ip4, &l4);
    if (tagged) {
        stw_be_p(frame + MTK_TAG_OFFSET, tag);
    }
    p->fragment = (p->ip4 && ip4.fragment) || (p->ip6 && ip6.fragment);
    p->tcp = l4.proto == ETH_L4_HDR_PROTO_TCP;
    p->udp = l4.proto == ETH_L4_HDR_PROTO_UDP;
    p->l4_proto = p->tcp ? IP_PROTO_TCP : IP_PROTO_UDP;
}

/*
 * The checksum of TCP or UDP over what the IP header says is there. Only UDP,
 * where 0 stands for none, sends ones instead.
 */
static void checksum_l4(uint8_t *frame, size_t len, const MTKParsed *p)
{
    uint8_t *l3 = frame + p->l3, *l4 = frame + p->l4;
    size_t field = p->tcp ? offsetof(struct tcp_header, th_sum)
                          : offsetof(struct udp_header, uh_sum);
    size_t size, end;
    uint32_t sum, seq = 0;

    if (p->ip4) {
        end = p->l3 + lduw_be_p(l3 + offsetof(struct ip_header, ip_len));
    } else {
        end = p->l3 + sizeof(struct ip6_header) + lduw_be_p(l3 + 4);
    }
    if (end > len || end < p->l4 + field + 2) {
        return;
    }
    size = end - p->l4;
    stw_be_p(l4 + field, 0);
    if (p->ip4) {
        sum = eth_calc_ip4_pseudo_hdr_csum((struct ip_header *)l3, size, &seq);
    } else {
        sum = eth_calc_ip6_pseudo_hdr_csum((struct ip6_header *)l3, size,
                                           p->l4_proto, &seq);
    }
    sum += net_checksum_add_cont(size, l4, seq);
    stw_be_p(l4 + field, p->udp ? net_checksum_finish_nozero(sum)
                                : net_checksum_finish(sum));
}

void mtk_fe_checksum(uint8_t *frame, size_t len, const MTKParsed *p)
{
    if (p->ip4) {
        eth_fix_ip4_checksum(frame + p->l3, p->l4 - p->l3);
    }
    if ((p->ip4 || p->ip6) && (p->tcp || p->udp) && !p->fragment) {
        checksum_l4(frame, len, p);
    }
}

/*
 * The segment's size stands in the checksum field of the TCP header. Only the
 * first segment has CWR, only the last FIN and PSH.
 *
 * Returns: 0, or what to set in FE_INT_STATUS
 */
uint32_t mtk_fe_tso(MTKFEState *s, unsigned gmac, unsigned qid, uint8_t *frame,
                    size_t len, const MTKParsed *p)
{
    struct tcp_header *th = (struct tcp_header *)(frame + p->l4);
    g_autofree uint8_t *out = NULL;
    size_t head, mss, at, n;
    uint8_t flags;
    uint32_t seq;
    uint16_t id;

    if (!(p->ip4 || p->ip6) || !p->tcp || p->fragment) {
        return FE_INT_TSO_FAIL;
    }
    head = p->l5;
    mss = be16_to_cpu(th->th_sum);
    if (!mss || head + mss > MTK_FE_FRAME_MAX || head > len ||
        head < p->l4 + sizeof(*th)) {
        return FE_INT_TSO_ILLEGAL;
    }
    s->stats.tx_tso++;
    out = g_malloc(MTK_FE_FRAME_MAX);
    flags = frame[p->l4 + 13];
    seq = be32_to_cpu(th->th_seq);
    id = p->ip4 ? lduw_be_p(frame + p->l3 + 4) : 0;

    for (at = head; at < len || at == head; at += n) {
        uint8_t *l3 = out + p->l3, *l4 = out + p->l4;
        uint8_t f = flags;

        n = MIN(mss, len - at);
        memcpy(out, frame, head);
        memcpy(out + head, frame + at, n);
        if (p->ip4) {
            stw_be_p(l3 + 2, head - p->l3 + n);
            stw_be_p(l3 + 4, id++);
        } else {
            stw_be_p(l3 + 4, head - p->l3 - sizeof(struct ip6_header) + n);
        }
        stl_be_p(l4 + 4, seq + (at - head));
        if (at > head) {
            f &= ~TH_CWR;
        }
        if (at + n < len) {
            f &= ~(TH_FIN | TH_PUSH);
        }
        l4[13] = f;
        mtk_fe_checksum(out, head + n, p);
        mtk_fe_tx_segment(s, gmac, qid, out, head + n);
        if (!n) {
            break;
        }
    }
    return 0;
}

/*
 * Returns: true if it is TCP or UDP whose checksum, and the header's of IPv4,
 * are right
 */
bool mtk_fe_verify(MTKFEState *s, uint8_t *frame, size_t len, bool tagged,
                   bool *ip_bad, bool *l4_bad)
{
    struct iovec iov = { .iov_base = frame, .iov_len = len };
    bool ip4, ip6, ok = false, valid = false;
    EthL4HdrProto proto;
    uint16_t tag = 0;

    *ip_bad = *l4_bad = false;
    if (tagged) {
        tag = disguise(frame);
    }
    net_rx_pkt_attach_iovec(s->rx_pkt, &iov, 1, 0, false);
    net_rx_pkt_get_protocols(s->rx_pkt, &ip4, &ip6, &proto);
    if (ip4 && net_rx_pkt_validate_l3_csum(s->rx_pkt, &ok)) {
        *ip_bad = !ok;
    }
    if ((ip4 || ip6) && !*ip_bad &&
        (proto == ETH_L4_HDR_PROTO_TCP || proto == ETH_L4_HDR_PROTO_UDP) &&
        net_rx_pkt_validate_l4_csum(s->rx_pkt, &ok)) {
        valid = ok;
        *l4_bad = !ok;
    }
    if (tagged) {
        stw_be_p(frame + MTK_TAG_OFFSET, tag);
    }
    return valid;
}
