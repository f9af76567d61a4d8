/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MT7530: the switch in the MT7621. Five ports with PHYs, each a network
 * backend of QEMU; ports 5 and 6 go to the MACs of the frame engine.
 */
#ifndef HW_ESPRING_MT7530_H
#define HW_ESPRING_MT7530_H

#include "qom/object.h"

#define TYPE_MT7530 "mt7530"
OBJECT_DECLARE_SIMPLE_TYPE(MT7530State, MT7530)

/* User ports are 0 to 4; the other ends of GMAC1 and GMAC0 */
#define MT7530_USER_PORTS       5
#define MT7530_GMAC1_PORT       5
#define MT7530_GMAC0_PORT       6

/**
 * mt7530_mdio_read: clause 22 read, as the frame engine's PHY_IAC does it
 * @phy: address, 0 to 31
 * @reg: register, 0 to 31
 *
 * Returns: the value; 0xffff if nobody has that address.
 */
uint16_t mt7530_mdio_read(MT7530State *s, unsigned phy, unsigned reg);

/** mt7530_mdio_write: clause 22 write */
void mt7530_mdio_write(MT7530State *s, unsigned phy, unsigned reg,
                       uint16_t val);

/** mt7530_mdio_c45_read: the same with clause 45 frames, @dev the MMD */
uint16_t mt7530_mdio_c45_read(MT7530State *s, unsigned phy, unsigned dev,
                              unsigned reg);

/** mt7530_mdio_c45_write: clause 45 write */
void mt7530_mdio_c45_write(MT7530State *s, unsigned phy, unsigned dev,
                           unsigned reg, uint16_t val);

/** mt7530_set_reset: its reset line, MCM of the system controller */
void mt7530_set_reset(MT7530State *s, bool asserted);

/**
 * mt7530_cpu_send: a frame that a GMAC has sent
 * @port: MT7530_GMAC0_PORT or MT7530_GMAC1_PORT
 * @frame: from the destination address on, no FCS; need not outlive the call
 * @len: its bytes
 *
 * Never blocks: what a port's queue cannot take is dropped and counted. May
 * call back into MT7530ToCpu of the other GMAC before it returns, and, if the
 * switch forwards to the port that it came from, of this one.
 */
void mt7530_cpu_send(MT7530State *s, int port, const uint8_t *frame,
                     size_t len);

/**
 * MT7530ToCpu: a frame for a GMAC, with its special tag if the port has it on
 *
 * Returns: false if there is no room. Then the switch keeps up to
 * MT7530_CPU_QUEUE frames, drops and counts further ones, and tries again at
 * mt7530_cpu_ready().
 */
typedef bool (*MT7530ToCpu)(void *opaque, const uint8_t *frame, size_t len);

#define MT7530_CPU_QUEUE        64

/** mt7530_connect_cpu: who receives on a CPU port. Once, before it runs. */
void mt7530_connect_cpu(MT7530State *s, int port, MT7530ToCpu to_cpu,
                        void *opaque);

/** mt7530_cpu_ready: there is room again */
void mt7530_cpu_ready(MT7530State *s, int port);

#endif
