/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MediaTek MT7621: what the files of the machine share.
 */
#ifndef HW_ESPRING_MT7621_H
#define HW_ESPRING_MT7621_H

#include "hw/boards.h"
#include "hw/intc/mips_gic.h"
#include "hw/sysbus.h"
#include "qom/object.h"
#include "target/mips/cpu.h"
#include "eip93.h"
#include "mt7530_int.h"
#include "mtk_fe.h"
#include "player.h"

/*
 * QEMU's GIC counts at 100 MHz. The GIC of the SoC has the CPU's clock, so the
 * CPU has to say that it runs at that, and not at 880 MHz.
 */
#define MT7621_CPU_HZ           100000000

#define MT7621_LOWMEM_MAX       0x1c000000
#define MT7621_HIGHMEM_BASE     0x20000000
#define MT7621_SYSC_BASE        0x1e000000
#define MT7621_EIP93_BASE       0x1e004000
#define MT7621_ETH_BASE         0x1e100000
#define MT7621_GIC_BASE         0x1fbc0000
#define MT7621_CPC_BASE         0x1fbf0000
#define MT7621_GCR_BASE         0x1fbf8000
#define MT7621_FLASH_BASE       0x1fc00000
#define MT7621_FLASH_SIZE       0x00400000

/* Not in the SoC, where it has nothing */
#define MT7621_VIRTIO_BASE      0x1e300000
#define MT7621_VIRTIO_SIZE      0x200
#define MT7621_VIRTIO_SLOTS     16
#define MT7621_CTL_BASE         0x1e310000
#define MT7621_ETH_CTL_BASE     0x1e311000
#define MT7621_SWITCH_CTL_BASE  0x1e312000
#define MT7621_PLAYER_BASE      0x1e313000

/* GIC_SHARED numbers of the mainline device tree, and ours */
#define MT7621_ETH_IRQ          3
#define MT7621_EIP93_IRQ        19
#define MT7621_SWITCH_IRQ       23
#define MT7621_UART0_IRQ        26
#define MT7621_VIRTIO_IRQ       64
#define MT7621_GIC_IRQS         128

#define MT7621_CPUS_MAX         4

/* Bits of the reset register; the frame engine knows its own */
#define MT7621_RST_MCM          2
#define MT7621_RST_CRYPTO       29

/* mt7621_cm.c: CPUs and the blocks that make a coherent system of them */
#define TYPE_MT7621_CM "mt7621-cm"
OBJECT_DECLARE_SIMPLE_TYPE(MT7621CMState, MT7621_CM)

typedef struct MT7621Core {
    MIPSCPU *cpu;
    qemu_irq line_7;
    bool powered;
    uint32_t coherence;
    uint32_t reset_base;
    uint32_t gcr_other, cpc_other;      /* as written: core in bits 31:16 */
} MT7621Core;

struct MT7621CMState {
    SysBusDevice parent_obj;

    MemoryRegion gcr, cpc;
    MIPSGICState gic;
    Clock *clk;
    char *cpu_type;
    uint32_t num_cores;
    uint32_t gic_base, cpc_base, l2_sync_base;
    uint32_t regions[16];
    MT7621Core core[MT7621_CPUS_MAX];
};

qemu_irq mt7621_irq(MT7621CMState *cm, int n);

/* mt7621_sysc.c: system controller, watchdog, memory controller */
#define TYPE_MT7621_SYSC "mt7621-sysc"
OBJECT_DECLARE_SIMPLE_TYPE(MT7621SysCState, MT7621_SYSC)

struct MT7621SysCState {
    SysBusDevice parent_obj;

    MemoryRegion sysc, wdt, memc;
    uint32_t regs[0x100 / 4];
    uint32_t memc_regs[0x1000 / 4];
    uint32_t wdt_ctl, wdt_load;
    QEMUTimer *wdt_timer;
    EIP93State *eip93;
    MT7530State *sw;
    MTKFEState *fe;
};

/* mt7621_boot.c: kernel, device tree and the instructions that start it */
void mt7621_boot(MachineState *machine, void *flash, MT7530State *sw,
                 MTKFEState *fe);

#endif
