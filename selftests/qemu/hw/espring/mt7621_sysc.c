/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MT7621: system controller, watchdog and memory controller, as far as a
 * mainline kernel reads them.
 */
#include "qemu/osdep.h"
#include "qemu/module.h"
#include "qemu/timer.h"
#include "qapi/error.h"
#include "system/runstate.h"
#include "system/watchdog.h"
#include "mt7621.h"

#define SYSC_CHIP_NAME0         0x00
#define SYSC_CHIP_NAME1         0x04
#define SYSC_CHIP_REV           0x0c
#define SYSC_CONFIG0            0x10
#define   CONFIG0_XTAL_25MHZ    (6 << 6)
#define SYSC_CLKCFG0            0x2c
#define   CLKCFG0_CPU_500MHZ    (0u << 30)
#define SYSC_CLKCFG1            0x30
#define SYSC_RSTCTL             0x34
#define   RSTCTL_SYSTEM         1
#define SYSC_CUR_CLK            0x44

#define WDT_CTL                 0x00
#define   WDT_ENABLE            (1 << 7)
#define   WDT_PRESCALE(ctl)     ((ctl) >> 16)
#define WDT_RSTCTL              0x0c
#define WDT_LOAD                0x10

static uint64_t sysc_read(void *opaque, hwaddr addr, unsigned size)
{
    MT7621SysCState *s = opaque;

    return s->regs[addr / 4];
}

static void set_resets(MT7621SysCState *s, uint32_t val)
{
    static const unsigned fe[] = { MTK_RST_FE, MTK_RST_ETH, MTK_RST_PPE };
    uint32_t changed = val ^ s->regs[SYSC_RSTCTL / 4];

    if (val & RSTCTL_SYSTEM) {
        qemu_system_reset_request(SHUTDOWN_CAUSE_GUEST_RESET);
    }
    if (val & changed & 1u << MT7621_RST_CRYPTO) {
        eip93_reset_registers(s->eip93);
    }
    if (changed & 1u << MT7621_RST_MCM) {
        mt7530_set_reset(s->sw, val & 1u << MT7621_RST_MCM);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(fe); i++) {
        if (changed & 1u << fe[i]) {
            mtk_fe_reset_line(s->fe, fe[i], val & 1u << fe[i]);
        }
    }
}

static void sysc_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    MT7621SysCState *s = opaque;

    switch (addr) {
    case SYSC_CHIP_NAME0:
    case SYSC_CHIP_NAME1:
    case SYSC_CHIP_REV:
    case SYSC_CONFIG0:
    case SYSC_CUR_CLK:
        return;
    case SYSC_RSTCTL:
        set_resets(s, val);
        break;
    }
    s->regs[addr / 4] = val;
}

static const MemoryRegionOps sysc_ops = {
    .read = sysc_read,
    .write = sysc_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 4, .max_access_size = 4 },
};

/* The driver sets the prescaler to 1000, for units of a millisecond */
static void wdt_start(MT7621SysCState *s)
{
    if (!(s->wdt_ctl & WDT_ENABLE)) {
        timer_del(s->wdt_timer);
        return;
    }
    timer_mod(s->wdt_timer, qemu_clock_get_ms(QEMU_CLOCK_VIRTUAL) +
              MAX(s->wdt_load, 1) * MAX(WDT_PRESCALE(s->wdt_ctl), 1) / 1000);
}

static void wdt_expired(void *opaque)
{
    watchdog_perform_action();
}

static uint64_t wdt_read(void *opaque, hwaddr addr, unsigned size)
{
    MT7621SysCState *s = opaque;

    switch (addr) {
    case WDT_CTL:
        return s->wdt_ctl;
    case WDT_LOAD:
        return s->wdt_load;
    }
    return 0;
}

static void wdt_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    MT7621SysCState *s = opaque;

    switch (addr) {
    case WDT_CTL:
        s->wdt_ctl = val;
        wdt_start(s);
        break;
    case WDT_LOAD:
        s->wdt_load = val;
        break;
    case WDT_RSTCTL:
        wdt_start(s);
        break;
    }
}

static const MemoryRegionOps wdt_ops = {
    .read = wdt_read,
    .write = wdt_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 4, .max_access_size = 4 },
};

static uint64_t memc_read(void *opaque, hwaddr addr, unsigned size)
{
    MT7621SysCState *s = opaque;

    return s->memc_regs[addr / 4];
}

static void memc_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    MT7621SysCState *s = opaque;

    s->memc_regs[addr / 4] = val;
}

static const MemoryRegionOps memc_ops = {
    .read = memc_read,
    .write = memc_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 4, .max_access_size = 4 },
};

static void sysc_reset(DeviceState *dev)
{
    MT7621SysCState *s = MT7621_SYSC(dev);

    memset(s->regs, 0, sizeof(s->regs));
    memset(s->memc_regs, 0, sizeof(s->memc_regs));
    s->regs[SYSC_CHIP_NAME0 / 4] = 0x3637544d;  /* MT76 */
    s->regs[SYSC_CHIP_NAME1 / 4] = 0x20203132;  /* 21 */
    s->regs[SYSC_CHIP_REV / 4] = 0x00030101;    /* dual core, 1.1 */
    s->regs[SYSC_CONFIG0 / 4] = CONFIG0_XTAL_25MHZ;
    s->regs[SYSC_CLKCFG0 / 4] = CLKCFG0_CPU_500MHZ;
    s->regs[SYSC_CLKCFG1 / 4] = 0xffffffff;
    /* 500 MHz by 5: see MT7621_CPU_HZ */
    s->regs[SYSC_CUR_CLK / 4] = 5 << 8 | 1;
    s->wdt_ctl = s->wdt_load = 0;
    timer_del(s->wdt_timer);
}

static void sysc_init(Object *obj)
{
    MT7621SysCState *s = MT7621_SYSC(obj);
    SysBusDevice *sbd = SYS_BUS_DEVICE(obj);

    memory_region_init_io(&s->sysc, obj, &sysc_ops, s, "mt7621-sysc", 0x100);
    memory_region_init_io(&s->wdt, obj, &wdt_ops, s, "mt7621-wdt", 0x100);
    memory_region_init_io(&s->memc, obj, &memc_ops, s, "mt7621-memc", 0x1000);
    sysbus_init_mmio(sbd, &s->sysc);
    sysbus_init_mmio(sbd, &s->wdt);
    sysbus_init_mmio(sbd, &s->memc);
    s->wdt_timer = timer_new_ms(QEMU_CLOCK_VIRTUAL, wdt_expired, s);
}

static void sysc_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);

    device_class_set_legacy_reset(dc, sysc_reset);
    dc->user_creatable = false;
}

static const TypeInfo sysc_types[] = {
    {
        .name = TYPE_MT7621_SYSC,
        .parent = TYPE_SYS_BUS_DEVICE,
        .instance_size = sizeof(MT7621SysCState),
        .instance_init = sysc_init,
        .class_init = sysc_class_init,
    },
};
DEFINE_TYPES(sysc_types)
