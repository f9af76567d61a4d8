/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MT7621 frame engine: registers, interrupts, resets.
 *
 * Most registers only keep what is written. The ones that do something are in
 * the two switches below; what belongs to none of the blocks that are modelled
 * is logged (-d unimp).
 */
#include "qemu/osdep.h"
#include "qemu/log.h"
#include "qemu/module.h"
#include "qemu/timer.h"
#include "exec/address-spaces.h"
#include "qapi/error.h"
#include "hw/irq.h"
#include "hw/net/net_rx_pkt.h"
#include "hw/qdev-properties.h"
#include "migration/vmstate.h"
#include "mtk_fe.h"

/* Both numbers of DELAY_INT: packets, and units of time that may be pending */
#define DELAY_EN(v)             ((v) & 0x8000)
#define DELAY_PINT(v)           (((v) >> 8) & 0x7f)
#define DELAY_PTIME(v)          ((v) & 0xff)
#define DELAY_UNIT_NS           20000

/* What the driver's monitor looks at; it resets an engine that seems to hang */
#define FSM_BUSY                0x00010000
#define MAC_FSM_IDLE            0x01000000
#define MAC_FSM_BUSY            0x02000000
#define RX_DBG_IDLE             0x40
#define OQ_WAITING              1

bool mtk_fe_dma_read(uint32_t addr, void *buf, size_t len)
{
    return !address_space_read(&address_space_memory, addr,
                               MEMTXATTRS_UNSPECIFIED, buf, len);
}

bool mtk_fe_dma_write(uint32_t addr, const void *buf, size_t len)
{
    return !address_space_write(&address_space_memory, addr,
                                MEMTXATTRS_UNSPECIFIED, buf, len);
}

bool mtk_fe_get_desc(uint32_t addr, uint32_t words[4])
{
    if (!mtk_fe_dma_read(addr, words, 16)) {
        return false;
    }
    for (int i = 0; i < 4; i++) {
        words[i] = le32_to_cpu(words[i]);
    }
    return true;
}

void mtk_fe_put_desc(uint32_t addr, unsigned first, const uint32_t *words,
                     unsigned n)
{
    uint32_t le[4];

    for (unsigned i = 0; i < n; i++) {
        le[i] = cpu_to_le32(words[i]);
    }
    mtk_fe_dma_write(addr + 4 * first, le, 4 * n);
}

static uint32_t counters_full(MTKFEState *s)
{
    uint32_t status = 0;

    for (unsigned n = 0; n < MTK_FE_GMACS; n++) {
        MTKMib *m = &s->gmac[n].mib;

        if ((m->rx_packets | m->tx_packets | m->rx_overflow) >> 31 ||
            (m->rx_bytes | m->tx_bytes) >> 63) {
            status |= FE_INT_GDM_AF(n);
        }
    }
    return status;
}

/* One line for all of it: the groups are lines that this SoC does not have */
void mtk_fe_update_irq(MTKFEState *s)
{
    bool level;

    FE_REG(s, FE_INT_STATUS) |= counters_full(s);
    level = (FE_REG(s, PDMA_INT_STATUS) & FE_REG(s, PDMA_INT_MASK)) ||
            (FE_REG(s, QDMA_INT_STATUS) & FE_REG(s, QDMA_INT_MASK)) ||
            (FE_REG(s, FE_INT_STATUS) & FE_REG(s, FE_INT_ENABLE));
    level &= !s->faults.gone;
    if (!level) {
        s->irq_lost = false;
    } else if (!s->irq_level && !s->irq_lost) {
        s->irq_lost = mtk_fe_strikes(s, &s->faults.lose_irq);
    }
    level &= !s->irq_lost;
    s->stats.irqs += level && !s->irq_level;
    s->irq_level = level;
    qemu_set_irq(s->irq, level);
}

static uint32_t delay_config(MTKFEState *s, bool tx)
{
    return tx ? FE_REG(s, QDMA_DELAY_INT) >> 16 : FE_REG(s, PDMA_DELAY_INT);
}

static void delay_over(MTKFEState *s, bool tx)
{
    MTKDelay *d = tx ? &s->tx_delay : &s->rx_delay;

    timer_del(d->timer);
    d->pending = 0;
    if (tx) {
        FE_REG(s, QDMA_INT_STATUS) |= INT_TX_DLY;
    } else {
        FE_REG(s, PDMA_INT_STATUS) |= INT_RX_DLY;
    }
}

/*
 * A frame is sent or received. The delayed interrupt, which is the one that the
 * driver uses, tells of so many, or of one that has waited for so long; a
 * number of 0 turns its half off.
 */
void mtk_fe_done(MTKFEState *s, bool tx)
{
    MTKDelay *d = tx ? &s->tx_delay : &s->rx_delay;
    uint32_t conf = delay_config(s, tx);

    if (tx) {
        FE_REG(s, QDMA_INT_STATUS) |= INT_TX_DONE0;
    } else {
        FE_REG(s, PDMA_INT_STATUS) |= INT_RX_DONE0;
    }
    if (DELAY_EN(conf)) {
        d->pending++;
        if (DELAY_PINT(conf) && d->pending >= DELAY_PINT(conf)) {
            delay_over(s, tx);
        } else if (DELAY_PTIME(conf) && !timer_pending(d->timer)) {
            timer_mod(d->timer, qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) +
                      DELAY_PTIME(conf) * DELAY_UNIT_NS);
        }
    }
    mtk_fe_update_irq(s);
}

static void delay_reset(MTKDelay *d)
{
    timer_del(d->timer);
    d->pending = 0;
}

static void tx_delay_cb(void *opaque)
{
    delay_over(opaque, true);
    mtk_fe_update_irq(opaque);
}

static void rx_delay_cb(void *opaque)
{
    delay_over(opaque, false);
    mtk_fe_update_irq(opaque);
}

/* GMAC whose register this is, given that of the first and their distance */
static bool of_gmac(hwaddr addr, hwaddr first, hwaddr step, unsigned *n)
{
    *n = (addr - first) / step;
    return addr >= first && *n < MTK_FE_GMACS && addr == first + *n * step;
}

/* Is it kept? What is not of a modelled block reads 0. */
static bool is_kept(hwaddr addr)
{
    switch (addr) {
    case FE_GLO_CFG ... FE_FOE_TS + 0xc:
    case FE_INT_GRP:
    case 0x0100 ... 0x017c:             /* PSE */
    case 0x0220 ... 0x022c:
    case 0x0400 ... 0x040c:             /* CDMP */
    case 0x0500 ... 0x054c:             /* GDM1 */
    case 0x0900 ... 0x093c:             /* PDMA */
    case 0x0a00 ... 0x0a5c:
    case PPE_FIRST ... PPE_LAST:
    case 0x1400 ... 0x140c:             /* CDMQ */
    case 0x1500 ... 0x154c:             /* GDM2 */
    case 0x1800 ... 0x190c:             /* QDMA */
    case 0x1a00 ... 0x1a5c:
    case 0x1b00 ... 0x1b2c:
    case 0x2800 ... 0x2ffc:             /* WDMA, which has no user here */
    case PPSC ... MAC_MISC:
    case GSW_CFG:
    case 0x10100 ... 0x1020c:
    case TRGMII_FIRST ... TRGMII_LAST:
        return true;
    }
    return false;
}

static uint32_t read_reg(MTKFEState *s, hwaddr addr)
{
    unsigned n;

    switch (addr) {
    case FE_FOE_TS:
        return qemu_clock_get_ms(QEMU_CLOCK_VIRTUAL) / 1000;
    case FE_INT_STATUS:
        return FE_REG(s, FE_INT_STATUS) | counters_full(s);
    case PSE_OQ_STA:
        return s->rx_stopped ? OQ_WAITING : 0;
    case FE_CDM1_FSM:
        return s->rx_stopped ? FSM_BUSY : 0;
    case PDMA_RX_DBG0:
        return s->rx_stopped ? 0 : RX_DBG_IDLE;
    case FE_GDM_FSM(0):
    case FE_GDM_FSM(1):
        return s->tx_stopped ? FSM_BUSY : 0;
    case MAC_FSM(0):
    case MAC_FSM(1):
        return s->tx_stopped ? MAC_FSM_BUSY : MAC_FSM_IDLE;
    case QDMA_FSM:
        return s->tx_stopped;
    case QDMA_FWD:
        return !s->tx_stopped;
    case GDM_MIB ... GDM_MIB + MTK_FE_GMACS * GDM_MIB_SIZE - 4:
        n = (addr - GDM_MIB) / GDM_MIB_SIZE;
        return mtk_gmac_read_mib(&s->gmac[n], (addr - GDM_MIB) % GDM_MIB_SIZE);
    }
    if (of_gmac(addr, MAC_MSR(0), 0x100, &n)) {
        return mtk_gmac_status(&s->gmac[n]);
    }
    if (!is_kept(addr)) {
        qemu_log_mask(LOG_UNIMP, "mtk-fe: read of 0x%05" HWADDR_PRIx "\n",
                      addr);
    }
    return FE_REG(s, addr);
}

static uint64_t regs_read(void *opaque, hwaddr addr, unsigned size)
{
    MTKFEState *s = opaque;

    s->stats.reg_reads++;
    if (s->faults.gone) {
        s->stats.faults++;
        return 0xffffffff;
    }
    return read_reg(s, addr);
}

static void write_glo_cfg(MTKFEState *s, hwaddr addr, uint32_t val)
{
    /* Whatever it is busy with is done before the next access */
    FE_REG(s, addr) = val & ~(DMA_RX_BUSY | DMA_TX_BUSY);
    if (addr == QDMA_GLO_CFG) {
        mtk_fe_tx_run(s);
    } else {
        mtk_fe_rx_retry(s);
    }
}

static void write_delay(MTKFEState *s, hwaddr addr, uint32_t val)
{
    FE_REG(s, addr) = val;
    if (!DELAY_EN(delay_config(s, addr == QDMA_DELAY_INT))) {
        delay_reset(addr == QDMA_DELAY_INT ? &s->tx_delay : &s->rx_delay);
    }
}

static void write_reg(MTKFEState *s, hwaddr addr, uint32_t val)
{
    unsigned n;

    switch (addr) {
    case FE_RST_GL:
        if (val & 1) {
            mtk_fe_reset_line(s, MTK_RST_FE, true);
        }
        return;
    case FE_INT_STATUS:
    case PDMA_INT_STATUS:
    case QDMA_INT_STATUS:
        FE_REG(s, addr) &= ~val;
        mtk_fe_update_irq(s);
        return;
    case FE_INT_ENABLE:
    case PDMA_INT_MASK:
    case QDMA_INT_MASK:
        FE_REG(s, addr) = val;
        mtk_fe_update_irq(s);
        return;
    case PDMA_GLO_CFG:
    case QDMA_GLO_CFG:
        write_glo_cfg(s, addr, val);
        return;
    case PDMA_DELAY_INT:
    case QDMA_DELAY_INT:
        write_delay(s, addr, val);
        return;
    case PDMA_RST_IDX:
        if (val & PST_DRX_IDX0) {
            FE_REG(s, PDMA_DRX) = 0;
        }
        return;
    case PDMA_PCRX:
        s->stats.acks++;
        FE_REG(s, addr) = val;
        mtk_fe_rx_retry(s);
        return;
    case QDMA_CTX:
        s->stats.doorbells++;
        FE_REG(s, addr) = val;
        mtk_fe_tx_run(s);
        return;
    case PPE_MIB_SER_CR:
        val &= ~PPE_MIB_SER_ST;
        break;
    case PPE_CACHE_CTL:
        val &= ~PPE_CACHE_REQ;
        break;
    case PHY_IAC:
        mtk_fe_mdio(s, val);
        return;
    case PDMA_DRX:
    case FE_FOE_TS:
    case QDMA_FSM:
    case QDMA_FWD:
        return;
    }
    if (of_gmac(addr, MAC_MCR(0), 0x100, &n)) {
        FE_REG(s, addr) = val;
        mtk_gmac_flush(&s->gmac[n]);
        return;
    }
    if (of_gmac(addr, MAC_MSR(0), 0x100, &n)) {
        return;
    }
    if (!is_kept(addr)) {
        qemu_log_mask(LOG_UNIMP, "mtk-fe: write of 0x%05" HWADDR_PRIx "\n",
                      addr);
        return;
    }
    FE_REG(s, addr) = val;
}

static void regs_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    MTKFEState *s = opaque;

    s->stats.reg_writes++;
    if (s->faults.gone) {
        s->stats.faults++;
        return;
    }
    write_reg(s, addr, val);
}

static const MemoryRegionOps regs_ops = {
    .read = regs_read,
    .write = regs_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 4, .max_access_size = 4 },
};

static void clear_regs(MTKFEState *s, hwaddr first, hwaddr end)
{
    memset(&FE_REG(s, first), 0, end - first);
}

/* The engine without its MACs: rings, interrupts, counters, what hangs */
static void reset_engine(MTKFEState *s)
{
    clear_regs(s, 0, PPE_FIRST);
    clear_regs(s, PPE_LAST + 4, 0x10000);
    delay_reset(&s->tx_delay);
    delay_reset(&s->rx_delay);
    mtk_fe_tx_reset(s);
    mtk_fe_rx_reset(s);
    for (unsigned n = 0; n < MTK_FE_GMACS; n++) {
        memset(&s->gmac[n].mib, 0, sizeof(s->gmac[n].mib));
    }
    s->tx_stopped = s->rx_stopped = false;
    s->faults.stop_tx = s->faults.stop_rx = 0;
    mtk_fe_update_irq(s);
}

/* A line of the system controller; while it is held nothing runs either */
void mtk_fe_reset_line(MTKFEState *s, unsigned bit, bool asserted)
{
    if (!asserted) {
        return;
    }
    switch (bit) {
    case MTK_RST_FE:
        reset_engine(s);
        break;
    case MTK_RST_ETH:
        clear_regs(s, 0x10000, MTK_FE_SIZE);
        break;
    case MTK_RST_PPE:
        clear_regs(s, PPE_FIRST, PPE_LAST + 4);
        break;
    }
}

static void fe_reset(DeviceState *dev)
{
    MTKFEState *s = MTK_FE(dev);

    s->irq_level = s->irq_lost = false;
    mtk_fe_reset_line(s, MTK_RST_FE, true);
    mtk_fe_reset_line(s, MTK_RST_ETH, true);
    mtk_fe_reset_line(s, MTK_RST_PPE, true);
    memset(&s->stats, 0, sizeof(s->stats));
}

static void fe_realize(DeviceState *dev, Error **errp)
{
    MTKFEState *s = MTK_FE(dev);

    s->tx_delay.timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, tx_delay_cb, s);
    s->rx_delay.timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, rx_delay_cb, s);
    net_rx_pkt_init(&s->rx_pkt);
    mtk_fe_tx_init(s);
    for (unsigned n = 0; n < MTK_FE_GMACS; n++) {
        if (!qdev_realize(DEVICE(&s->gmac[n]), NULL, errp)) {
            return;
        }
    }
    mtk_fe_rx_init(s);
}

static void fe_init(Object *obj)
{
    MTKFEState *s = MTK_FE(obj);
    SysBusDevice *sbd = SYS_BUS_DEVICE(obj);

    memory_region_init_io(&s->regs, obj, &regs_ops, s, "mtk-fe", MTK_FE_SIZE);
    memory_region_init_io(&s->ctl, obj, &mtk_fe_ctl_ops, s, "mtk-fe-ctl",
                          MTK_FE_CTL_SIZE);
    sysbus_init_mmio(sbd, &s->regs);
    sysbus_init_mmio(sbd, &s->ctl);
    sysbus_init_irq(sbd, &s->irq);
    for (unsigned n = 0; n < MTK_FE_GMACS; n++) {
        g_autofree char *name = g_strdup_printf("gmac%u", n);

        object_initialize_child(obj, name, &s->gmac[n], TYPE_MTK_GMAC);
        s->gmac[n].fe = s;
        s->gmac[n].id = n;
    }
    mtk_fe_add_properties(s);
}

/* -nic BACKEND,model=gmac0: a peer of its own instead of the switch */
void mtk_fe_configure_nics(MTKFEState *s)
{
    for (unsigned n = 0; n < MTK_FE_GMACS; n++) {
        qemu_configure_nic_device(DEVICE(&s->gmac[n]), false,
                                  n ? "gmac1" : "gmac0");
    }
}

static const VMStateDescription fe_vmstate = {
    .name = TYPE_MTK_FE,
    .unmigratable = true,
};

static void fe_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);

    dc->desc = "frame engine of the MT7621";
    dc->realize = fe_realize;
    dc->vmsd = &fe_vmstate;
    dc->user_creatable = false;
    device_class_set_legacy_reset(dc, fe_reset);
}

static const TypeInfo fe_types[] = {
    {
        .name = TYPE_MTK_FE,
        .parent = TYPE_SYS_BUS_DEVICE,
        .instance_size = sizeof(MTKFEState),
        .instance_init = fe_init,
        .class_init = fe_class_init,
    },
};
DEFINE_TYPES(fe_types)
