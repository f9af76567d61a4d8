/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A player of frames: traffic for a router, on the machine's own clock.
 */
#ifndef HW_ESPRING_PLAYER_H
#define HW_ESPRING_PLAYER_H

#include "hw/sysbus.h"
#include "net/net.h"
#include "qemu/timer.h"
#include "qom/object.h"
#include "eip93.h"

#define TYPE_PLAYER             "player"
OBJECT_DECLARE_SIMPLE_TYPE(PlayerState, PLAYER)

#define PLAYER_PORTS            2
#define PLAYER_CTL_SIZE         0x1000

/* A moment, and what was counted until then */
typedef struct PlayerMark {
    uint64_t ns;
    uint64_t insns;             /* of all CPUs; 0 without -icount */
    uint64_t busy_ns;           /* the engine's */
    uint64_t arrived[PLAYER_PORTS];
} PlayerMark;

/* One of the two ends; its counters are of the frames that it sends */
typedef struct PlayerPort {
    PlayerState *player;
    NICConf conf;
    NICState *nic;
    QEMUTimer *timer;           /* when the next frame leaves */
    int64_t free_at;            /* when the wire is free again */
    uint32_t first, frames;     /* what it plays, again and again */
    uint32_t window;            /* how many may be under way */
    uint64_t sent, arrived, lost;
} PlayerPort;

struct PlayerState {
    SysBusDevice parent_obj;

    MemoryRegion ctl;
    EIP93State *engine;         /* whose busy time is noted */
    char *file;
    uint64_t wire_bps;
    GBytes *data;
    GArray *frames;             /* GBytes of each frame */
    PlayerPort port[PLAYER_PORTS];
    QEMUTimer *stall, *tell;
    bool running, stopping;
    uint32_t warm, total, stalls;
    PlayerMark begin, end;
    uint32_t high;
};

#endif
