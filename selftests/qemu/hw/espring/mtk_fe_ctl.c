/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MT7621 frame engine: faults on demand, counters, the speed of its wires.
 *
 * No hardware has any of this. Like the EIP-93's it is there as properties and
 * as a page of registers of its own:
 *
 *  0x000 magic "ESPR"    0x004 version
 *  0x00c write 1: counters to zero
 *  0x010 speed of each wire in Kbit/s, 0: no limit
 *  0x020 1: QDMA stopped by a fault, 2: PDMA
 *  0x024 frames in scratch pages
 *  0x040 + 4 n: faults, in the order of struct MTKFEFaults
 *  0x100 + 8 n: counters of 64 bits, in the order of struct MTKFEStats
 *
 * Reading the low word of 64 bits latches the high one.
 */
#include "qemu/osdep.h"
#include "qemu/log.h"
#include "qapi/visitor.h"
#include "mtk_fe.h"

#define CTL_MAGIC       0x000
#define CTL_VERSION     0x004
#define CTL_CLEAR       0x00c
#define CTL_KBIT_S      0x010
#define CTL_STOPPED     0x020
#define CTL_HELD        0x024
#define CTL_FAULTS      0x040
#define CTL_STATS       0x100

#define MAGIC           0x52505345
#define VERSION         1

static const char *const fault_names[MTK_FE_FAULTS] = {
    "fault-stop-tx", "fault-stop-rx", "fault-lose-irq", "fault-rx-fcs",
    "fault-rx-none", "fault-tx-skip", "fault-gone",
};

static const char *const stat_names[MTK_FE_STATS] = {
    "stat-reg-reads", "stat-reg-writes", "stat-doorbells", "stat-acks",
    "stat-irqs", "stat-tx-desc", "stat-tx-frames", "stat-tx-bytes",
    "stat-tx-tso", "stat-tx-drops", "stat-tx-held", "stat-rx-frames",
    "stat-rx-bytes", "stat-rx-full", "stat-rx-drops", "stat-mdio",
    "stat-faults",
};

/* One of a number of commanded faults, if there are any left */
bool mtk_fe_strikes(MTKFEState *s, uint32_t *fault)
{
    if (!*fault) {
        return false;
    }
    --*fault;
    s->stats.faults++;
    return true;
}

/* What a fault held up goes on when it is lifted; a stop needs a reset */
static void changed(MTKFEState *s)
{
    mtk_fe_update_irq(s);
    mtk_fe_tx_run(s);
    mtk_fe_rx_retry(s);
}

static uint32_t low_word(MTKFEState *s, uint64_t val)
{
    s->stat_high = val >> 32;
    return val;
}

static uint32_t held(MTKFEState *s)
{
    uint32_t n = 0;
    MTKHeld *h;

    for (unsigned q = 0; q < MTK_FE_QUEUES; q++) {
        QSIMPLEQ_FOREACH(h, &s->queue[q].held, entry) {
            n++;
        }
    }
    return n;
}

static uint64_t ctl_read(void *opaque, hwaddr addr, unsigned size)
{
    MTKFEState *s = opaque;

    switch (addr) {
    case CTL_MAGIC:
        return MAGIC;
    case CTL_VERSION:
        return VERSION;
    case CTL_KBIT_S:
        return s->wire_bps / 1000;
    case CTL_STOPPED:
        return s->tx_stopped | s->rx_stopped << 1;
    case CTL_HELD:
        return held(s);
    case CTL_FAULTS ... CTL_FAULTS + 4 * MTK_FE_FAULTS - 4:
        return ((uint32_t *)&s->faults)[(addr - CTL_FAULTS) / 4];
    case CTL_STATS ... CTL_STATS + 8 * MTK_FE_STATS - 4:
        if (addr & 4) {
            return s->stat_high;
        }
        return low_word(s, ((uint64_t *)&s->stats)[(addr - CTL_STATS) / 8]);
    }
    return 0;
}

static void ctl_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    MTKFEState *s = opaque;

    switch (addr) {
    case CTL_CLEAR:
        memset(&s->stats, 0, sizeof(s->stats));
        break;
    case CTL_KBIT_S:
        s->wire_bps = val * 1000;
        break;
    case CTL_FAULTS ... CTL_FAULTS + 4 * MTK_FE_FAULTS - 4:
        ((uint32_t *)&s->faults)[(addr - CTL_FAULTS) / 4] = val;
        changed(s);
        break;
    default:
        qemu_log_mask(LOG_GUEST_ERROR, "mtk-fe: write of control 0x%03"
                      HWADDR_PRIx "\n", addr);
    }
}

const MemoryRegionOps mtk_fe_ctl_ops = {
    .read = ctl_read,
    .write = ctl_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 4, .max_access_size = 4 },
};

static void fault_get(Object *obj, Visitor *v, const char *name, void *opaque,
                      Error **errp)
{
    visit_type_uint32(v, name, opaque, errp);
}

static void fault_set(Object *obj, Visitor *v, const char *name, void *opaque,
                      Error **errp)
{
    if (visit_type_uint32(v, name, opaque, errp) && DEVICE(obj)->realized) {
        changed(MTK_FE(obj));
    }
}

void mtk_fe_add_properties(MTKFEState *s)
{
    Object *obj = OBJECT(s);

    object_property_add_uint64_ptr(obj, "wire-bps", &s->wire_bps,
                                   OBJ_PROP_FLAG_READWRITE);
    for (unsigned i = 0; i < MTK_FE_FAULTS; i++) {
        object_property_add(obj, fault_names[i], "uint32", fault_get,
                            fault_set, NULL, (uint32_t *)&s->faults + i);
    }
    for (unsigned i = 0; i < MTK_FE_STATS; i++) {
        object_property_add_uint64_ptr(obj, stat_names[i],
                                       (uint64_t *)&s->stats + i,
                                       OBJ_PROP_FLAG_READ);
    }
}
