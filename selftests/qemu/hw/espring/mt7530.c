/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MT7530: MDIO frames, registers, resets, interrupts.
 */
#include "qemu/osdep.h"
#include "qemu/module.h"
#include "hw/qdev-properties.h"
#include "mt7530_int.h"

/* Registers of 32 bits through those of 16 at one address */
#define MDIO_HIGH               0x10
#define MDIO_PAGE               0x1f

#define IAC_GO                  (1u << 31)
#define IAC_REG_SHIFT           25
#define IAC_PHY_SHIFT           20
#define IAC_CMD_SHIFT           18
#define IAC_C22                 (1u << 16)
enum { IAC_ADDRESS, IAC_WRITE, IAC_READ, IAC_READ_C45 };

/*
 * Reset values: an unmanaged switch, as it is known to come up; the ones of
 * PVC, PPBV1, AAC and PMCR are those that vendors' scripts restore.
 */
#define MFC_RESET               0xffffff00
#define AAC_RESET               0x00095001      /* 300 s */
#define PCR_RESET               0x00ff0000
#define PVC_RESET               0x810000c0
#define PPBV1_RESET             0x00010001
#define PMCR_RESET              0x00056330
#define GMACCR_RESET            0x00000025      /* 1536; jumbo 9 KiB */
/* A crystal of 25 MHz, as the system controller says; port 5 off */
#define TRAP_VALUE              (3u << 9 | MTRAP_P5_DIS)
#define CREV_VALUE              0x75300000

void mt7530_update_irq(MT7530State *s)
{
    bool routed = (*mt7530_reg(s, R_TOP_SIG_CTRL) & TOP_SIG_NORMAL) ==
                  TOP_SIG_NORMAL;

    qemu_set_irq(s->irq, routed && (*mt7530_reg(s, R_SYS_INT_STS) &
                                    *mt7530_reg(s, R_SYS_INT_EN)));
}

/* The PHY that goes to GMAC1 past the switch, if one does */
int mt7530_muxed_phy(MT7530State *s)
{
    uint32_t trap = *mt7530_reg(s, R_MTRAP);

    if (trap & (MTRAP_P5_DIS | MTRAP_P5_MAC_SEL)) {
        return -1;
    }
    return trap & MTRAP_P5_PHY0_SEL ? 0 : 4;
}

/* MAC status: what is forced, else what its PHY has negotiated */
static uint32_t pmsr(MT7530State *s, unsigned port)
{
    uint32_t pmcr = *mt7530_reg(s, R_PMCR(port));

    if (pmcr & PMCR_FORCE_MODE) {
        return pmcr & PMCR_STATUS;
    }
    return port < MT7530_PHYS ? mt7530_phy_pmsr(&s->port[port]) : 0;
}

bool mt7530_port_up(MT7530State *s, unsigned port)
{
    uint32_t trap = *mt7530_reg(s, R_MTRAP);

    if (s->in_reset || !(pmsr(s, port) & PMSR_LINK)) {
        return false;
    }
    switch (port) {
    case MT7530_GMAC1_PORT:
        return !(trap & MTRAP_P5_DIS) && trap & MTRAP_P5_MAC_SEL;
    case MT7530_GMAC0_PORT:
        return !(trap & MTRAP_P6_DIS);
    }
    return s->port[port].link && mt7530_muxed_phy(s) != (int)port;
}

static void reset_registers(MT7530State *s)
{
    memset(s->regs, 0, sizeof(s->regs));
    *mt7530_reg(s, R_MFC) = MFC_RESET;
    *mt7530_reg(s, R_AAC) = AAC_RESET;
    *mt7530_reg(s, R_GMACCR) = GMACCR_RESET;
    *mt7530_reg(s, R_TRAP) = *mt7530_reg(s, R_MTRAP) = TRAP_VALUE;
    *mt7530_reg(s, R_CREV) = CREV_VALUE;
    for (unsigned i = 0; i < MT7530_PORTS; i++) {
        *mt7530_reg(s, R_SSP(i)) = 0xffff;
        *mt7530_reg(s, R_PCR(i)) = PCR_RESET;
        *mt7530_reg(s, R_PVC(i)) = PVC_RESET;
        *mt7530_reg(s, R_PPBV1(i)) = PPBV1_RESET;
        *mt7530_reg(s, R_PMCR(i)) = PMCR_RESET;
    }
    s->page = s->high = 0;
}

static void reset_phys(MT7530State *s)
{
    for (unsigned i = 0; i < MT7530_PHYS; i++) {
        mt7530_phy_reset(&s->port[i]);
    }
}

static void reset_all(MT7530State *s)
{
    reset_registers(s);
    mt7530_table_reset(s);
    reset_phys(s);
    for (unsigned i = 0; i < MT7530_PORTS; i++) {
        g_queue_clear_full(&s->cpu[i].queue, g_free);
    }
    mt7530_update_irq(s);
}

void mt7530_set_reset(MT7530State *s, bool asserted)
{
    if (asserted && !s->in_reset) {
        reset_all(s);
    }
    s->in_reset = asserted;
}

/* A PHY by its address on the bus of the SoC, or of the switch */
static MT7530Port *phy_at(MT7530State *s, unsigned phy)
{
    return phy < MT7530_PHYS ? &s->port[phy] : NULL;
}

static void iac_write(MT7530State *s, uint32_t val)
{
    MT7530Port *p = phy_at(s, val >> IAC_PHY_SHIFT & 0x1f);
    unsigned reg = val >> IAC_REG_SHIFT & 0x1f;
    unsigned cmd = val >> IAC_CMD_SHIFT & 3;
    uint32_t data = val & 0xffff;

    if (val & IAC_GO && !p) {
        data = 0xffff;
    } else if (val & IAC_GO && val & IAC_C22) {
        if (cmd == IAC_READ) {
            data = mt7530_phy_read(p, reg);
        } else if (cmd == IAC_WRITE) {
            mt7530_phy_write(p, reg, data);
        }
    } else if (val & IAC_GO) {
        if (cmd == IAC_ADDRESS) {
            p->mmd_addr[reg] = data;
        } else if (cmd == IAC_WRITE) {
            mt7530_phy_mmd_write(p, reg, p->mmd_addr[reg], data);
        } else {
            data = mt7530_phy_mmd_read(p, reg, p->mmd_addr[reg]);
            p->mmd_addr[reg] += cmd == IAC_READ;
        }
    }
    *mt7530_reg(s, R_PHY_IAC) = (val & ~(IAC_GO | 0xffff)) | data;
}

static void sys_ctrl_write(MT7530State *s, uint32_t val)
{
    if (val & SYS_CTRL_SW) {
        mt7530_table_reset(s);
    }
    if (val & SYS_CTRL_REG) {
        reset_registers(s);
    }
    if (val & SYS_CTRL_PHY) {
        reset_phys(s);
    }
    mt7530_update_irq(s);
}

static void mib_ccr_write(MT7530State *s, uint32_t val)
{
    *mt7530_reg(s, R_MIB_CCR) = val;
    if (!(val & MIB_CCR_ENABLE)) {
        for (unsigned i = 0; i < MT7530_PORTS; i++) {
            memset(mt7530_reg(s, R_MIB(i)), 0, 0x100);
        }
    }
}

static bool read_only(uint32_t reg)
{
    switch (reg) {
    case R_TSRA1:
    case R_TSRA2:
    case R_ATRD:
    case R_TRAP:
    case R_CREV:
        return true;
    }
    return (reg >= R_MIB(0) && reg < R_MIB(MT7530_PORTS)) ||
           (reg >= R_PMSR(0) && reg <= R_PMSR(MT7530_PORTS - 1) &&
            (reg & 0xff) == (R_PMSR(0) & 0xff));
}

static void reg_write(MT7530State *s, uint32_t reg, uint32_t val)
{
    if (read_only(reg)) {
        return;
    }
    switch (reg) {
    case R_ATC:
        mt7530_atc(s, val);
        return;
    case R_VTCR:
        mt7530_vtcr(s, val);
        return;
    case R_MIB_CCR:
        mib_ccr_write(s, val);
        return;
    case R_SYS_CTRL:
        sys_ctrl_write(s, val);
        return;
    case R_PHY_IAC:
        iac_write(s, val);
        return;
    case R_MTRAP:
        if (val & MTRAP_CHG) {
            *mt7530_reg(s, reg) = val;
        }
        return;
    case R_SYS_INT_STS:
        *mt7530_reg(s, reg) &= ~val;
        break;
    default:
        *mt7530_reg(s, reg) = val;
    }
    mt7530_update_irq(s);
}

static uint32_t reg_read(MT7530State *s, uint32_t reg)
{
    unsigned port = (reg - R_PMSR(0)) / 0x100;

    if (port < MT7530_PORTS && reg == R_PMSR(port)) {
        return pmsr(s, port);
    }
    return *mt7530_reg(s, reg);
}

static uint32_t addressed(MT7530State *s, unsigned reg)
{
    return ((uint32_t)s->page << 6 | reg << 2) & (MT7530_REGS_SIZE - 1);
}

/* The low half takes a copy of the high one, which is read next */
static uint16_t switch_read(MT7530State *s, unsigned reg)
{
    uint32_t val;

    if (reg == MDIO_PAGE) {
        return s->page;
    }
    if (reg == MDIO_HIGH) {
        return s->high;
    }
    if (reg > MDIO_HIGH) {
        return 0;
    }
    val = reg_read(s, addressed(s, reg));
    s->high = val >> 16;
    return val;
}

/* The low half waits for the high one */
static void switch_write(MT7530State *s, unsigned reg, uint16_t val)
{
    if (reg == MDIO_PAGE) {
        s->page = val & 0x3ff;
    } else if (reg == MDIO_HIGH) {
        reg_write(s, addressed(s, s->low_reg), (uint32_t)val << 16 | s->low);
    } else if (reg < MDIO_HIGH) {
        s->low_reg = reg;
        s->low = val;
    }
}

/* Whether the switch hands frames of the SoC's bus on to its PHYs */
static bool direct(MT7530State *s)
{
    return !s->in_reset && !(*mt7530_reg(s, R_MTRAP) & MTRAP_PHY_INDIRECT);
}

uint16_t mt7530_mdio_read(MT7530State *s, unsigned phy, unsigned reg)
{
    MT7530Port *p = phy_at(s, phy);

    if (phy == MT7530_MDIO_ADDR && !s->in_reset) {
        return switch_read(s, reg);
    }
    return p && direct(s) ? mt7530_phy_read(p, reg) : 0xffff;
}

void mt7530_mdio_write(MT7530State *s, unsigned phy, unsigned reg,
                       uint16_t val)
{
    MT7530Port *p = phy_at(s, phy);

    if (phy == MT7530_MDIO_ADDR && !s->in_reset) {
        switch_write(s, reg, val);
    } else if (p && direct(s)) {
        mt7530_phy_write(p, reg, val);
    }
}

uint16_t mt7530_mdio_c45_read(MT7530State *s, unsigned phy, unsigned dev,
                              unsigned reg)
{
    MT7530Port *p = phy_at(s, phy);

    return p && direct(s) ? mt7530_phy_mmd_read(p, dev, reg) : 0xffff;
}

void mt7530_mdio_c45_write(MT7530State *s, unsigned phy, unsigned dev,
                           unsigned reg, uint16_t val)
{
    MT7530Port *p = phy_at(s, phy);

    if (p && direct(s)) {
        mt7530_phy_mmd_write(p, dev, reg, val);
    }
}

static void mt7530_reset(DeviceState *dev)
{
    MT7530State *s = MT7530(dev);

    s->in_reset = false;
    reset_all(s);
}

static void mt7530_realize(DeviceState *dev, Error **errp)
{
    mt7530_ports_realize(MT7530(dev), errp);
}

static void mt7530_init(Object *obj)
{
    MT7530State *s = MT7530(obj);

    sysbus_init_irq(SYS_BUS_DEVICE(obj), &s->irq);
    mt7530_table_init(s);
    mt7530_ctl_init(s);
    for (unsigned i = 0; i < MT7530_PHYS; i++) {
        object_initialize_child(obj, "port[*]", &s->port[i],
                                TYPE_MT7530_PORT);
    }
}

static const Property mt7530_properties[] = {
    DEFINE_PROP_UINT32("an-ms", MT7530State, an_ms, 100),
};

static void mt7530_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);

    dc->desc = "MediaTek MT7530 switch";
    dc->realize = mt7530_realize;
    dc->user_creatable = false;
    device_class_set_legacy_reset(dc, mt7530_reset);
    device_class_set_props(dc, mt7530_properties);
}

static const TypeInfo mt7530_types[] = {
    {
        .name = TYPE_MT7530,
        .parent = TYPE_SYS_BUS_DEVICE,
        .instance_size = sizeof(MT7530State),
        .instance_init = mt7530_init,
        .class_init = mt7530_class_init,
    },
};
DEFINE_TYPES(mt7530_types)
