/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MT7530: the five PHYs. Registers 0 to 15 are those of IEEE 802.3 clause 22,
 * on every page; 16 to 30 belong to the page in register 31, as mainline's
 * mtk-ge.c and mtk-phy-lib.c use them. The other end of the cable is a port
 * that can all of 10, 100 and 1000, and pause.
 */
#include "qemu/osdep.h"
#include "hw/net/mii.h"
#include "mt7530_int.h"

#define PHY_ID1                 0x03a2
#define PHY_ID2                 0x9412
#define PHY_PAGE                0x1f
#define PAGE_TOKEN_RING         0x52b5
#define TOKEN_COMMAND           0x10
#define   TOKEN_GO              (1u << 15)
#define   TOKEN_READ            (1u << 13)
#define MMD_PCS                 3
#define MMD_AN                  7
#define   PCS_EEE_ABLE          20
#define   AN_EEE_ADV            60
#define   EEE_100_1000          0x0006

#define ADV_DEFAULT (MII_ANAR_CSMACD | MII_ANAR_10 | MII_ANAR_10FD | \
                     MII_ANAR_TX | MII_ANAR_TXFD)
#define PARTNER     (ADV_DEFAULT | MII_ANLPAR_ACK | MII_ANAR_PAUSE | \
                     MII_ANAR_PAUSE_ASYM)

static uint16_t recall(GHashTable *table, uint32_t key)
{
    return GPOINTER_TO_UINT(g_hash_table_lookup(table, GUINT_TO_POINTER(key)));
}

static void store(GHashTable *table, uint32_t key, uint32_t val)
{
    g_hash_table_insert(table, GUINT_TO_POINTER(key), GUINT_TO_POINTER(val));
}

static bool has_cable(MT7530Port *p)
{
    NetClientState *nc = qemu_get_queue(p->nic);

    return nc->peer && !nc->link_down;
}

static bool awake(MT7530Port *p)
{
    return !(p->bmcr & (MII_BMCR_PDOWN | MII_BMCR_ISOLATE));
}

/*
 * What both ends can, or what is forced, as PMSR shows it; 0: nothing in
 * common, no link.
 */
static uint32_t resolve(MT7530Port *p)
{
    uint32_t val = PMSR_LINK;

    if (!(p->bmcr & MII_BMCR_AUTOEN)) {
        return val | (p->bmcr & MII_BMCR_SPEED1000 ? PMSR_1000 :
                      p->bmcr & MII_BMCR_SPEED100 ? PMSR_100 : 0) |
               (p->bmcr & MII_BMCR_FD ? PMSR_FDX : 0);
    }
    if (p->ctrl1000 & MII_CTRL1000_FULL) {
        val |= PMSR_1000 | PMSR_FDX;
    } else if (p->ctrl1000 & MII_CTRL1000_HALF) {
        val |= PMSR_1000;
    } else if (p->adv & MII_ANAR_TXFD) {
        val |= PMSR_100 | PMSR_FDX;
    } else if (p->adv & MII_ANAR_TX) {
        val |= PMSR_100;
    } else if (p->adv & MII_ANAR_10FD) {
        val |= PMSR_FDX;
    } else if (!(p->adv & MII_ANAR_10)) {
        return 0;
    }
    if (val & PMSR_FDX && p->adv & MII_ANAR_PAUSE) {
        val |= PMSR_RX_FC | PMSR_TX_FC;
    }
    return val;
}

uint32_t mt7530_phy_pmsr(MT7530Port *p)
{
    return p->link ? resolve(p) : 0;
}

static void set_link(MT7530Port *p, bool link)
{
    if (link == p->link) {
        return;
    }
    p->link = link;
    p->latched_down |= !link;
    *mt7530_reg(p->sw, R_SYS_INT_STS) |= 1u << p->index;
    mt7530_update_irq(p->sw);
    if (link) {
        qemu_flush_queued_packets(qemu_get_queue(p->nic));
    }
}

static void an_end(void *opaque)
{
    MT7530Port *p = opaque;

    p->an_done = p->bmcr & MII_BMCR_AUTOEN;
    p->an_page = p->an_done;
    set_link(p, resolve(p) != 0);
}

/* Training begins, or there is nobody to train with */
static void restart(MT7530Port *p)
{
    p->an_done = false;
    set_link(p, false);
    if (has_cable(p) && awake(p)) {
        timer_mod(&p->an_timer, qemu_clock_get_ms(QEMU_CLOCK_VIRTUAL) +
                                p->sw->an_ms);
    } else {
        timer_del(&p->an_timer);
    }
}

void mt7530_phy_cable(MT7530Port *p)
{
    restart(p);
}

void mt7530_phy_reset(MT7530Port *p)
{
    p->bmcr = MII_BMCR_AUTOEN | MII_BMCR_FD | MII_BMCR_SPEED1000;
    p->adv = ADV_DEFAULT;
    p->ctrl1000 = MII_CTRL1000_FULL;
    p->page = p->mmd_ctrl = 0;
    g_hash_table_remove_all(p->paged);
    g_hash_table_remove_all(p->mmd);
    g_hash_table_remove_all(p->tokens);
    store(p->mmd, MMD_PCS << 16 | PCS_EEE_ABLE, EEE_100_1000);
    store(p->mmd, MMD_AN << 16 | AN_EEE_ADV, EEE_100_1000);
    restart(p);
}

void mt7530_phy_init(MT7530Port *p)
{
    p->paged = g_hash_table_new(NULL, NULL);
    p->mmd = g_hash_table_new(NULL, NULL);
    p->tokens = g_hash_table_new(NULL, NULL);
    timer_init_ms(&p->an_timer, QEMU_CLOCK_VIRTUAL, an_end, p);
}

uint16_t mt7530_phy_mmd_read(MT7530Port *p, unsigned dev, unsigned reg)
{
    return recall(p->mmd, dev << 16 | reg);
}

void mt7530_phy_mmd_write(MT7530Port *p, unsigned dev, unsigned reg,
                          uint16_t val)
{
    if (dev != MMD_PCS || reg != PCS_EEE_ABLE) {
        store(p->mmd, dev << 16 | reg, val);
    }
}

/* 45.2 through clause 22: address, data, data and count on */
static uint16_t mmd_data_read(MT7530Port *p)
{
    unsigned dev = p->mmd_ctrl & 0x1f, function = p->mmd_ctrl >> 14;
    uint16_t val;

    if (!function) {
        return p->mmd_addr[dev];
    }
    val = mt7530_phy_mmd_read(p, dev, p->mmd_addr[dev]);
    p->mmd_addr[dev] += function == 2;
    return val;
}

static void mmd_data_write(MT7530Port *p, uint16_t val)
{
    unsigned dev = p->mmd_ctrl & 0x1f, function = p->mmd_ctrl >> 14;

    if (!function) {
        p->mmd_addr[dev] = val;
        return;
    }
    mt7530_phy_mmd_write(p, dev, p->mmd_addr[dev], val);
    p->mmd_addr[dev] += function >= 2;
}

static uint16_t bmsr_read(MT7530Port *p)
{
    uint16_t val = MII_BMSR_100TX_FD | MII_BMSR_100TX_HD | MII_BMSR_10T_FD |
                   MII_BMSR_10T_HD | MII_BMSR_EXTSTAT | MII_BMSR_MFPS |
                   MII_BMSR_AUTONEG | MII_BMSR_EXTCAP;

    if (p->an_done) {
        val |= MII_BMSR_AN_COMP;
    }
    if (p->link && !p->latched_down) {
        val |= MII_BMSR_LINK_ST;
    }
    p->latched_down = false;
    return val;
}

static uint16_t aner_read(MT7530Port *p)
{
    uint16_t val = (p->an_done ? MII_ANER_NWAY : 0) | p->an_page << 1;

    p->an_page = false;
    return val;
}

static uint16_t paged_read(MT7530Port *p, unsigned reg)
{
    if (p->page == PAGE_TOKEN_RING && reg > TOKEN_COMMAND &&
        reg <= TOKEN_COMMAND + 2) {
        return p->token[reg - TOKEN_COMMAND - 1];
    }
    return recall(p->paged, p->page << 5 | reg);
}

/* A command of the token ring moves 32 bits between it and two registers */
static void token_command(MT7530Port *p, uint16_t val)
{
    uint32_t node = (val & ~(TOKEN_GO | TOKEN_READ)) << 1;

    if (!(val & TOKEN_GO)) {
        return;
    }
    for (int i = 0; i < 2; i++) {
        if (val & TOKEN_READ) {
            p->token[i] = recall(p->tokens, node + i);
        } else {
            store(p->tokens, node + i, p->token[i]);
        }
    }
}

static void paged_write(MT7530Port *p, unsigned reg, uint16_t val)
{
    if (p->page == PAGE_TOKEN_RING && reg == TOKEN_COMMAND) {
        token_command(p, val);
    } else if (p->page == PAGE_TOKEN_RING && reg > TOKEN_COMMAND &&
               reg <= TOKEN_COMMAND + 2) {
        p->token[reg - TOKEN_COMMAND - 1] = val;
        return;
    }
    store(p->paged, p->page << 5 | reg, val);
}

uint16_t mt7530_phy_read(MT7530Port *p, unsigned reg)
{
    switch (reg) {
    case MII_BMCR:
        return p->bmcr;
    case MII_BMSR:
        return bmsr_read(p);
    case MII_PHYID1:
        return PHY_ID1;
    case MII_PHYID2:
        return PHY_ID2;
    case MII_ANAR:
        return p->adv;
    case MII_ANLPAR:
        return p->an_done ? PARTNER : 0;
    case MII_ANER:
        return aner_read(p);
    case MII_CTRL1000:
        return p->ctrl1000;
    case MII_STAT1000:
        return p->an_done ? MII_STAT1000_LOK | MII_STAT1000_ROK |
                            MII_STAT1000_FULL | MII_STAT1000_HALF : 0;
    case MII_MDDACR:
        return p->mmd_ctrl;
    case MII_MDDAADR:
        return mmd_data_read(p);
    case MII_EXTSTAT:
        return MII_EXTSTAT_1000T_FD | MII_EXTSTAT_1000T_HD;
    case PHY_PAGE:
        return p->page;
    }
    return reg < 16 ? 0 : paged_read(p, reg);
}

static void bmcr_write(MT7530Port *p, uint16_t val)
{
    uint16_t old = p->bmcr;

    if (val & MII_BMCR_RESET) {
        mt7530_phy_reset(p);
        return;
    }
    p->bmcr = val & ~MII_BMCR_ANRESTART;
    if (val & MII_BMCR_ANRESTART || p->bmcr != old) {
        restart(p);
    }
}

void mt7530_phy_write(MT7530Port *p, unsigned reg, uint16_t val)
{
    switch (reg) {
    case MII_BMCR:
        bmcr_write(p, val);
        break;
    case MII_ANAR:
        p->adv = val;
        break;
    case MII_CTRL1000:
        p->ctrl1000 = val;
        break;
    case MII_MDDACR:
        p->mmd_ctrl = val;
        break;
    case MII_MDDAADR:
        mmd_data_write(p, val);
        break;
    case PHY_PAGE:
        p->page = val;
        break;
    default:
        if (reg >= 16) {
            paged_write(p, reg, val);
        }
    }
}
