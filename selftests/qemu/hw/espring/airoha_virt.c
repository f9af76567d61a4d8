/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The virt machine with an EIP-93 as in Airoha's EN7581: for 64-bit pointers,
 * and memory that an engine of 32-bit addresses does not reach.
 */
#include "qemu/osdep.h"
#include "qemu/module.h"
#include "qapi/error.h"
#include "hw/arm/virt.h"
#include "hw/boards.h"
#include "hw/qdev-properties.h"
#include "hw/sysbus.h"
#include "system/device_tree.h"
#include "eip93.h"

#define TYPE_AIROHA_VIRT MACHINE_TYPE_NAME("airoha-virt")
/* the newest of this version of QEMU, whose alias is virt */
#define TYPE_PARENT MACHINE_TYPE_NAME("virt-10.0")

/* Between virt's virtio slots and its platform bus, which nothing uses */
#define EIP93_BASE      0x0b000000
#define CTL_BASE        0x0b001000
/* virt has nothing between its SMMU and its platform bus */
#define EIP93_SPI       90
/* virt's memory map, which is not in a header */
#define VIRTIO_BASE     0x0a000000
#define VIRTIO_SIZE     0x200
#define VIRTIO_SLOTS    32
/* EN7581 has the register somewhere else */
#define ENDIAN_OFFSET   0x1d0

static void (*parent_init)(MachineState *machine);

/* Boot ROMs are not in a source package of Debian, and not needed */
static GlobalProperty compat[] = {
    { "virtio-net-pci", "romfile", "" },
};

/*
 * Of any four virtio slots in a row one is what it says, and the others are
 * Ethernet controllers of the family as far as names go: an EN7581's without and
 * with a word about its engine, an AN7583's with two engines, of which the first
 * has no driver. A driver of virtio takes them all the same.
 */
static void name_slots(void *fdt, uint32_t engine, uint32_t control)
{
    static const char en7581[] = "airoha,en7581-eth\0virtio,mmio";
    static const char an7583[] = "airoha,an7583-eth\0virtio,mmio";

    for (int i = 0; i < VIRTIO_SLOTS; i++) {
        g_autofree char *name = g_strdup_printf("/virtio_mmio@%x",
                                                VIRTIO_BASE + i * VIRTIO_SIZE);

        switch (i % 4) {
        case 1:
            qemu_fdt_setprop(fdt, name, "compatible", en7581, sizeof(en7581));
            break;
        case 2:
            qemu_fdt_setprop(fdt, name, "compatible", en7581, sizeof(en7581));
            qemu_fdt_setprop_cell(fdt, name, "esp-engine", engine);
            break;
        case 3:
            qemu_fdt_setprop(fdt, name, "compatible", an7583, sizeof(an7583));
            qemu_fdt_setprop_cells(fdt, name, "esp-engine", control, engine);
            break;
        }
    }
}

static void add_nodes(void *fdt)
{
    static const char engine[] =
        "airoha,en7581-eip93\0inside-secure,safexcel-eip93ies";
    static const char control[] = "esp-ring,sim-control\0syscon";
    uint32_t engine_phandle = qemu_fdt_alloc_phandle(fdt);
    uint32_t control_phandle = qemu_fdt_alloc_phandle(fdt);

    qemu_fdt_add_subnode(fdt, "/crypto@b000000");
    qemu_fdt_setprop(fdt, "/crypto@b000000", "compatible", engine,
                     sizeof(engine));
    qemu_fdt_setprop_sized_cells(fdt, "/crypto@b000000", "reg", 2, EIP93_BASE,
                                 2, EIP93_REGS_SIZE);
    /* SPI, level high */
    qemu_fdt_setprop_cells(fdt, "/crypto@b000000", "interrupts", 0, EIP93_SPI,
                           4);
    /* virt says of all its devices that they are */
    qemu_fdt_setprop(fdt, "/crypto@b000000", "dma-noncoherent", NULL, 0);
    qemu_fdt_setprop_cell(fdt, "/crypto@b000000", "phandle", engine_phandle);

    qemu_fdt_add_subnode(fdt, "/control@b001000");
    qemu_fdt_setprop(fdt, "/control@b001000", "compatible", control,
                     sizeof(control));
    qemu_fdt_setprop_sized_cells(fdt, "/control@b001000", "reg", 2, CTL_BASE,
                                 2, EIP93_CTL_SIZE);
    qemu_fdt_setprop_cell(fdt, "/control@b001000", "phandle", control_phandle);
    name_slots(fdt, engine_phandle, control_phandle);
}

static void airoha_virt_init(MachineState *machine)
{
    VirtMachineState *vms = VIRT_MACHINE(machine);
    SysBusDevice *sbd;
    DeviceState *dev;

    parent_init(machine);

    dev = qdev_new(TYPE_EIP93);
    object_property_add_child(OBJECT(machine), "eip93", OBJECT(dev));
    qdev_prop_set_uint32(dev, "endian-offset", ENDIAN_OFFSET);
    sbd = SYS_BUS_DEVICE(dev);
    sysbus_realize_and_unref(sbd, &error_fatal);
    sysbus_mmio_map(sbd, 0, EIP93_BASE);
    sysbus_mmio_map(sbd, 1, CTL_BASE);
    sysbus_connect_irq(sbd, 0, qdev_get_gpio_in(vms->gic, EIP93_SPI));
    add_nodes(machine->fdt);
}

static void airoha_virt_class_init(ObjectClass *klass, void *data)
{
    MachineClass *mc = MACHINE_CLASS(klass);

    parent_init = mc->init;
    mc->init = airoha_virt_init;
    mc->desc = "QEMU ARM Virtual Machine with an EIP-93";
    mc->alias = NULL;
    mc->default_nic = NULL;
    mc->is_default = false;
    compat_props_add(mc->compat_props, compat, G_N_ELEMENTS(compat));
}

static const TypeInfo airoha_virt_types[] = {
    {
        .name = TYPE_AIROHA_VIRT,
        .parent = TYPE_PARENT,
        .class_init = airoha_virt_class_init,
    },
};
DEFINE_TYPES(airoha_virt_types)
