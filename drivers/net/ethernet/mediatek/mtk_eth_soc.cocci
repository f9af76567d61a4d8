// SPDX-License-Identifier: GPL-2.0-only
// mtk_eth_soc itself says which controller it is; "make integrate" applies it.
// The end comes with the device's resources.
//
// And where it has no page pool it leaves enough room before a received frame for
// ESP in a tunnel, without which each packet that is forwarded into one is copied.

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

// a buffer is as much longer
@room@
identifier mtu;
@@
mtk_max_frag_size(int mtu)
{
<...
-SKB_DATA_ALIGN(MTK_RX_HLEN + mtu)
+SKB_DATA_ALIGN(MTK_RX_HLEN + ESP_RING_RX_ROOM + mtu)
...>
}

// as what is before the frame is, where it is mapped and where it becomes an skb
@depends on room@
@@
-NET_SKB_PAD
+ESP_RING_RX_PAD
