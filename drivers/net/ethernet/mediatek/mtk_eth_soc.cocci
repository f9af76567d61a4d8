// SPDX-License-Identifier: GPL-2.0-only
// mtk_eth_soc itself says which controller it is; "make integrate" applies it.
// The end comes with the device's resources.

@@
@@
#include "mtk_eth_soc.h"
+#include "esp_ring_mediatek.h"

@@
identifier pdev;
@@
mtk_probe(struct platform_device *pdev)
{
<...
platform_set_drvdata(pdev, eth);
+devm_esp_ring_attach(&pdev->dev, esp_ring_mediatek);
...>
}
