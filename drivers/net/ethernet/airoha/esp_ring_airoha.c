// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ports of Airoha's airoha_eth and of the switch behind it, and the engine
 * of the SoC. Loaded where the controller is, and asks nothing of its driver.
 */
#include <linux/module.h>

#include "esp_ring_airoha.h"

MODULE_DEVICE_TABLE(of, esp_ring_airoha);

static struct esp_ring_glue airoha_glue = {
	.name	= KBUILD_MODNAME,
	.match	= esp_ring_airoha,
};
module_esp_ring_glue(airoha_glue);

MODULE_DESCRIPTION("Ports of airoha_eth for the ESP crypto ring");
MODULE_LICENSE("GPL");
