/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MT7530: a page that no hardware has, for a test inside to pull cables.
 */
#include "qemu/osdep.h"
#include "mt7530_int.h"

#define CTL_MAGIC               0x000
#define   MAGIC                 0x30333537      /* 7530 */
#define CTL_CABLES              0x004   /* bit n: the cable of port n is in */
#define CTL_AN_MS               0x008

static uint32_t cables(MT7530State *s)
{
    uint32_t val = 0;

    for (unsigned i = 0; i < MT7530_PHYS; i++) {
        NetClientState *nc = qemu_get_queue(s->port[i].nic);

        val |= (nc->peer && !nc->link_down) << i;
    }
    return val;
}

/* The same as the monitor's set_link */
static void set_cables(MT7530State *s, uint32_t val)
{
    uint32_t changed = val ^ cables(s);

    for (unsigned i = 0; i < MT7530_PHYS; i++) {
        NetClientState *nc = qemu_get_queue(s->port[i].nic);

        if (nc->peer && changed & 1u << i) {
            nc->link_down = !(val & 1u << i);
            mt7530_phy_cable(&s->port[i]);
        }
    }
}

static uint64_t ctl_read(void *opaque, hwaddr addr, unsigned size)
{
    MT7530State *s = opaque;

    switch (addr) {
    case CTL_MAGIC:
        return MAGIC;
    case CTL_CABLES:
        return cables(s);
    case CTL_AN_MS:
        return s->an_ms;
    }
    return 0;
}

static void ctl_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    MT7530State *s = opaque;

    switch (addr) {
    case CTL_CABLES:
        set_cables(s, val);
        break;
    case CTL_AN_MS:
        s->an_ms = val;
        break;
    }
}

static const MemoryRegionOps ctl_ops = {
    .read = ctl_read,
    .write = ctl_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 4, .max_access_size = 4 },
};

void mt7530_ctl_init(MT7530State *s)
{
    memory_region_init_io(&s->ctl, OBJECT(s), &ctl_ops, s, "mt7530-ctl",
                          MT7530_CTL_SIZE);
    sysbus_init_mmio(SYS_BUS_DEVICE(s), &s->ctl);
}
