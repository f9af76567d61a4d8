/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MT7621: CPUs with their coherence manager (CM2) and cluster power
 * controller, as Linux's mips-cm, mips-cpc and smp-cps see them.
 *
 * QEMU's own mips-cps is a CM3, which the kernel drives in another way. The SoC
 * has two cores of two VPEs; here each CPU is the only VPE of a core, because
 * QEMU does not start a second VPE in the way this kernel wants it.
 */
#include "qemu/osdep.h"
#include "qemu/log.h"
#include "qemu/module.h"
#include "qapi/error.h"
#include "exec/address-spaces.h"
#include "hw/core/cpu.h"
#include "hw/irq.h"
#include "hw/mips/mips.h"
#include "hw/qdev-clock.h"
#include "hw/qdev-properties.h"
#include "system/reset.h"
#include "mt7621.h"

#define BLOCK_SIZE              0x8000
#define LOCAL                   0x2000
#define OTHER                   0x4000

/* Global registers of the CM, then those of each core */
#define GCR_CONFIG              0x000
#define GCR_BASE                0x008
#define GCR_REV                 0x030
#define   REV_CM2               0x600
#define GCR_L2_SYNC_BASE        0x070
#define GCR_GIC_BASE            0x080
#define GCR_CPC_BASE            0x088
#define GCR_REG0_BASE           0x090
#define GCR_REG3_MASK           0x0c8
#define GCR_GIC_STATUS          0x0d0
#define GCR_CPC_STATUS          0x0f0
#define GCR_CL_COHERENCE        0x008
#define GCR_CL_CONFIG           0x010
#define GCR_CL_OTHER            0x018
#define GCR_CL_RESET_BASE       0x020
#define GCR_CL_ID               0x028

#define CPC_CL_CMD              0x000
#define   CMD_CLOCKOFF          1
#define   CMD_PWRDOWN           2
#define   CMD_PWRUP             3
#define   CMD_RESET             4
#define CPC_CL_STAT_CONF        0x008
#define   SEQ_STATE(n)          ((n) << 19)
#define   SEQ_D0                0
#define   SEQ_U6                7
#define CPC_CL_OTHER            0x010

qemu_irq mt7621_irq(MT7621CMState *cm, int n)
{
    return cm->gic.irq_state[n].irq;
}

/*
 * A reset core runs its first VPE with its first thread context. QEMU's reset
 * does that for the first CPU of all, being made for one core with many VPEs.
 * For the same reason no VPE is a master: QEMU's dvpe would stop all others.
 */
static void reset_core(MT7621Core *core, bool run)
{
    CPUState *cs = CPU(core->cpu);
    CPUMIPSState *env = &core->cpu->env;

    cpu_set_exception_base(cs->cpu_index, (int32_t)core->reset_base);
    cpu_reset(cs);
    env->mvp->CP0_MVPControl |= 1 << CP0MVPCo_EVP;
    env->CP0_VPEConf0 &= ~(1 << CP0VPEC0_MVP);
    env->CP0_VPEConf0 |= 1 << CP0VPEC0_VPA;
    env->active_tc.CP0_TCHalt = 0;
    env->tcs[0].CP0_TCHalt = 0;
    env->active_tc.CP0_TCStatus = 1 << CP0TCSt_A;
    env->tcs[0].CP0_TCStatus = 1 << CP0TCSt_A;
    cs->halted = !run;
}

/* Runs on the core itself, so that there is no race with what it does */
static void power_up(CPUState *cs, run_on_cpu_data data)
{
    MT7621Core *core = data.host_ptr;

    reset_core(core, true);
    core->powered = true;
}

static void command(MT7621CMState *cm, unsigned n, uint32_t cmd)
{
    MT7621Core *core = &cm->core[n];

    switch (cmd & 0xf) {
    case CMD_CLOCKOFF:
    case CMD_PWRDOWN:
        cpu_interrupt(CPU(core->cpu), CPU_INTERRUPT_HALT);
        core->powered = false;
        break;
    case CMD_PWRUP:
        if (core->powered) {
            break;
        }
        /* fall through */
    case CMD_RESET:
        core->powered = false;
        async_safe_run_on_cpu(CPU(core->cpu), power_up,
                              RUN_ON_CPU_HOST_PTR(core));
        break;
    }
}

static unsigned self(void)
{
    return current_cpu ? current_cpu->cpu_index : 0;
}

static unsigned other(MT7621CMState *cm, uint32_t reg)
{
    return MIN(reg >> 16, cm->num_cores - 1);
}

static uint64_t gcr_core_read(MT7621CMState *cm, unsigned n, hwaddr addr)
{
    MT7621Core *core = &cm->core[n];

    switch (addr) {
    case GCR_CL_COHERENCE:
        return core->coherence;
    case GCR_CL_CONFIG:
        return 0;                       /* one VPE */
    case GCR_CL_OTHER:
        return core->gcr_other;
    case GCR_CL_RESET_BASE:
        return core->reset_base;
    case GCR_CL_ID:
        return n;
    }
    return 0;
}

static uint64_t gcr_read(void *opaque, hwaddr addr, unsigned size)
{
    MT7621CMState *cm = opaque;

    switch (addr) {
    case GCR_CONFIG:
        return 1 << 8 | (cm->num_cores - 1);    /* an I/O coherence unit */
    case GCR_BASE:
        return MT7621_GCR_BASE;
    case GCR_REV:
        return REV_CM2;
    case GCR_L2_SYNC_BASE:
        return cm->l2_sync_base;
    case GCR_GIC_BASE:
        return cm->gic_base;
    case GCR_CPC_BASE:
        return cm->cpc_base;
    case GCR_REG0_BASE ... GCR_REG3_MASK:
        return cm->regions[(addr - GCR_REG0_BASE) / 4];
    case GCR_GIC_STATUS:
    case GCR_CPC_STATUS:
        return 1;                               /* there is one */
    case LOCAL ... OTHER - 1:
        return gcr_core_read(cm, self(), addr - LOCAL);
    case OTHER ... OTHER + LOCAL - 1:
        return gcr_core_read(cm, other(cm, cm->core[self()].gcr_other),
                             addr - OTHER);
    }
    qemu_log_mask(LOG_UNIMP, "mt7621-gcr: read of 0x%" HWADDR_PRIx "\n", addr);
    return 0;
}

static void gcr_core_write(MT7621CMState *cm, unsigned n, hwaddr addr,
                           uint32_t val)
{
    MT7621Core *core = &cm->core[n];

    switch (addr) {
    case GCR_CL_COHERENCE:
        core->coherence = val & 0xff;
        break;
    case GCR_CL_OTHER:
        core->gcr_other = val;
        break;
    case GCR_CL_RESET_BASE:
        core->reset_base = val & 0xfffff000;
        break;
    }
}

/* A base register: the address, and in bit 0 whether it is mapped */
static void map(MemoryRegion *mr, uint32_t val)
{
    memory_region_set_address(mr, val & 0xffff8000);
    memory_region_set_enabled(mr, val & 1);
}

static void gcr_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    MT7621CMState *cm = opaque;

    switch (addr) {
    case GCR_L2_SYNC_BASE:
        cm->l2_sync_base = val;
        break;
    case GCR_GIC_BASE:
        cm->gic_base = val;
        map(&cm->gic.mr, val);
        break;
    case GCR_CPC_BASE:
        cm->cpc_base = val;
        map(&cm->cpc, val);
        break;
    case GCR_REG0_BASE ... GCR_REG3_MASK:
        cm->regions[(addr - GCR_REG0_BASE) / 4] = val;
        break;
    case LOCAL ... OTHER - 1:
        gcr_core_write(cm, self(), addr - LOCAL, val);
        break;
    case OTHER ... OTHER + LOCAL - 1:
        gcr_core_write(cm, other(cm, cm->core[self()].gcr_other), addr - OTHER,
                       val);
        break;
    default:
        qemu_log_mask(LOG_UNIMP, "mt7621-gcr: write of 0x%" HWADDR_PRIx "\n",
                      addr);
    }
}

static uint64_t cpc_read(void *opaque, hwaddr addr, unsigned size)
{
    MT7621CMState *cm = opaque;
    unsigned n = self();

    switch (addr) {
    case LOCAL + CPC_CL_OTHER:
        return cm->core[n].cpc_other;
    case OTHER + CPC_CL_STAT_CONF:
        n = other(cm, cm->core[n].cpc_other);
        /* fall through */
    case LOCAL + CPC_CL_STAT_CONF:
        return SEQ_STATE(cm->core[n].powered ? SEQ_U6 : SEQ_D0);
    }
    return 0;
}

static void cpc_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    MT7621CMState *cm = opaque;
    unsigned n = self();

    switch (addr) {
    case LOCAL + CPC_CL_OTHER:
        cm->core[n].cpc_other = val;
        break;
    case LOCAL + CPC_CL_CMD:
        command(cm, n, val);
        break;
    case OTHER + CPC_CL_CMD:
        command(cm, other(cm, cm->core[n].cpc_other), val);
        break;
    }
}

static const MemoryRegionOps gcr_ops = {
    .read = gcr_read,
    .write = gcr_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .impl = { .min_access_size = 4, .max_access_size = 4 },
};

static const MemoryRegionOps cpc_ops = {
    .read = cpc_read,
    .write = cpc_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .impl = { .min_access_size = 4, .max_access_size = 4 },
};

static void cm_reset(void *opaque)
{
    MT7621CMState *cm = opaque;

    cm->gic_base = MT7621_GIC_BASE;
    cm->cpc_base = MT7621_CPC_BASE;
    memory_region_set_enabled(&cm->gic.mr, false);
    memory_region_set_enabled(&cm->cpc, false);
    for (unsigned i = 0; i < cm->num_cores; i++) {
        MT7621Core *core = &cm->core[i];

        core->coherence = 0;
        core->gcr_other = core->cpc_other = 0;
        core->reset_base = 0xbfc00000;
        core->powered = !i;
        reset_core(core, !i);
    }
}

/*
 * A core's timer reaches its interrupt lines through the GIC, where Linux
 * leaves it masked; QEMU's goes straight to line 7, for which nobody would care
 * on a second core once the counter has gone round, after 86 seconds.
 */
static void line_7(void *opaque, int n, int level)
{
    MT7621Core *core = opaque;

    if (!level || !(core->cpu->env.CP0_Cause & 1 << CP0Ca_TI)) {
        qemu_set_irq(core->line_7, level);
    }
}

static bool make_cpu(MT7621CMState *cm, unsigned n, Error **errp)
{
    MIPSCPU *cpu = MIPS_CPU(object_new(cm->cpu_type));

    cm->core[n].cpu = cpu;
    object_property_set_bool(OBJECT(cpu), "start-powered-off", n != 0,
                             &error_abort);
    qdev_connect_clock_in(DEVICE(cpu), "clk-in", cm->clk);
    if (!qdev_realize_and_unref(DEVICE(cpu), NULL, errp)) {
        return false;
    }
    cpu_mips_irq_init_cpu(cpu);
    cpu_mips_clock_init(cpu);
    cm->core[n].line_7 = cpu->env.irq[7];
    cpu->env.irq[7] = qemu_allocate_irq(line_7, &cm->core[n], 7);
    return true;
}

static void cm_realize(DeviceState *dev, Error **errp)
{
    MT7621CMState *cm = MT7621_CM(dev);
    MemoryRegion *sysmem = get_system_memory();

    for (unsigned i = 0; i < cm->num_cores; i++) {
        if (!make_cpu(cm, i, errp)) {
            return;
        }
    }

    object_initialize_child(OBJECT(dev), "gic", &cm->gic, TYPE_MIPS_GIC);
    object_property_set_uint(OBJECT(&cm->gic), "num-vp", cm->num_cores,
                             &error_abort);
    object_property_set_uint(OBJECT(&cm->gic), "num-irq", MT7621_GIC_IRQS,
                             &error_abort);
    if (!sysbus_realize(SYS_BUS_DEVICE(&cm->gic), errp)) {
        return;
    }

    memory_region_init_io(&cm->gcr, OBJECT(dev), &gcr_ops, cm, "mt7621-gcr",
                          BLOCK_SIZE);
    memory_region_init_io(&cm->cpc, OBJECT(dev), &cpc_ops, cm, "mt7621-cpc",
                          BLOCK_SIZE);
    memory_region_add_subregion(sysmem, MT7621_GCR_BASE, &cm->gcr);
    memory_region_add_subregion(sysmem, MT7621_CPC_BASE, &cm->cpc);
    memory_region_add_subregion(sysmem, MT7621_GIC_BASE, &cm->gic.mr);
    qemu_register_reset(cm_reset, cm);
}

static void cm_init(Object *obj)
{
    MT7621CMState *cm = MT7621_CM(obj);

    cm->clk = qdev_init_clock_in(DEVICE(obj), "clk-in", NULL, NULL, 0);
}

static const Property cm_properties[] = {
    DEFINE_PROP_UINT32("num-cores", MT7621CMState, num_cores, 1),
    DEFINE_PROP_STRING("cpu-type", MT7621CMState, cpu_type),
};

static void cm_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);

    dc->realize = cm_realize;
    dc->user_creatable = false;
    device_class_set_props(dc, cm_properties);
}

static const TypeInfo cm_types[] = {
    {
        .name = TYPE_MT7621_CM,
        .parent = TYPE_SYS_BUS_DEVICE,
        .instance_size = sizeof(MT7621CMState),
        .instance_init = cm_init,
        .class_init = cm_class_init,
    },
};
DEFINE_TYPES(cm_types)
