/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frame engine of the MT7621: two GMACs, QDMA to send, PDMA to receive, MDIO.
 *
 * Registers and descriptors are those that the in-tree mtk_eth_soc uses on
 * this SoC (its first generation: descriptors of four words). What the driver
 * does not show is from Ralink's data sheets of earlier SoCs with the same
 * PDMA, or a guess, see ../../README.md.
 */
#ifndef HW_ESPRING_MTK_FE_H
#define HW_ESPRING_MTK_FE_H

#include "qemu/queue.h"
#include "hw/sysbus.h"
#include "net/net.h"
#include "qom/object.h"
#include "mt7530.h"

#define TYPE_MTK_FE "mtk-fe"
OBJECT_DECLARE_SIMPLE_TYPE(MTKFEState, MTK_FE)
#define TYPE_MTK_GMAC "mtk-gmac"
OBJECT_DECLARE_SIMPLE_TYPE(MTKGmacState, MTK_GMAC)

#define MTK_FE_SIZE             0x20000
#define MTK_FE_CTL_SIZE         0x1000
#define MTK_FE_GMACS            2
#define MTK_FE_QUEUES           16
#define MTK_FE_FRAME_MAX        2048    /* of the MACs, and a scratch page */
#define MTK_FE_TSO_MAX          (128 * 1024)

/* Bits of the SoC's reset register */
#define MTK_RST_FE              6
#define MTK_RST_ETH             23
#define MTK_RST_PPE             31

/* Frame engine */
#define FE_GLO_CFG              0x0000
#define FE_RST_GL               0x0004
#define FE_INT_STATUS           0x0008
#define   FE_INT_FQ_EMPTY       (1u << 8)
#define   FE_INT_TSO_FAIL       (1u << 12)
#define   FE_INT_TSO_ILLEGAL    (1u << 13)
#define   FE_INT_GDM_AF(n)      (1u << (28 + (n)))
#define FE_INT_ENABLE           0x000c
#define FE_FOE_TS               0x0010  /* seconds, for the PPE's entries */
#define FE_INT_GRP              0x0020
#define PSE_OQ_STA              0x0118
#define FE_CDM1_FSM             0x0220
#define FE_GDM_FSM(n)           (0x0228 + 4 * (n))
#define CDMP_IG_CTRL            0x0400
#define CDMQ_IG_CTRL            0x1400
#define   CDM_STAG_EN           (1u << 0)
#define CDMP_EG_CTRL            0x0404
#define   CDM_UNTAG_EN          (1u << 0)
#define GDMA_FWD_CFG(n)         (0x0500 + 0x1000 * (n))
#define   GDMA_SPECIAL_TAG      (1u << 24)
#define   GDMA_ICS_EN           (1u << 22)
#define   GDMA_TCS_EN           (1u << 21)
#define   GDMA_UCS_EN           (1u << 20)
#define   GDMA_TO_PDMA          0
#define   GDMA_TO_PPE           4
#define   GDMA_DROP             7
#define GDMA_MAC_ADRL(n)        (0x0508 + 0x1000 * (n))
#define GDMA_MAC_ADRH(n)        (0x050c + 0x1000 * (n))

/* PDMA: reception */
#define PDMA_RX_PTR             0x0900
#define PDMA_RX_CNT             0x0904
#define PDMA_PCRX               0x0908
#define PDMA_DRX                0x090c
#define PDMA_GLO_CFG            0x0a04
#define PDMA_RST_IDX            0x0a08
#define   PST_DRX_IDX0          (1u << 16)
#define PDMA_DELAY_INT          0x0a0c
#define PDMA_INT_STATUS         0x0a20
#define PDMA_INT_MASK           0x0a28
#define PDMA_RX_DBG0            0x0a38
#define PDMA_INT_GRP            0x0a50

/* PPE, which never finds an entry here */
#define PPE_GLO_CFG             0x0e00
#define   PPE_EN                (1u << 0)
#define   PPE_IP4_L4_CS_DROP    (1u << 2)
#define   PPE_IP4_CS_DROP       (1u << 3)
#define PPE_CPU_PORT            0x0e48
#define PPE_CACHE_CTL           0x0f20
#define   PPE_CACHE_REQ         (1u << 8)
#define PPE_MIB_SER_CR          0x0f3c
#define   PPE_MIB_SER_ST        (1u << 16)
#define PPE_FIRST               0x0e00
#define PPE_LAST                0x0ffc

/* QDMA: transmission */
#define QDMA_QTX_CFG(q)         (0x1800 + 0x10 * (q))
#define QDMA_QTX_SCH(q)         (0x1804 + 0x10 * (q))
#define   QTX_MAX_RATE_EN       (1u << 11)
#define QDMA_RX_PTR             0x1900
#define QDMA_RX_LAST            0x190c
#define QDMA_GLO_CFG            0x1a04
#define   DMA_RX_2B_OFFSET      (1u << 31)
#define   DMA_TX_WB_DDONE       (1u << 6)
#define   DMA_RX_BUSY           (1u << 3)
#define   DMA_RX_EN             (1u << 2)
#define   DMA_TX_BUSY           (1u << 1)
#define   DMA_TX_EN             (1u << 0)
#define QDMA_RST_IDX            0x1a08
#define QDMA_DELAY_INT          0x1a0c
#define QDMA_FC_TH              0x1a10
#define QDMA_SCH_RATE           0x1a14
#define QDMA_INT_STATUS         0x1a18
#define QDMA_INT_MASK           0x1a1c
#define QDMA_INT_GRP            0x1a20
#define QDMA_FSM                0x1a34
#define QDMA_HRED               0x1a44
#define QDMA_CTX                0x1b00
#define QDMA_DTX                0x1b04
#define QDMA_FWD                0x1b08
#define QDMA_CRX                0x1b10
#define QDMA_DRX                0x1b14
#define QDMA_FQ_HEAD            0x1b20
#define QDMA_FQ_TAIL            0x1b24
#define QDMA_FQ_COUNT           0x1b28
#define QDMA_FQ_BLEN            0x1b2c

/* Interrupts of both DMAs */
#define   INT_RX_COHERENT       (1u << 31)
#define   INT_RX_DLY            (1u << 30)
#define   INT_TX_COHERENT       (1u << 29)
#define   INT_TX_DLY            (1u << 28)
#define   INT_RX_DONE0          (1u << 16)
#define   INT_TX_DONE0          (1u << 0)

#define GDM_MIB                 0x2400
#define GDM_MIB_SIZE            0x40

/* MDIO and the MACs */
#define PPSC                    0x10000
#define PHY_IAC                 0x10004
#define   PHY_IAC_ACCESS        (1u << 31)
#define MAC_MISC                0x1000c
#define GSW_CFG                 0x10080
#define MAC_MCR(n)              (0x10100 + 0x100 * (n))
#define   MCR_MAX_RX(v)         (((v) >> 24) & 3)
#define   MCR_FORCE_MODE        (1u << 15)
#define   MCR_TX_EN             (1u << 14)
#define   MCR_RX_EN             (1u << 13)
#define   MCR_FORCE_TX_FC       (1u << 4)
#define   MCR_FORCE_LINK        (1u << 0)
#define   MCR_STATE             0x3f    /* as in MSR */
#define MAC_EEECR(n)            (0x10104 + 0x100 * (n))
#define MAC_MSR(n)              (0x10108 + 0x100 * (n))
#define MAC_FSM(n)              (0x1010c + 0x100 * (n))
#define TRGMII_FIRST            0x10300
#define TRGMII_LAST             0x103fc

/* Transmit descriptor: address, next, length, offloads */
#define   TXD3_OWNER_CPU        (1u << 31)
#define   TXD3_LAST             (1u << 30)
#define   TXD3_LEN(v)           (((v) >> 16) & 0x3fff)
#define   TXD3_QID(v)           ((v) & 0xf)
#define   TXD4_CHKSUM           (7u << 29)
#define   TXD4_TSO              (1u << 28)
#define   TXD4_FPORT(v)         (((v) >> 25) & 7)
#define   TXD4_INS_VLAN         (1u << 16)

/* Receive descriptor: address, length, VLAN, what was found */
#define   RXD2_DONE             (1u << 31)
#define   RXD2_LAST             (1u << 30)
#define   RXD2_VTAG             (1u << 15)
#define   RXD4_L4_VALID         (1u << 24)
#define   RXD4_SPECIAL_TAG      (1u << 22)
#define   RXD4_SPORT(n)         ((n) << 19)
#define   RXD4_NO_FOE           0x3fff

/* Special tag: type and ports where a type would be, then a VLAN's TCI */
#define MTK_TAG_OFFSET          12
#define MTK_TAG_LEN             4
#define MTK_TAG_TYPE_MAX        2

typedef struct MTKFEFaults {
    uint32_t stop_tx;           /* QDMA stops until a reset of the engine */
    uint32_t stop_rx;           /* PDMA does */
    uint32_t lose_irq;          /* the next N interrupts never rise */
    uint32_t rx_fcs;            /* the next N frames have a wrong FCS */
    uint32_t rx_none;           /* the next N frames find no descriptor */
    uint32_t tx_skip;           /* the next N frames do not leave the MAC */
    uint32_t gone;              /* all registers read ones */
} MTKFEFaults;

#define MTK_FE_FAULTS (sizeof(MTKFEFaults) / sizeof(uint32_t))

typedef struct MTKFEStats {
    uint64_t reg_reads, reg_writes;
    uint64_t doorbells;         /* writes of CTX */
    uint64_t acks;              /* writes of PCRX */
    uint64_t irqs;              /* rising edges */
    uint64_t tx_desc;
    uint64_t tx_frames, tx_bytes;       /* on the wire, after TSO */
    uint64_t tx_tso;            /* what was cut into pieces */
    uint64_t tx_drops;          /* no link, or no such port */
    uint64_t tx_held;           /* went through a scratch page */
    uint64_t rx_frames, rx_bytes;       /* given to the ring */
    uint64_t rx_full;           /* times the ring was full */
    uint64_t rx_drops;
    uint64_t mdio;
    uint64_t faults;            /* times one struck */
} MTKFEStats;

#define MTK_FE_STATS (sizeof(MTKFEStats) / sizeof(uint64_t))

/* Counters of a GDM, in the order of their registers; 0x0c is reserved */
typedef struct MTKMib {
    uint64_t rx_bytes;
    uint32_t rx_packets, reserved;
    uint32_t rx_overflow, rx_fcs, rx_short, rx_long, rx_checksum, rx_pause;
    uint32_t tx_skip, tx_collisions;
    uint64_t tx_bytes;
    uint32_t tx_packets;
} MTKMib;

/* Interrupt moderation of one direction */
typedef struct MTKDelay {
    QEMUTimer *timer;
    uint32_t pending;
} MTKDelay;

/* A frame that waits in a scratch page */
typedef struct MTKHeld {
    QSIMPLEQ_ENTRY(MTKHeld) entry;
    uint32_t page;              /* its descriptor */
    uint32_t data;
    uint32_t len;
    uint8_t gmac;
} MTKHeld;

typedef struct MTKQueue {
    QSIMPLEQ_HEAD(, MTKHeld) held;
    int64_t free_at;            /* ns: when its maximum rate allows the next */
} MTKQueue;

struct MTKGmacState {
    DeviceState parent_obj;

    MTKFEState *fe;
    unsigned id;
    NICConf conf;
    NICState *nic;
    MTKMib mib;
    int64_t tx_free_at;         /* ns: when the wire is */
    bool peer_busy;             /* until its callback */
    bool refused;               /* a frame waits at the other end */
    QEMUTimer *rx_timer;
    uint32_t rx_len;            /* of the frame on its way in, 0: none */
    uint8_t rx[MTK_FE_FRAME_MAX];
};

struct MTKFEState {
    SysBusDevice parent_obj;

    MemoryRegion regs, ctl;
    qemu_irq irq;
    MTKGmacState gmac[MTK_FE_GMACS];
    MT7530State *sw;            /* or NULL: set before it is realized */
    uint64_t wire_bps;          /* of each GMAC and direction; 0: no limit */

    uint32_t reg[MTK_FE_SIZE / 4];
    uint16_t c45_reg;           /* of the address cycle before */
    MTKDelay tx_delay, rx_delay;
    MTKQueue queue[MTK_FE_QUEUES];
    unsigned next_queue;
    QEMUTimer *tx_timer;
    bool tx_running, tx_again;
    bool tx_stopped, rx_stopped;        /* by a fault */
    bool irq_level, irq_lost;
    struct NetRxPkt *rx_pkt;
    uint8_t *tx_buf;

    MTKFEStats stats;
    MTKFEFaults faults;
    uint32_t stat_high;         /* latched with the low word */
};

#define FE_REG(s, addr) ((s)->reg[(addr) / 4])

/* What offload hardware sees of a frame */
typedef struct MTKParsed {
    bool ip4, ip6, tcp, udp, fragment;
    uint8_t l4_proto;
    size_t l3, l4, l5;
} MTKParsed;

/* mtk_fe.c: registers, interrupts, resets */
void mtk_fe_configure_nics(MTKFEState *s);
void mtk_fe_reset_line(MTKFEState *s, unsigned bit, bool asserted);
void mtk_fe_update_irq(MTKFEState *s);
void mtk_fe_done(MTKFEState *s, bool tx);
bool mtk_fe_dma_read(uint32_t addr, void *buf, size_t len);
bool mtk_fe_dma_write(uint32_t addr, const void *buf, size_t len);
void mtk_fe_put_desc(uint32_t addr, unsigned first, const uint32_t *words,
                     unsigned n);
bool mtk_fe_get_desc(uint32_t addr, uint32_t words[4]);

/* mtk_fe_tx.c: QDMA */
void mtk_fe_tx_run(MTKFEState *s);
void mtk_fe_tx_reset(MTKFEState *s);
void mtk_fe_tx_init(MTKFEState *s);
void mtk_fe_tx_segment(MTKFEState *s, unsigned gmac, unsigned qid,
                       uint8_t *frame, size_t len);

/* mtk_fe_rx.c: what comes from a GMAC, PDMA */
bool mtk_fe_rx(MTKGmacState *g, const uint8_t *frame, size_t len);
void mtk_fe_rx_retry(MTKFEState *s);
void mtk_fe_rx_reset(MTKFEState *s);
void mtk_fe_rx_init(MTKFEState *s);

/* mtk_fe_mac.c: GMACs with their wires and counters, MDIO */
bool mtk_gmac_up(MTKGmacState *g, uint32_t enable);
bool mtk_gmac_can_send(MTKGmacState *g);
void mtk_gmac_send(MTKGmacState *g, const uint8_t *frame, size_t len);
bool mtk_gmac_pause(MTKGmacState *g);
int64_t mtk_fe_wire_ns(uint64_t bps, size_t len);
uint32_t mtk_gmac_status(MTKGmacState *g);
uint32_t mtk_gmac_read_mib(MTKGmacState *g, hwaddr offset);
void mtk_gmac_count(MTKGmacState *g, bool tx, size_t len);
void mtk_gmac_flush(MTKGmacState *g);
void mtk_fe_mdio(MTKFEState *s, uint32_t val);

/* mtk_fe_offload.c: checksums, segmentation, tags */
bool mtk_fe_has_tag(const uint8_t *frame, size_t len);
void mtk_fe_parse(uint8_t *frame, size_t len, bool tagged, MTKParsed *p);
void mtk_fe_checksum(uint8_t *frame, size_t len, const MTKParsed *p);
uint32_t mtk_fe_tso(MTKFEState *s, unsigned gmac, unsigned qid, uint8_t *frame,
                    size_t len, const MTKParsed *p);
bool mtk_fe_verify(MTKFEState *s, uint8_t *frame, size_t len, bool tagged,
                   bool *ip_bad, bool *l4_bad);

/* mtk_fe_ctl.c: faults, counters */
extern const MemoryRegionOps mtk_fe_ctl_ops;
void mtk_fe_add_properties(MTKFEState *s);
bool mtk_fe_strikes(MTKFEState *s, uint32_t *fault);

#endif
