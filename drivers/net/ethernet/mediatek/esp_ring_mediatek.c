// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ports of MediaTek's mtk_eth_soc and of the switch behind it, and the engine
 * of the SoC. Loaded where the controller is, and asks nothing of its driver.
 */
#include <linux/module.h>

#include "esp_ring_mediatek.h"

MODULE_DEVICE_TABLE(of, esp_ring_mediatek);

static struct esp_ring_glue mediatek_glue = {
	.name	= KBUILD_MODNAME,
	.match	= esp_ring_mediatek,
};
module_esp_ring_glue(mediatek_glue);

MODULE_DESCRIPTION("Ports of mtk_eth_soc for the ESP crypto ring");
MODULE_LICENSE("GPL");
