/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The SoCs that have a crypto engine beside the Ethernet controllers of stmmac:
 * for the module beside this file, or for the driver itself.
 */
#ifndef _ESP_RING_STMICRO_H
#define _ESP_RING_STMICRO_H

#include <net/esp_ring.h>

/*
 * Qualcomm's IPQ806x (dwmac-ipq806x) has two cores beside four controllers, and
 * which of them serves which is for the tree to say.
 */
static const struct esp_ring_soc esp_ring_ipq806x;

static const struct of_device_id esp_ring_stmicro[] = {
	{ .compatible = "qcom,ipq806x-gmac", .data = &esp_ring_ipq806x },
	{ }
};

#endif /* _ESP_RING_STMICRO_H */
