/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SafeXcel EIP-93: faults on demand, counters, and what an operation costs.
 *
 * No hardware has any of this. It is there as properties, for the monitor, and
 * as a page of registers of its own, for tests inside the guest:
 *
 *  0x000 magic "ESPR"    0x004 version
 *  0x008 write 0xdead: power off
 *  0x00c write 1: counters to zero
 *  0x010 ns for each descriptor    0x014 KiB per second, 0: no limit
 *  0x020 descriptors pending  0x024 results waiting  0x028 1: hung or stuck
 *  0x030 instructions executed by all CPUs, 64 bits, 0 without -icount
 *  0x040 + 4 n: faults, in the order of struct EIP93Faults
 *  0x100 + 8 n: counters of 64 bits, in the order of struct EIP93Stats
 *
 * Reading the low word of 64 bits latches the high one.
 */
#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "qemu/log.h"
#include "system/cpu-timers.h"
#include "qapi/visitor.h"
#include "system/runstate.h"
#include "eip93.h"

#define CTL_MAGIC       0x000
#define CTL_VERSION     0x004
#define CTL_POWEROFF    0x008
#define CTL_CLEAR       0x00c
#define CTL_DESC_NS     0x010
#define CTL_KIB_S       0x014
#define CTL_CD_COUNT    0x020
#define CTL_RD_COUNT    0x024
#define CTL_HUNG        0x028
#define CTL_INSN        0x030
#define CTL_FAULTS      0x040
#define CTL_STATS       0x100

#define MAGIC           0x52505345
#define VERSION         1
#define POWEROFF        0xdead

static const char *const fault_names[EIP93_FAULTS] = {
    "fault-hang-after", "fault-hang-sticky", "fault-lose-irq",
    "fault-spurious-irq", "fault-bus-error", "fault-wrong-icv", "fault-slow",
    "fault-count-add", "fault-count-early", "fault-gone",
};

static const char *const stat_names[EIP93_STATS] = {
    "stat-reg-reads", "stat-reg-writes", "stat-doorbells", "stat-acks",
    "stat-irqs", "stat-desc-out", "stat-desc-in", "stat-bytes-out",
    "stat-bytes-in", "stat-errors", "stat-auth-errors", "stat-faults",
    "stat-busy-ns",
};

/* One of a number of commanded faults, if there are any left */
bool eip93_strikes(EIP93State *s, uint32_t *fault)
{
    if (!*fault) {
        return false;
    }
    --*fault;
    s->stats.faults++;
    return true;
}

int64_t eip93_cost(EIP93State *s, const uint32_t *desc)
{
    uint32_t len = FIELD_EX32(desc[DESC_LENGTH], LENGTH, BYTES);
    int64_t ns = s->desc_ns;

    if (s->bytes_per_second) {
        ns += muldiv64(len, NANOSECONDS_PER_SECOND, s->bytes_per_second);
    }
    return ns * MAX(s->faults.slow, 1);
}

/*
 * A fault that has been set or lifted may show at once; only a hang lasts,
 * until the reset that the driver has to make.
 */
static void changed(EIP93State *s)
{
    eip93_update_irq(s);
    eip93_run(s);
}

static uint32_t low_word(EIP93State *s, uint64_t val)
{
    s->stat_high = val >> 32;
    return val;
}

static uint64_t ctl_read(void *opaque, hwaddr addr, unsigned size)
{
    EIP93State *s = opaque;

    switch (addr) {
    case CTL_MAGIC:
        return MAGIC;
    case CTL_VERSION:
        return VERSION;
    case CTL_DESC_NS:
        return s->desc_ns;
    case CTL_KIB_S:
        return s->bytes_per_second / 1024;
    case CTL_CD_COUNT:
        return s->cd_count;
    case CTL_RD_COUNT:
        return s->rd_count;
    case CTL_HUNG:
        return s->hung || s->stuck;
    case CTL_INSN:
        return low_word(s, icount_enabled() ? icount_get_raw() : 0);
    case CTL_INSN + 4:
        return s->stat_high;
    case CTL_FAULTS ... CTL_FAULTS + 4 * EIP93_FAULTS - 4:
        return ((uint32_t *)&s->faults)[(addr - CTL_FAULTS) / 4];
    case CTL_STATS ... CTL_STATS + 8 * EIP93_STATS - 4:
        if (addr & 4) {
            return s->stat_high;
        }
        return low_word(s, ((uint64_t *)&s->stats)[(addr - CTL_STATS) / 8]);
    }
    return 0;
}

static void ctl_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    EIP93State *s = opaque;

    switch (addr) {
    case CTL_POWEROFF:
        if (val == POWEROFF) {
            qemu_system_shutdown_request(SHUTDOWN_CAUSE_GUEST_SHUTDOWN);
        }
        break;
    case CTL_CLEAR:
        memset(&s->stats, 0, sizeof(s->stats));
        break;
    case CTL_DESC_NS:
        s->desc_ns = val;
        break;
    case CTL_KIB_S:
        s->bytes_per_second = val * 1024;
        break;
    case CTL_FAULTS ... CTL_FAULTS + 4 * EIP93_FAULTS - 4:
        ((uint32_t *)&s->faults)[(addr - CTL_FAULTS) / 4] = val;
        changed(s);
        break;
    default:
        qemu_log_mask(LOG_GUEST_ERROR, "eip93: write of control 0x%03"
                      HWADDR_PRIx "\n", addr);
    }
}

const MemoryRegionOps eip93_ctl_ops = {
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
    EIP93State *s = EIP93(obj);

    if (visit_type_uint32(v, name, opaque, errp) && DEVICE(obj)->realized) {
        changed(s);
    }
}

void eip93_add_properties(EIP93State *s)
{
    Object *obj = OBJECT(s);

    s->desc_ns = 500;
    object_property_add_uint32_ptr(obj, "desc-ns", &s->desc_ns,
                                   OBJ_PROP_FLAG_READWRITE);
    object_property_add_uint64_ptr(obj, "bytes-per-second",
                                   &s->bytes_per_second,
                                   OBJ_PROP_FLAG_READWRITE);
    for (int i = 0; i < EIP93_FAULTS; i++) {
        object_property_add(obj, fault_names[i], "uint32", fault_get,
                            fault_set, NULL, (uint32_t *)&s->faults + i);
    }
    for (int i = 0; i < EIP93_STATS; i++) {
        object_property_add_uint64_ptr(obj, stat_names[i],
                                       (uint64_t *)&s->stats + i,
                                       OBJ_PROP_FLAG_READ);
    }
}
