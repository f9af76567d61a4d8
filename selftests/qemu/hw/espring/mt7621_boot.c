/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MT7621: start a Linux kernel with a flattened device tree, in the manner of
 * the Unified Hosting Interface.
 *
 * The tree is the one of a real board; what a boot loader would add to it and
 * what only this machine has is put in here.
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/units.h"
#include "elf.h"
#include "hw/loader.h"
#include "hw/mips/bootloader.h"
#include "hw/mips/mips.h"
#include "system/device_tree.h"
#include "mt7621.h"
#include <libfdt.h>

#define GIC_SHARED              0
#define IRQ_LEVEL_HIGH          4
#define MT7621_CLK_CRYPTO       26
#define FDT_ROOM                (64 * KiB)
#define UHI_DTB                 (-2)

/* The page of controls and its way to switch the machine off */
#define CTL_POWEROFF            0x008
#define CTL_POWEROFF_VALUE      0xdead

static uint32_t phandle_of(void *fdt, const char *compatible)
{
    int node = fdt_node_offset_by_compatible(fdt, -1, compatible);
    uint32_t phandle;

    if (node < 0) {
        return 0;
    }
    phandle = fdt_get_phandle(fdt, node);
    if (!phandle) {
        phandle = qemu_fdt_alloc_phandle(fdt);
        fdt_setprop_u32(fdt, node, "phandle", phandle);
    }
    return phandle;
}

static void add_node(void *fdt, const char *name, const void *compatible,
                     int len, uint32_t base, uint32_t size)
{
    qemu_fdt_add_subnode(fdt, name);
    qemu_fdt_setprop(fdt, name, "compatible", compatible, len);
    qemu_fdt_setprop_cells(fdt, name, "reg", base, size);
}

static void add_irq(void *fdt, const char *name, uint32_t gic, uint32_t irq)
{
    qemu_fdt_setprop_cell(fdt, name, "interrupt-parent", gic);
    qemu_fdt_setprop_cells(fdt, name, "interrupts", GIC_SHARED, irq,
                           IRQ_LEVEL_HIGH);
}

/* A tree that describes the engine itself is left alone; -1: it does not */
static int find_eip93(void *fdt)
{
    for (int node = fdt_next_node(fdt, -1, NULL); node >= 0;
         node = fdt_next_node(fdt, node, NULL)) {
        int len;
        const char *c = fdt_getprop(fdt, node, "compatible", &len);

        if (c && memmem(c, len, "eip93", 5)) {
            return node;
        }
    }
    return -1;
}

static void add_eip93(void *fdt, uint32_t gic)
{
    uint32_t sysc = phandle_of(fdt, "mediatek,mt7621-sysc");
    static const char compatible[] =
        "mediatek,mt7621-eip93\0inside-secure,safexcel-eip93ies";

    if (find_eip93(fdt) >= 0) {
        return;
    }
    add_node(fdt, "/crypto@1e004000", compatible, sizeof(compatible),
             MT7621_EIP93_BASE, 0x1000);
    add_irq(fdt, "/crypto@1e004000", gic, MT7621_EIP93_IRQ);
    if (sysc) {
        qemu_fdt_setprop_cells(fdt, "/crypto@1e004000", "clocks", sysc,
                               MT7621_CLK_CRYPTO);
        qemu_fdt_setprop_cells(fdt, "/crypto@1e004000", "resets", sysc,
                               MT7621_RST_CRYPTO);
    }
}

/* As dts/mt7621-eip93.dtsi has it */
static void add_engine_phandle(void *fdt)
{
    uint32_t phandle = fdt_get_phandle(fdt, find_eip93(fdt));
    int eth;

    if (!phandle) {
        phandle = qemu_fdt_alloc_phandle(fdt);
        fdt_setprop_u32(fdt, find_eip93(fdt), "phandle", phandle);
    }
    eth = fdt_node_offset_by_compatible(fdt, -1, "mediatek,mt7621-eth");
    if (eth >= 0 && !fdt_getprop(fdt, eth, "esp-engine", NULL)) {
        fdt_setprop_u32(fdt, eth, "esp-engine", phandle);
    }
}

static bool has_peer(NICConf *conf)
{
    return conf->peers.ncs[0];
}

/* A child's node by its reg, found anew as offsets change with each edit */
static int by_reg(void *fdt, int parent, uint32_t reg)
{
    int node;

    fdt_for_each_subnode(node, fdt, parent) {
        const fdt32_t *r = fdt_getprop(fdt, node, "reg", NULL);

        if (r && fdt32_to_cpu(*r) == reg) {
            return node;
        }
    }
    return -1;
}

/* What a board's tree says of its sockets, and its flash of their addresses */
static void name_ports(void *fdt, MT7530State *sw)
{
    static const char *const label[MT7530_PHYS] = {
        "wan", "lan1", "lan2", "lan3", "lan4"
    };

    for (int i = 0; i < MT7530_PHYS; i++) {
        int node = fdt_node_offset_by_compatible(fdt, -1, "mediatek,mt7621");

        node = by_reg(fdt, fdt_subnode_offset(fdt, node, "ports"), i);
        if (node < 0) {
            error_report("mt7621: the device tree's switch has no port %d", i);
            exit(1);
        }
        fdt_setprop(fdt, node, "local-mac-address",
                    sw->port[i].conf.macaddr.a, 6);
        fdt_setprop_string(fdt, node, "label", label[i]);
        fdt_setprop_string(fdt, node, "status", "okay");
    }
}

static void disable(void *fdt, const char *compatible)
{
    int node = fdt_node_offset_by_compatible(fdt, -1, compatible);

    if (node >= 0) {
        fdt_setprop_string(fdt, node, "status", "disabled");
    }
}

/*
 * The sockets of the switch are named if a network is plugged into any of
 * them; if one is plugged into a GMAC only, there is no switch. Where nothing
 * is plugged in, tests of other devices have no Ethernet.
 */
static void set_ethernet(void *fdt, MT7530State *sw, MTKFEState *fe)
{
    static const char eth[] = "mediatek,mt7621-eth";
    bool ports = false, gmacs = false;

    for (int i = 0; i < MT7530_PHYS; i++) {
        ports |= has_peer(&sw->port[i].conf);
    }
    if (ports) {
        name_ports(fdt, sw);
    } else {
        disable(fdt, "mediatek,mt7621");
    }
    for (int i = 0; i < MTK_FE_GMACS; i++) {
        /* GMAC0 has the address of lan1, GMAC1 that of wan */
        NICConf *conf = has_peer(&fe->gmac[i].conf) ? &fe->gmac[i].conf :
                        &sw->port[1 - i].conf;
        int node = fdt_node_offset_by_compatible(fdt, -1, eth);

        gmacs |= has_peer(&fe->gmac[i].conf);
        node = by_reg(fdt, node, i);
        if (node >= 0) {
            fdt_setprop(fdt, node, "local-mac-address", conf->macaddr.a, 6);
        }
    }
    if (!ports && !gmacs) {
        disable(fdt, eth);
    }
}

static void add_virtio(void *fdt, uint32_t gic)
{
    static const char compatible[] = "virtio,mmio";

    for (int i = MT7621_VIRTIO_SLOTS - 1; i >= 0; i--) {
        uint32_t base = MT7621_VIRTIO_BASE + i * MT7621_VIRTIO_SIZE;
        g_autofree char *name = g_strdup_printf("/virtio_mmio@%x", base);

        add_node(fdt, name, compatible, sizeof(compatible), base,
                 MT7621_VIRTIO_SIZE);
        add_irq(fdt, name, gic, MT7621_VIRTIO_IRQ + i);
    }
}

static void add_control(void *fdt)
{
    static const char compatible[] = "esp-ring,sim-control\0syscon";
    static const char off[] = "syscon-poweroff";
    uint32_t phandle = qemu_fdt_alloc_phandle(fdt);

    add_node(fdt, "/control@1e310000", compatible, sizeof(compatible),
             MT7621_CTL_BASE, 0x1000);
    qemu_fdt_setprop_cell(fdt, "/control@1e310000", "phandle", phandle);
    qemu_fdt_add_subnode(fdt, "/poweroff");
    qemu_fdt_setprop(fdt, "/poweroff", "compatible", off, sizeof(off));
    qemu_fdt_setprop_cell(fdt, "/poweroff", "regmap", phandle);
    qemu_fdt_setprop_cell(fdt, "/poweroff", "offset", CTL_POWEROFF);
    qemu_fdt_setprop_cell(fdt, "/poweroff", "value", CTL_POWEROFF_VALUE);
    qemu_fdt_setprop_cell(fdt, "/poweroff", "mask", 0xffffffff);
}

static void add_chosen(void *fdt, MachineState *machine, hwaddr initrd,
                       ssize_t initrd_size)
{
    uint64_t low = MIN(machine->ram_size, MT7621_LOWMEM_MAX);
    uint64_t high = machine->ram_size - low;

    if (fdt_path_offset(fdt, "/chosen") < 0) {
        qemu_fdt_add_subnode(fdt, "/chosen");
    }
    if (machine->kernel_cmdline && *machine->kernel_cmdline) {
        qemu_fdt_setprop_string(fdt, "/chosen", "bootargs",
                                machine->kernel_cmdline);
    }
    if (initrd_size) {
        qemu_fdt_setprop_cell(fdt, "/chosen", "linux,initrd-start", initrd);
        qemu_fdt_setprop_cell(fdt, "/chosen", "linux,initrd-end",
                              initrd + initrd_size);
    }
    if (fdt_path_offset(fdt, "/memory@0") < 0) {
        qemu_fdt_add_subnode(fdt, "/memory@0");
    }
    qemu_fdt_setprop_string(fdt, "/memory@0", "device_type", "memory");
    if (high) {
        qemu_fdt_setprop_cells(fdt, "/memory@0", "reg", 0, low,
                               MT7621_HIGHMEM_BASE, high);
    } else {
        qemu_fdt_setprop_cells(fdt, "/memory@0", "reg", 0, low);
    }
}

static void *open_tree(const char *file)
{
    g_autofree void *raw = NULL;
    void *fdt;
    int size;

    if (!file) {
        error_report("mt7621: -kernel needs -dtb, the tree of a board with "
                     "mt7621.dtsi");
        exit(1);
    }
    raw = load_device_tree(file, &size);
    if (!raw) {
        error_report("mt7621: %s is no device tree", file);
        exit(1);
    }
    fdt = g_malloc0(size + FDT_ROOM);
    if (fdt_open_into(raw, fdt, size + FDT_ROOM)) {
        error_report("mt7621: %s is no device tree", file);
        exit(1);
    }
    return fdt;
}

/* Where a boot loader left off: GIC and CPC mapped, the kernel with its tree */
static void write_stub(void *flash, hwaddr entry, hwaddr tree)
{
    void *p = flash;

    bl_gen_write_ulong(&p, cpu_mips_phys_to_kseg1(NULL, MT7621_GCR_BASE + 0x80),
                       MT7621_GIC_BASE | 1);
    bl_gen_write_ulong(&p, cpu_mips_phys_to_kseg1(NULL, MT7621_GCR_BASE + 0x88),
                       MT7621_CPC_BASE | 1);
    bl_gen_jump_kernel(&p, true, 0, true, (int32_t)UHI_DTB, true, tree,
                       true, 0, true, 0, entry);
}

void mt7621_boot(MachineState *machine, void *flash, MT7530State *sw,
                 MTKFEState *fe)
{
    hwaddr tree, initrd = 0;
    ssize_t initrd_size = 0;
    uint64_t entry, high;
    uint32_t gic;
    void *fdt;

    if (load_elf(machine->kernel_filename, NULL, cpu_mips_kseg0_to_phys, NULL,
                 &entry, NULL, &high, NULL, ELFDATA2LSB, EM_MIPS, 1, 0) <= 0) {
        error_report("mt7621: %s is no kernel in ELF",
                     machine->kernel_filename);
        exit(1);
    }
    fdt = open_tree(machine->dtb);
    tree = ROUND_UP(high, 64 * KiB) + 1 * MiB;
    if (machine->initrd_filename) {
        initrd = tree + 1 * MiB;
        initrd_size = load_image_targphys(machine->initrd_filename, initrd,
                                          MIN(machine->ram_size,
                                              MT7621_LOWMEM_MAX) - initrd);
        if (initrd_size < 0) {
            error_report("mt7621: %s cannot be loaded, or not enough memory",
                         machine->initrd_filename);
            exit(1);
        }
    }

    gic = phandle_of(fdt, "mti,gic");
    if (!gic) {
        error_report("mt7621: the device tree has no mti,gic");
        exit(1);
    }
    add_chosen(fdt, machine, initrd, initrd_size);
    add_virtio(fdt, gic);
    add_control(fdt);
    add_eip93(fdt, gic);
    add_engine_phandle(fdt);
    set_ethernet(fdt, sw, fe);
    fdt_pack(fdt);
    machine->fdt = fdt;
    rom_add_blob_fixed("mt7621.dtb", fdt, fdt_totalsize(fdt), tree);
    write_stub(flash, entry, cpu_mips_phys_to_kseg0(NULL, tree));
}
