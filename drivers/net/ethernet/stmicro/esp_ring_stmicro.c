// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ports of stmmac and of the switch behind it, and the engine
 * of the SoC. Loaded where the controller is, and asks nothing of its driver.
 */
#include <linux/module.h>

#include "esp_ring_stmicro.h"

MODULE_DEVICE_TABLE(of, esp_ring_stmicro);

static struct esp_ring_glue stmicro_glue = {
	.name	= KBUILD_MODNAME,
	.match	= esp_ring_stmicro,
};
module_esp_ring_glue(stmicro_glue);

MODULE_DESCRIPTION("Ports of stmmac for the ESP crypto ring");
MODULE_LICENSE("GPL");
