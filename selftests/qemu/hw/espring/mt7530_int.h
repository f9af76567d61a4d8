/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MT7530: what the files of the model share.
 *
 * Registers and fields are those of mainline's drivers/net/dsa/mt7530.h; the
 * ones that it does not name are in MediaTek's switch driver of OpenWrt
 * (mt753x_regs.h) and in chapter 2.20 of the MT7620 programming guide, whose
 * switch has the same tables.
 */
#ifndef HW_ESPRING_MT7530_INT_H
#define HW_ESPRING_MT7530_INT_H

#include "hw/irq.h"
#include "hw/sysbus.h"
#include "net/net.h"
#include "qemu/timer.h"
#include "mt7530.h"

#define MT7530_PORTS            7
#define MT7530_PHYS             5
#define MT7530_MDIO_ADDR        0x1f
#define MT7530_FRAME_MAX        (16 * 1024)
#define MT7530_ATC_ENTRIES      2048
#define MT7530_VLANS            4096
#define MT7530_FIDS             8

/* Global registers */
#define R_AGC                   0x000c
#define   AGC_LOCAL_EN          (1u << 7)
#define R_MFC                   0x0010
#define   MFC_BC_FFP_SHIFT      24
#define   MFC_UNM_FFP_SHIFT     16
#define   MFC_UNU_FFP_SHIFT     8
#define   MFC_CPU_EN            (1u << 7)
#define   MFC_CPU_PORT_SHIFT    4
#define   MFC_MIRROR_EN         (1u << 3)
#define   MFC_MIRROR_PORT       7u
#define R_BPC                   0x0024
#define R_RGAC1                 0x0028
#define R_RGAC2                 0x002c
#define   FW_EXCLUDE            4u      /* to all but the CPU port */
#define   FW_INCLUDE            5u      /* and to the CPU port */
#define   FW_ONLY               6u      /* to the CPU port alone */
#define   FW_DROP               7u
#define   FW_EG_TAG_SHIFT       6
#define   FW_BPDU               (1u << 9)
#define R_ATA1                  0x0074
#define R_ATA2                  0x0078
#define   ATA2_IVL              (1u << 15)
#define   ATA2_FID_SHIFT        12
#define R_ATWD                  0x007c
#define R_ATC                   0x0080
#define   ATC_CMD               0xfu
#define   ATC_READ              0
#define   ATC_WRITE             1
#define   ATC_FLUSH             2
#define   ATC_FIRST             4
#define   ATC_NEXT              5
#define   ATC_INVALID           (1u << 12)
#define   ATC_HIT               (1u << 13)
#define   ATC_END               (1u << 14)
#define   ATC_BUSY              (1u << 15)
#define R_TSRA1                 0x0084
#define R_TSRA2                 0x0088
#define R_ATRD                  0x008c
#define   AT_STATUS_SHIFT       2
#define   AT_PORT_SHIFT         4
#define   AT_AGE_SHIFT          24
#define   AT_EMPTY              0
#define   AT_DYNAMIC            1
#define   AT_STATIC             3
#define R_VTCR                  0x0090
#define   VTCR_BUSY             (1u << 31)
#define   VTCR_FUNC_SHIFT       12
#define   VTCR_READ             0
#define   VTCR_WRITE            1
#define   VTCR_INVALIDATE       2
#define   VTCR_VALIDATE         3
#define R_VAWD1                 0x0094
#define   VAWD1_IVL             (1u << 30)
#define   VAWD1_EG_CON          (1u << 29)
#define   VAWD1_VTAG_EN         (1u << 28)
#define   VAWD1_MEM_SHIFT       16
#define   VAWD1_FID_SHIFT       1
#define   VAWD1_VALID           1u
#define R_VAWD2                 0x0098
#define R_AAC                   0x00a0
#define   AAC_DIS               (1u << 20)
#define   AAC_CNT_SHIFT         12

/* Of a port: base, and stride 0x100 */
#define R_SSP(p)                (0x2000 + (p) * 0x100)
#define   SSP_DISABLED          0
#define   SSP_BLOCKING          1
#define   SSP_LEARNING          2
#define   SSP_FORWARDING        3
#define R_PCR(p)                (0x2004 + (p) * 0x100)
#define   PCR_EG_TAG_SHIFT      28
#define   PCR_MATRIX_SHIFT      16
#define   PCR_TX_MIR            (1u << 9)
#define   PCR_RX_MIR            (1u << 8)
#define   PCR_VLAN              3u
#define   PCR_MATRIX_MODE       0
#define   PCR_FALLBACK          1
#define   PCR_CHECK             2
#define   PCR_SECURITY          3
#define R_PSC(p)                (0x200c + (p) * 0x100)
#define   PSC_SA_DIS            (1u << 4)
#define R_PVC(p)                (0x2010 + (p) * 0x100)
#define   PVC_STAG_VPID_SHIFT   16
#define   PVC_EG_TAG_SHIFT      8
#define   PVC_ATTR_SHIFT        6
#define   PVC_TRANSPARENT       3
#define   PVC_SPEC_TAG          (1u << 5)
#define   PVC_ACC_FRM           3u
#define   PVC_ACC_TAGGED        1
#define   PVC_ACC_UNTAGGED      2
#define R_PPBV1(p)              (0x2014 + (p) * 0x100)
#define R_PMCR(p)               (0x3000 + (p) * 0x100)
#define   PMCR_FORCE_MODE       (1u << 15)
#define   PMCR_TX_EN            (1u << 14)
#define   PMCR_RX_EN            (1u << 13)
#define   PMCR_STATUS           0xffu   /* the bits that PMSR has, too */
#define   PMSR_RX_FC            (1u << 5)
#define   PMSR_TX_FC            (1u << 4)
#define   PMSR_1000             (1u << 3)
#define   PMSR_100              (1u << 2)
#define   PMSR_FDX              (1u << 1)
#define   PMSR_LINK             1u
#define R_PMSR(p)               (0x3008 + (p) * 0x100)
#define R_GMACCR                0x30e0
#define R_MIB(p)                (0x4000 + (p) * 0x100)
#define R_MIB_CCR               0x4fe0
#define   MIB_CCR_ENABLE        (1u << 31)
#define R_SYS_CTRL              0x7000
#define   SYS_CTRL_PHY          (1u << 2)
#define   SYS_CTRL_SW           (1u << 1)
#define   SYS_CTRL_REG          (1u << 0)
#define R_SYS_INT_EN            0x7008
#define R_SYS_INT_STS           0x700c
#define R_PHY_IAC               0x701c
#define R_TRAP                  0x7800
#define   TRAP_XTAL_40MHZ       (1u << 10)
#define R_MTRAP                 0x7804
#define   MTRAP_P5_PHY0_SEL     (1u << 20)
#define   MTRAP_CHG             (1u << 16)
#define   MTRAP_P5_MAC_SEL      (1u << 13)
#define   MTRAP_P6_DIS          (1u << 8)
#define   MTRAP_P5_DIS          (1u << 6)
#define   MTRAP_PHY_INDIRECT    (1u << 5)
#define R_TOP_SIG_CTRL          0x7808
#define   TOP_SIG_NORMAL        (3u << 16)
#define R_CREV                  0x7ffc
#define MT7530_REGS_SIZE        0x8000
#define MT7530_CTL_SIZE         0x1000

/* What happens to tags at egress: PVC's three bits, and a VLAN's two + 4 */
enum {
    EG_DEFAULT = 0,
    EG_CONSISTENT = 1,
    EG_UNTAG = 4,
    EG_SWAP,
    EG_TAG,
    EG_STACK,
};

/* Counters by their offset in a port's block; bytes have two words */
enum {
    MIB_TX_DROP = 0x00, MIB_TX_UNICAST = 0x08, MIB_TX_MULTICAST = 0x0c,
    MIB_TX_BROADCAST = 0x10, MIB_TX_SIZES = 0x30, MIB_TX_BYTES = 0x48,
    MIB_RX_DROP = 0x60, MIB_RX_FILTERING = 0x64, MIB_RX_UNICAST = 0x68,
    MIB_RX_MULTICAST = 0x6c, MIB_RX_BROADCAST = 0x70,
    MIB_RX_OVERSIZE = 0x84, MIB_RX_SIZES = 0x90, MIB_RX_BYTES = 0xa8,
    MIB_RX_INGRESS_DROP = 0xb4, MIB_RX_ARL_DROP = 0xb8,
};

#define TYPE_MT7530_PORT "mt7530-port"
OBJECT_DECLARE_SIMPLE_TYPE(MT7530Port, MT7530_PORT)

/* A user port: the PHY, and the QEMU network beyond it */
struct MT7530Port {
    DeviceState parent_obj;

    MT7530State *sw;
    unsigned index;
    NICConf conf;
    NICState *nic;
    QEMUTimer an_timer;         /* ends autonegotiation */
    bool link;                  /* of the PHY */
    bool an_done;
    bool latched_down;          /* until BMSR is read */
    bool an_page;               /* a page since ANER was read */
    uint16_t bmcr, adv, ctrl1000;
    uint16_t page, mmd_ctrl, mmd_addr[32];
    uint16_t token[2];
    GHashTable *paged, *mmd, *tokens;
};

typedef struct MT7530Entry {
    uint64_t key;               /* 0: free */
    uint8_t status, ports;
    uint8_t age;                /* AGE_CNT when it was learned; 0: for ever */
    int64_t learned;            /* ms of the virtual clock */
} MT7530Entry;

typedef struct MT7530Frame {
    size_t len;
    uint8_t data[];
} MT7530Frame;

/* The other end of a GMAC */
typedef struct MT7530Cpu {
    MT7530ToCpu to_cpu;
    void *opaque;
    GQueue queue;               /* of MT7530Frame, while it has no room */
    bool draining;
} MT7530Cpu;

struct MT7530State {
    SysBusDevice parent_obj;

    MemoryRegion ctl;
    qemu_irq irq;
    bool in_reset;
    uint16_t page, high;        /* of the MDIO protocol */
    uint16_t low, low_reg;
    uint32_t regs[MT7530_REGS_SIZE / 4];
    uint32_t vawd1[MT7530_VLANS], vawd2[MT7530_VLANS];
    MT7530Entry entries[MT7530_ATC_ENTRIES];
    GHashTable *index;          /* key of an entry to it */
    unsigned search;
    MT7530Port port[MT7530_PHYS];
    MT7530Cpu cpu[MT7530_PORTS];
    bool forwarding;            /* a frame is on its way through */
    QEMUBH *again;              /* asks for those that came meanwhile */
    uint32_t an_ms;
};

static inline uint32_t *mt7530_reg(MT7530State *s, uint32_t offset)
{
    return &s->regs[offset / 4];
}

/* mt7530.c */
void mt7530_update_irq(MT7530State *s);
bool mt7530_port_up(MT7530State *s, unsigned port);
int mt7530_muxed_phy(MT7530State *s);

/* mt7530_ctl.c */
void mt7530_ctl_init(MT7530State *s);

/* mt7530_phy.c */
void mt7530_phy_init(MT7530Port *p);
void mt7530_phy_reset(MT7530Port *p);
void mt7530_phy_cable(MT7530Port *p);
uint32_t mt7530_phy_pmsr(MT7530Port *p);
uint16_t mt7530_phy_read(MT7530Port *p, unsigned reg);
void mt7530_phy_write(MT7530Port *p, unsigned reg, uint16_t val);
uint16_t mt7530_phy_mmd_read(MT7530Port *p, unsigned dev, unsigned reg);
void mt7530_phy_mmd_write(MT7530Port *p, unsigned dev, unsigned reg,
                          uint16_t val);

/* mt7530_table.c */
void mt7530_table_init(MT7530State *s);
void mt7530_table_reset(MT7530State *s);
uint64_t mt7530_key(const uint8_t *mac, bool ivl, unsigned vid, unsigned fid);
MT7530Entry *mt7530_lookup(MT7530State *s, uint64_t key);
void mt7530_learn(MT7530State *s, uint64_t key, unsigned port);
void mt7530_atc(MT7530State *s, uint32_t val);
void mt7530_vtcr(MT7530State *s, uint32_t val);

/* mt7530_fwd.c */
void mt7530_forward(MT7530State *s, unsigned port, const uint8_t *frame,
                    size_t len);

/* mt7530_port.c */
void mt7530_ports_realize(MT7530State *s, Error **errp);
void mt7530_send(MT7530State *s, unsigned port, const uint8_t *frame,
                 size_t len);
void mt7530_count(MT7530State *s, unsigned port, unsigned counter);
void mt7530_count_frame(MT7530State *s, unsigned port, bool tx,
                        const uint8_t *frame, size_t len);

#endif
