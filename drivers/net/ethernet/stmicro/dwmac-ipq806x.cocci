// SPDX-License-Identifier: GPL-2.0-only
// dwmac-ipq806x itself says which controller it is; "make integrate" applies it.
// The end comes with the device's resources.

@@
@@
#include "stmmac_platform.h"
+#include "../esp_ring_stmicro.h"

@@
identifier pdev, data, res;
@@
ipq806x_gmac_probe(struct platform_device *pdev)
{
<...
+devm_esp_ring_attach(&pdev->dev, esp_ring_stmicro);
return stmmac_dvr_probe(&pdev->dev, data, &res);
...>
}
