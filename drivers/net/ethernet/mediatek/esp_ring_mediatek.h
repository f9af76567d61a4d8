/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The SoCs that have a crypto engine beside the Ethernet controllers of MediaTek's mtk_eth_soc:
 * for the module beside this file, or for the driver itself.
 */
#ifndef _ESP_RING_MEDIATEK_H
#define _ESP_RING_MEDIATEK_H

#include <linux/skbuff.h>
#include <net/esp_ring.h>

/*
 * What mtk_eth_soc.cocci has mtk_eth_soc leave before a received frame, beside NET_SKB_PAD and the
 * Ethernet header. A tunnel wants LL_RESERVED_SPACE() of the port and its own header: 76 bytes with
 * AES-CBC over IPv4 to a DSA port, 104 in UDP over IPv6 and PPPoE. The driver leaves 48.
 */
#define ESP_RING_RX_ROOM	(IS_REACHABLE(CONFIG_ESP_RING) ? 64 : 0)
#define ESP_RING_RX_PAD		(NET_SKB_PAD + ESP_RING_RX_ROOM)

/* mainline's mt7621.dtsi has no node for the engine, boards' trees add it */
static const struct esp_ring_soc esp_ring_mt7621 = {
	.engine	= "inside-secure,safexcel-eip93ies",
};

static const struct of_device_id esp_ring_mediatek[] = {
	{ .compatible = "mediatek,mt7621-eth", .data = &esp_ring_mt7621 },
	{ }
};

#endif /* _ESP_RING_MEDIATEK_H */
