/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MediaTek MT7621: the machine, as far as mt7621.dtsi of a mainline kernel and
 * the drivers of this project go, with virtio where there is no model yet.
 */
#include "qemu/osdep.h"
#include "qemu/module.h"
#include "qemu/units.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "exec/address-spaces.h"
#include "hw/char/serial-mm.h"
#include "hw/clock.h"
#include "hw/misc/unimp.h"
#include "hw/qdev-clock.h"
#include "hw/qdev-properties.h"
#include "hw/virtio/virtio-mmio.h"
#include "system/system.h"
#include "mt7621.h"

#define TYPE_MT7621_MACHINE MACHINE_TYPE_NAME("mt7621")
OBJECT_DECLARE_SIMPLE_TYPE(MT7621MachineState, MT7621_MACHINE)

struct MT7621MachineState {
    MachineState parent_obj;

    MT7621CMState cm;
    MT7621SysCState sysc;
    EIP93State eip93;
    MT7530State sw;
    MTKFEState fe;
    PlayerState player;
    Clock *clk;
    MemoryRegion ram_low, ram_high, flash;
};

static void add_ram(MT7621MachineState *s, MachineState *machine)
{
    MemoryRegion *sysmem = get_system_memory();
    uint64_t low = MIN(machine->ram_size, MT7621_LOWMEM_MAX);

    if (machine->ram_size > 512 * MiB) {
        error_report("mt7621: at most 512 MiB of memory");
        exit(1);
    }
    memory_region_init_alias(&s->ram_low, OBJECT(machine), "mt7621.low",
                             machine->ram, 0, low);
    memory_region_add_subregion(sysmem, 0, &s->ram_low);
    if (machine->ram_size > low) {
        memory_region_init_alias(&s->ram_high, OBJECT(machine), "mt7621.high",
                                 machine->ram, low, machine->ram_size - low);
        memory_region_add_subregion(sysmem, MT7621_HIGHMEM_BASE, &s->ram_high);
    }
    memory_region_init_rom(&s->flash, NULL, "mt7621.flash", MT7621_FLASH_SIZE,
                           &error_fatal);
    memory_region_add_subregion(sysmem, MT7621_FLASH_BASE, &s->flash);
}

static void add_cpus(MT7621MachineState *s, MachineState *machine)
{
    s->clk = clock_new(OBJECT(machine), "cpu-refclk");
    clock_set_hz(s->clk, MT7621_CPU_HZ);

    object_initialize_child(OBJECT(machine), "cm", &s->cm, TYPE_MT7621_CM);
    qdev_prop_set_string(DEVICE(&s->cm), "cpu-type", machine->cpu_type);
    qdev_prop_set_uint32(DEVICE(&s->cm), "num-cores", machine->smp.cpus);
    qdev_connect_clock_in(DEVICE(&s->cm), "clk-in", s->clk);
    sysbus_realize(SYS_BUS_DEVICE(&s->cm), &error_fatal);
}

static void add_eip93(MT7621MachineState *s)
{
    SysBusDevice *sbd = SYS_BUS_DEVICE(&s->eip93);

    sysbus_realize(sbd, &error_fatal);
    sysbus_mmio_map(sbd, 0, MT7621_EIP93_BASE);
    sysbus_mmio_map(sbd, 1, MT7621_CTL_BASE);
    sysbus_connect_irq(sbd, 0, mt7621_irq(&s->cm, MT7621_EIP93_IRQ));
}

/* -nic ...,model=mt7530 is the next of wan, lan1 to lan4 */
static void add_ethernet(MT7621MachineState *s)
{
    SysBusDevice *sw = SYS_BUS_DEVICE(&s->sw), *fe = SYS_BUS_DEVICE(&s->fe);

    for (int i = 0; i < MT7530_PHYS; i++) {
        qemu_configure_nic_device(DEVICE(&s->sw.port[i]), true, TYPE_MT7530);
    }
    sysbus_realize(sw, &error_fatal);
    sysbus_mmio_map(sw, 0, MT7621_SWITCH_CTL_BASE);
    sysbus_connect_irq(sw, 0, mt7621_irq(&s->cm, MT7621_SWITCH_IRQ));

    s->fe.sw = &s->sw;
    mtk_fe_configure_nics(&s->fe);
    sysbus_realize(fe, &error_fatal);
    sysbus_mmio_map(fe, 0, MT7621_ETH_BASE);
    sysbus_mmio_map(fe, 1, MT7621_ETH_CTL_BASE);
    sysbus_connect_irq(fe, 0, mt7621_irq(&s->cm, MT7621_ETH_IRQ));
}

/* Hosts at two ports, where a benchmark wants them: see player.c */
static void add_player(MT7621MachineState *s)
{
    SysBusDevice *sbd = SYS_BUS_DEVICE(&s->player);

    s->player.engine = &s->eip93;
    sysbus_realize(sbd, &error_fatal);
    sysbus_mmio_map(sbd, 0, MT7621_PLAYER_BASE);
}

/*
 * A -device takes the first free slot; each new bus is put before the others,
 * so the last one made is the first.
 */
static void add_virtio(MT7621MachineState *s)
{
    for (int i = MT7621_VIRTIO_SLOTS - 1; i >= 0; i--) {
        sysbus_create_simple(TYPE_VIRTIO_MMIO,
                             MT7621_VIRTIO_BASE + i * MT7621_VIRTIO_SIZE,
                             mt7621_irq(&s->cm, MT7621_VIRTIO_IRQ + i));
    }
}

static void mt7621_init(MachineState *machine)
{
    MT7621MachineState *s = MT7621_MACHINE(machine);
    SysBusDevice *sysc;

    object_initialize_child(OBJECT(machine), "eip93", &s->eip93, TYPE_EIP93);
    object_initialize_child(OBJECT(machine), "switch", &s->sw, TYPE_MT7530);
    object_initialize_child(OBJECT(machine), "fe", &s->fe, TYPE_MTK_FE);
    object_initialize_child(OBJECT(machine), "player", &s->player, TYPE_PLAYER);
    add_ram(s, machine);
    add_cpus(s, machine);

    object_initialize_child(OBJECT(machine), "sysc", &s->sysc,
                            TYPE_MT7621_SYSC);
    s->sysc.eip93 = &s->eip93;
    s->sysc.sw = &s->sw;
    s->sysc.fe = &s->fe;
    sysc = SYS_BUS_DEVICE(&s->sysc);
    sysbus_realize(sysc, &error_fatal);
    sysbus_mmio_map(sysc, 0, MT7621_SYSC_BASE);
    sysbus_mmio_map(sysc, 1, MT7621_SYSC_BASE + 0x100);
    sysbus_mmio_map(sysc, 2, MT7621_SYSC_BASE + 0x5000);

    serial_mm_init(get_system_memory(), MT7621_SYSC_BASE + 0xc00, 2,
                   mt7621_irq(&s->cm, MT7621_UART0_IRQ), 50000000 / 16,
                   serial_hd(0), DEVICE_LITTLE_ENDIAN);
    add_eip93(s);
    add_ethernet(s);
    add_player(s);
    add_virtio(s);

    /*
     * Blocks that a driver may probe; an access where nothing is would be a
     * bus error.
     */
    create_unimplemented_device("mt7621.palmbus", 0x1e000000, 0x100000);
    create_unimplemented_device("mt7621.mmc", 0x1e130000, 0x4000);
    create_unimplemented_device("mt7621.pcie", 0x1e140000, 0x20000);
    create_unimplemented_device("mt7621.usb", 0x1e1c0000, 0x20000);

    if (machine->kernel_filename) {
        mt7621_boot(machine, memory_region_get_ram_ptr(&s->flash), &s->sw,
                    &s->fe);
    }
}

static void mt7621_class_init(ObjectClass *klass, void *data)
{
    MachineClass *mc = MACHINE_CLASS(klass);

    mc->desc = "MediaTek MT7621 with an EIP-93";
    mc->init = mt7621_init;
    mc->default_cpu_type = MIPS_CPU_TYPE_NAME("1004Kc");
    mc->default_ram_size = 256 * MiB;
    mc->default_ram_id = "mt7621.ram";
    mc->max_cpus = MT7621_CPUS_MAX;
    mc->block_default_type = IF_VIRTIO;
    mc->no_floppy = true;
    mc->no_cdrom = true;
    mc->no_parallel = true;
}

static const TypeInfo mt7621_types[] = {
    {
        .name = TYPE_MT7621_MACHINE,
        .parent = TYPE_MACHINE,
        .instance_size = sizeof(MT7621MachineState),
        .class_init = mt7621_class_init,
    },
};
DEFINE_TYPES(mt7621_types)
