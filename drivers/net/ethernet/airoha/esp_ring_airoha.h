/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The SoCs that have a crypto engine beside the Ethernet controllers of Airoha's airoha_eth:
 * for the module beside this file, or for the driver itself.
 */
#ifndef _ESP_RING_AIROHA_H
#define _ESP_RING_AIROHA_H

#include <net/esp_ring.h>

/* mainline's en7581.dtsi has no node for the engine, boards' trees add it */
static const struct esp_ring_soc esp_ring_en7581 = {
	.engine	= "inside-secure,safexcel-eip93ies",
};

/* nothing public says that it has one: where a tree names it, it is used */
static const struct esp_ring_soc esp_ring_an7583;

static const struct of_device_id esp_ring_airoha[] = {
	{ .compatible = "airoha,en7581-eth", .data = &esp_ring_en7581 },
	{ .compatible = "airoha,an7583-eth", .data = &esp_ring_an7583 },
	{ }
};

#endif /* _ESP_RING_AIROHA_H */
