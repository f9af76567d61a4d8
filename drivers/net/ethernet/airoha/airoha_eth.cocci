// SPDX-License-Identifier: GPL-2.0-only
// airoha_eth itself says which controller it is; "make integrate" applies it.
// The end comes with the device's resources.

@@
@@
#include <uapi/linux/ppp_defs.h>
+#include "esp_ring_airoha.h"

@@
identifier pdev;
@@
airoha_probe(struct platform_device *pdev)
{
<...
platform_set_drvdata(pdev, eth);
+devm_esp_ring_attach(&pdev->dev, esp_ring_airoha);
...>
}
