/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The SoCs that have a crypto engine beside the Ethernet controllers of MediaTek's mtk_eth_soc:
 * for the module beside this file, or for the driver itself.
 */
#ifndef _ESP_RING_MEDIATEK_H
#define _ESP_RING_MEDIATEK_H

#include <net/esp_ring.h>

/* mainline's mt7621.dtsi has no node for the engine, boards' trees add it */
static const struct esp_ring_soc esp_ring_mt7621 = {
	.engine	= "inside-secure,safexcel-eip93ies",
};

static const struct of_device_id esp_ring_mediatek[] = {
	{ .compatible = "mediatek,mt7621-eth", .data = &esp_ring_mt7621 },
	{ }
};

#endif /* _ESP_RING_MEDIATEK_H */
