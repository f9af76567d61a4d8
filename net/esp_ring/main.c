// SPDX-License-Identifier: GPL-2.0-only
/*
 * ESP offload for any Ethernet port, through a shared crypto ring.
 */
#include <linux/module.h>

#include "compat.h"
#include "internal.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

struct workqueue_struct *esp_ring_wq;

static int __init esp_ring_init(void)
{
	int err;

	esp_ring_wq = alloc_workqueue("esp_ring", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	if (!esp_ring_wq)
		return -ENOMEM;

	esp_ring_debugfs_init();
	err = esp_ring_ports_init();
	if (err) {
		esp_ring_debugfs_exit();
		destroy_workqueue(esp_ring_wq);
	}
	return err;
}

/* No state is left, and no engine: both hold the module. */
static void __exit esp_ring_exit(void)
{
	/* What dropped the last reference may not have returned yet. */
	xfrm_flush_gc();
	esp_ring_ports_exit();
	esp_ring_debugfs_exit();
	destroy_workqueue(esp_ring_wq);
}

module_init(esp_ring_init);
module_exit(esp_ring_exit);

/* GRO and GSO of offloaded states; nothing of ours refers to a symbol there. */
MODULE_SOFTDEP("pre: esp4_offload esp6_offload");
MODULE_DESCRIPTION("ESP offload through a shared crypto ring");
MODULE_AUTHOR("The esp-ring developers");
MODULE_LICENSE("GPL");
