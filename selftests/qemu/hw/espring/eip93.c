/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SafeXcel EIP-93: registers, rings and interrupts.
 *
 * Autonomous ring mode: the host fills command descriptors and says how many
 * by a write to CD_COUNT; the engine executes one after the other, writes a
 * result descriptor for each, and counts it in RD_COUNT until the host says
 * that it has seen it.
 */
#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "qemu/log.h"
#include "qemu/module.h"
#include "qemu/timer.h"
#include "qapi/error.h"
#include "hw/irq.h"
#include "hw/qdev-properties.h"
#include "migration/vmstate.h"
#include "eip93.h"

static uint32_t ring_size(EIP93State *s)
{
    return FIELD_EX32(s->ring_config, RING_CONFIG, SIZE) + 1;
}

static uint32_t desc_addr(EIP93State *s, uint32_t base, uint32_t index)
{
    uint32_t words = FIELD_EX32(s->ring_config, RING_CONFIG, OFFSET);

    return base + index * 4 * (words ?: EIP93_DESC_WORDS);
}

static bool ring_mode(EIP93State *s)
{
    return FIELD_EX32(s->pe_config, PE_CONFIG, MODE) == EIP93_MODE_AUTO_RING &&
           !FIELD_EX32(s->pe_config, PE_CONFIG, RST_RING) &&
           !FIELD_EX32(s->pe_config, PE_CONFIG, RST_PE);
}

/*
 * A source stays set as long as its reason lasts, so that clearing it too
 * early loses nothing.
 */
void eip93_update_irq(EIP93State *s)
{
    bool level;

    if (ring_mode(s)) {
        if (s->rd_count > FIELD_EX32(s->ring_thresh, RING_THRESH, RDR)) {
            s->int_raw |= EIP93_INT_RDR_THRESH;
        }
        if (s->cd_count < FIELD_EX32(s->ring_thresh, RING_THRESH, CDR)) {
            s->int_raw |= EIP93_INT_CDR_THRESH;
        }
    }

    level = (s->int_raw & s->int_mask) && !s->faults.gone;
    if (!level) {
        s->irq_lost = false;
        if (!s->irq_false && !s->faults.gone) {
            s->irq_false = eip93_strikes(s, &s->faults.spurious_irq);
        }
        level = s->irq_false;
    } else {
        s->irq_false = false;
        if (!s->irq_level && !s->irq_lost &&
            eip93_strikes(s, &s->faults.lose_irq)) {
            s->irq_lost = true;
        }
        level = !s->irq_lost;
    }

    if (level && !s->irq_level) {
        s->stats.irqs++;
    }
    s->irq_level = level;
    if (FIELD_EX32(s->int_cfg, INT_CFG, PULSE)) {
        if (level) {
            qemu_irq_pulse(s->irq);
            s->irq_level = false;
        }
    } else {
        qemu_set_irq(s->irq, level);
    }
}

/* The RD timeout runs while results wait that the threshold does not tell of */
static void rd_timeout_start(EIP93State *s)
{
    uint64_t clocks = 1ULL << (FIELD_EX32(s->ring_thresh, RING_THRESH,
                                          TIMEOUT) + 10);

    if (!s->rd_count || !FIELD_EX32(s->ring_thresh, RING_THRESH, TIMEOUT_EN)) {
        timer_del(s->rd_timeout);
        return;
    }
    timer_mod(s->rd_timeout, qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) +
              muldiv64(clocks, NANOSECONDS_PER_SECOND, s->clock_hz));
}

static void rd_timeout_cb(void *opaque)
{
    EIP93State *s = opaque;

    if (s->rd_count && ring_mode(s) && !s->faults.gone) {
        s->int_raw |= EIP93_INT_RDR_THRESH;
        eip93_update_irq(s);
    }
}

static void count_result(EIP93State *s)
{
    if (!s->rd_count++) {
        rd_timeout_start(s);
    }
}

static bool may_start(EIP93State *s)
{
    return !s->busy && !s->hung && !s->stuck && !s->faults.gone &&
           ring_mode(s) && FIELD_EX32(s->clocks, CLOCK_CTRL, PE) &&
           s->cd_count && s->rd_count < ring_size(s);
}

/* Start on the next descriptor, not before what came earlier is done */
static void start(EIP93State *s)
{
    int64_t now = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
    int64_t cost;

    if (!may_start(s)) {
        return;
    }
    if (!eip93_dma_read(s, desc_addr(s, s->cdr_base, s->cdr_index), s->desc,
                        sizeof(s->desc),
                        FIELD_EX32(s->pe_config, PE_CONFIG, SWAP_CDRD))) {
        /* nowhere to write a result to either, most likely */
        s->stuck = true;
        s->int_raw |= EIP93_INT_IF_ERR;
        eip93_update_irq(s);
        return;
    }
    for (int i = 0; i < EIP93_DESC_WORDS; i++) {
        s->desc[i] = le32_to_cpu(s->desc[i]);
    }
    s->busy = true;
    s->counted = eip93_strikes(s, &s->faults.count_early);
    if (s->counted) {
        count_result(s);
        eip93_update_irq(s);
    }
    cost = eip93_cost(s, s->desc);
    s->stats.busy_ns += cost;
    s->done_at = MAX(now, s->done_at) + cost;
    timer_mod(s->work, s->done_at);
}

/* Both ownership fields last, and the one in the first word after the other */
static bool write_result(EIP93State *s, uint32_t addr, const uint32_t *desc)
{
    bool swap = FIELD_EX32(s->pe_config, PE_CONFIG, SWAP_CDRD);
    uint32_t le[EIP93_DESC_WORDS];

    for (int i = 0; i < EIP93_DESC_WORDS; i++) {
        le[i] = cpu_to_le32(desc[i]);
    }
    return eip93_dma_write(s, addr + 4, le + 1, EIP93_DESC_SIZE - 4, swap) &&
           eip93_dma_write(s, addr, le, 4, swap);
}

static bool update_command(EIP93State *s, uint32_t addr, const uint32_t *desc)
{
    bool swap = FIELD_EX32(s->pe_config, PE_CONFIG, SWAP_CDRD);
    uint32_t ctrl = cpu_to_le32(desc[DESC_CTRL]);
    uint32_t length = cpu_to_le32(desc[DESC_LENGTH]);

    return eip93_dma_write(s, addr + 4 * DESC_LENGTH, &length, 4, swap) &&
           eip93_dma_write(s, addr, &ctrl, 4, swap);
}

static void finish(EIP93State *s)
{
    uint32_t cdr = desc_addr(s, s->cdr_base, s->cdr_index);
    uint32_t rdr = desc_addr(s, s->rdr_base, s->rdr_index);
    uint32_t status;
    bool ok = true;

    eip93_execute(s, s->desc);
    if (s->stuck) {
        return;
    }
    if (FIELD_EX32(s->pe_config, PE_CONFIG, CDR_UPDATE)) {
        ok = update_command(s, cdr, s->desc);
    }
    if (!write_result(s, rdr, s->desc) || !ok) {
        s->int_raw |= EIP93_INT_IF_ERR;
    }

    status = s->desc[DESC_CTRL];
    s->int_raw |= EIP93_INT_OP_DONE;
    if (status & EIP93_ST_EXT) {
        switch ((status >> 20) & 0xf) {
        case EIP93_ERR_BUS:
            s->int_raw |= EIP93_INT_IF_ERR;
            break;
        case EIP93_ERR_OWNER:
            s->int_raw |= EIP93_INT_RING_ERR;
            break;
        default:
            s->int_raw |= EIP93_INT_PROC_ERR;
        }
    }

    s->cdr_index = (s->cdr_index + 1) % ring_size(s);
    s->rdr_index = (s->rdr_index + 1) % ring_size(s);
    s->cd_count--;
    if (!s->counted) {
        count_result(s);
    }
    if (s->faults.hang_after && !--s->faults.hang_after) {
        s->hung = true;
        s->stats.faults++;
    }
    eip93_update_irq(s);
}

static void work_cb(void *opaque)
{
    EIP93State *s = opaque;

    /* What is due by now, should the timer be late */
    while (s->busy && s->done_at <= qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL)) {
        if (s->faults.gone || s->hung) {
            s->busy = false;
            break;
        }
        finish(s);
        s->busy = false;
        start(s);
    }
}

void eip93_run(EIP93State *s)
{
    start(s);
}

static void reset_ring(EIP93State *s)
{
    s->cd_count = 0;
    s->rd_count = 0;
    s->cdr_index = 0;
    s->rdr_index = 0;
    timer_del(s->rd_timeout);
}

void eip93_reset_engine(EIP93State *s)
{
    timer_del(s->work);
    s->busy = false;
    s->stuck = false;
    s->done_at = 0;
    s->int_raw = 0;
    memset(s->last_iv, 0, sizeof(s->last_iv));
    if (!s->faults.hang_sticky) {
        s->hung = false;
    }
}

static void write_pe_config(EIP93State *s, uint32_t val)
{
    s->pe_config = val;
    if (FIELD_EX32(val, PE_CONFIG, RST_PE)) {
        eip93_reset_engine(s);
    }
    if (FIELD_EX32(val, PE_CONFIG, RST_RING)) {
        reset_ring(s);
    }
    if (FIELD_EX32(val, PE_CONFIG, MODE) != EIP93_MODE_AUTO_RING) {
        qemu_log_mask(LOG_UNIMP, "eip93: only the autonomous ring mode\n");
    }
}

static void write_cd_count(EIP93State *s, uint32_t val)
{
    uint32_t n = val & EIP93_COUNT_MAX;

    s->stats.doorbells++;
    if (!ring_mode(s)) {
        qemu_log_mask(LOG_GUEST_ERROR, "eip93: doorbell without a ring\n");
        return;
    }
    s->cd_count += n;
    if (s->cd_count > ring_size(s)) {
        qemu_log_mask(LOG_GUEST_ERROR, "eip93: more commands than the ring\n");
        s->cd_count = ring_size(s);
        s->int_raw |= EIP93_INT_RING_ERR;
    }
}

static void write_rd_count(EIP93State *s, uint32_t val)
{
    uint32_t n = val & EIP93_COUNT_MAX;

    s->stats.acks++;
    if (n > s->rd_count) {
        qemu_log_mask(LOG_GUEST_ERROR, "eip93: %u results seen of %u\n", n,
                      s->rd_count);
        n = s->rd_count;
        s->int_raw |= EIP93_INT_RING_ERR;
    }
    s->rd_count -= n;
    rd_timeout_start(s);
}

static uint32_t read_rd_count(EIP93State *s)
{
    uint32_t n = s->rd_count;

    if (s->faults.count_add) {
        s->stats.faults++;
        n += s->faults.count_add;
    }
    return n & 0x7ff;
}

static uint64_t regs_read(void *opaque, hwaddr addr, unsigned size)
{
    EIP93State *s = opaque;

    s->stats.reg_reads++;
    if (s->faults.gone) {
        s->stats.faults++;
        return 0xffffffff;
    }
    if (addr == s->endian_offset) {
        return s->endian;
    }
    switch (addr) {
    case 0 ... 4 * DESC_LENGTH:
        return s->desc[addr / 4];
    case A_CDR_BASE:
        return s->cdr_base;
    case A_RDR_BASE:
        return s->rdr_base;
    case A_RING_CONFIG:
        return s->ring_config;
    case A_RING_THRESH:
        return s->ring_thresh;
    case A_CD_COUNT:
        return s->cd_count;
    case A_RD_COUNT:
        return read_rd_count(s);
    case A_RING_PNTR:
        return s->cdr_index | s->rdr_index << 16;
    case A_PE_CONFIG:
        return s->pe_config;
    case A_PE_STATUS:
        return s->busy;
    case A_BUF_THRESH:
        return s->buf_thresh;
    case A_CLOCK_CTRL:
        return s->clocks;
    case A_OPTION_1:
        return s->option_1;
    case A_OPTION_0:
        return s->option_0;
    case A_REVISION:
        return s->revision;
    case A_INT_RAW:
        return s->int_raw;
    case A_INT_MASKED:
        if (s->irq_false) {
            s->irq_false = false;
            eip93_update_irq(s);
        }
        return s->int_raw & s->int_mask;
    case A_INT_MASK:
        return s->int_mask;
    case A_INT_CFG:
        return s->int_cfg;
    case A_PRNG_STAT ... A_PRNG_LFSR0 + 4:
        return eip93_prng_read(s, addr);
    }
    qemu_log_mask(LOG_UNIMP, "eip93: read of 0x%03" HWADDR_PRIx "\n", addr);
    return 0;
}

static void clear_irq(EIP93State *s, uint32_t val)
{
    s->int_raw &= ~(val & EIP93_INT_ALL);
    if ((val & EIP93_INT_RDR_THRESH) && !timer_pending(s->rd_timeout)) {
        rd_timeout_start(s);
    }
}

static void regs_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    EIP93State *s = opaque;

    s->stats.reg_writes++;
    if (s->faults.gone) {
        s->stats.faults++;
        return;
    }
    if (addr == s->endian_offset) {
        s->endian = val;
        return;
    }
    switch (addr) {
    case A_CDR_BASE:
        s->cdr_base = val;
        break;
    case A_RDR_BASE:
        s->rdr_base = val;
        break;
    case A_RING_CONFIG:
        s->ring_config = val;
        break;
    case A_RING_THRESH:
        s->ring_thresh = val;
        rd_timeout_start(s);
        break;
    case A_CD_COUNT:
        write_cd_count(s, val);
        break;
    case A_RD_COUNT:
        write_rd_count(s, val);
        break;
    case A_PE_CONFIG:
        write_pe_config(s, val);
        break;
    case A_BUF_THRESH:
        s->buf_thresh = val;
        break;
    case A_CLOCK_CTRL:
        s->clocks = val;
        break;
    case A_INT_MASKED:
        clear_irq(s, val);
        break;
    case A_INT_MASK:
        s->int_mask = val & EIP93_INT_ALL;
        break;
    case A_INT_CFG:
        s->int_cfg = val;
        break;
    case A_MASK_SET:
        s->int_mask |= val & EIP93_INT_ALL;
        break;
    case A_MASK_CLR:
        s->int_mask &= ~val;
        break;
    case A_PRNG_STAT ... A_PRNG_LFSR0 + 4:
        eip93_prng_write(s, addr, val);
        return;
    default:
        qemu_log_mask(LOG_UNIMP, "eip93: write of 0x%03" HWADDR_PRIx "\n",
                      addr);
        return;
    }
    eip93_update_irq(s);
    eip93_run(s);
}

static const MemoryRegionOps regs_ops = {
    .read = regs_read,
    .write = regs_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 4, .max_access_size = 4 },
};

/* What the reset line does */
void eip93_reset_registers(EIP93State *s)
{
    eip93_reset_engine(s);
    reset_ring(s);
    s->cdr_base = s->rdr_base = 0;
    s->ring_config = s->ring_thresh = 0;
    s->pe_config = s->buf_thresh = s->endian = s->clocks = 0;
    s->int_mask = s->int_cfg = 0;
    eip93_prng_reset(s);
    eip93_update_irq(s);
}

static void eip93_reset(DeviceState *dev)
{
    EIP93State *s = EIP93(dev);

    s->irq_level = s->irq_lost = s->irq_false = false;
    eip93_reset_registers(s);
    memset(&s->stats, 0, sizeof(s->stats));
}

static void eip93_realize(DeviceState *dev, Error **errp)
{
    EIP93State *s = EIP93(dev);

    if (!s->clock_hz) {
        error_setg(errp, "eip93: clock-hz must not be 0");
        return;
    }
    s->in = g_malloc(EIP93_BUF_SIZE);
    s->out = g_malloc(EIP93_BUF_SIZE);
    s->work = timer_new_ns(QEMU_CLOCK_VIRTUAL, work_cb, s);
    s->rd_timeout = timer_new_ns(QEMU_CLOCK_VIRTUAL, rd_timeout_cb, s);
}

static void eip93_init(Object *obj)
{
    EIP93State *s = EIP93(obj);
    SysBusDevice *sbd = SYS_BUS_DEVICE(obj);

    memory_region_init_io(&s->regs, obj, &regs_ops, s, "eip93",
                          EIP93_REGS_SIZE);
    memory_region_init_io(&s->ctl, obj, &eip93_ctl_ops, s, "eip93-ctl",
                          EIP93_CTL_SIZE);
    sysbus_init_mmio(sbd, &s->regs);
    sysbus_init_mmio(sbd, &s->ctl);
    sysbus_init_irq(sbd, &s->irq);
    eip93_add_properties(s);
}

/*
 * OPTION_1 as far as the algorithms go that the public drivers use; no ARC4,
 * no CMAC. The revision prints as EIP93:1:1:2.
 */
static const Property eip93_properties[] = {
    DEFINE_PROP_UINT32("option-0", EIP93State, option_0, 0),
    DEFINE_PROP_UINT32("option-1", EIP93State, option_1, 0x000fe005),
    DEFINE_PROP_UINT32("revision", EIP93State, revision, 0x0112005d),
    DEFINE_PROP_UINT32("endian-offset", EIP93State, endian_offset, 0x1cc),
    DEFINE_PROP_UINT32("clock-hz", EIP93State, clock_hz, 220000000),
};

static const VMStateDescription eip93_vmstate = {
    .name = TYPE_EIP93,
    .unmigratable = true,
};

static void eip93_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);

    dc->desc = "SafeXcel EIP-93 packet engine";
    dc->realize = eip93_realize;
    dc->vmsd = &eip93_vmstate;
    device_class_set_legacy_reset(dc, eip93_reset);
    device_class_set_props(dc, eip93_properties);
}

static const TypeInfo eip93_types[] = {
    {
        .name = TYPE_EIP93,
        .parent = TYPE_SYS_BUS_DEVICE,
        .instance_size = sizeof(EIP93State),
        .instance_init = eip93_init,
        .class_init = eip93_class_init,
    },
};
DEFINE_TYPES(eip93_types)
