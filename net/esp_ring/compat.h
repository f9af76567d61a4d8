/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every difference between the kernels this tree builds on, 6.1 to 7.x.
 *
 * The sources are written for the newest kernel. Without this header, and the
 * lines that include it, what is left is the code of that kernel.
 */
#ifndef _ESP_RING_COMPAT_H
#define _ESP_RING_COMPAT_H

#include <linux/netdevice.h>
#include <linux/slab.h>
#include <linux/version.h>
#include <net/xfrm.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 16, 0)
/*
 * The callbacks got the net_device as their first argument in 6.16, and
 * state_add its extack in 6.3. A definition in the newest form becomes a
 * function of that form with another name and one of the old form with the name
 * itself; the ops tables name the functions without parentheses and so get the
 * old form.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
#define esp_ring_xdo_state_add(dev_arg, x_arg, extack_arg)		\
	esp_ring_new_state_add(dev_arg, x_arg, extack_arg);		\
static int (esp_ring_xdo_state_add)(struct xfrm_state *x)		\
{									\
	return esp_ring_new_state_add(x->xso.real_dev, x, NULL);	\
}									\
static int esp_ring_new_state_add(dev_arg, x_arg, extack_arg)
#else
#define esp_ring_xdo_state_add(dev_arg, x_arg, extack_arg)		\
	esp_ring_new_state_add(dev_arg, x_arg, extack_arg);		\
static int (esp_ring_xdo_state_add)(struct xfrm_state *x,		\
				    struct netlink_ext_ack *extack)	\
{									\
	return esp_ring_new_state_add(x->xso.real_dev, x, extack);	\
}									\
static int esp_ring_new_state_add(dev_arg, x_arg, extack_arg)
#endif

#define esp_ring_xdo_state_delete(dev_arg, x_arg)			\
	esp_ring_new_state_delete(dev_arg, x_arg);			\
static void (esp_ring_xdo_state_delete)(struct xfrm_state *x)		\
{									\
	esp_ring_new_state_delete(x->xso.real_dev, x);			\
}									\
static void esp_ring_new_state_delete(dev_arg, x_arg)

#define esp_ring_xdo_state_free(dev_arg, x_arg)				\
	esp_ring_new_state_free(dev_arg, x_arg);			\
static void (esp_ring_xdo_state_free)(struct xfrm_state *x)		\
{									\
	esp_ring_new_state_free(x->xso.real_dev, x);			\
}									\
static void esp_ring_new_state_free(dev_arg, x_arg)
#endif /* < 6.16 */

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 15, 0)
/* Devices have no lock of their own that their features need. */
static inline void netdev_lock_ops(struct net_device *dev)
{
}

static inline void netdev_unlock_ops(struct net_device *dev)
{
}
#else
#include <net/netdev_lock.h>
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 10, 0)
static inline struct net_device *alloc_netdev_dummy(int sizeof_priv)
{
	struct net_device *dev = kzalloc(sizeof(*dev) + sizeof_priv, GFP_KERNEL);

	if (dev)
		init_dummy_netdev(dev);
	return dev;
}

/* free_netdev() of these kernels wants what alloc_netdev() made. */
#define free_netdev(dev) kfree(dev)
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)
/*
 * The core flushes the SAs of a device that goes away only while its feature
 * bit is on, which an admin may have turned off in the meantime.
 */
#define ESP_RING_FLUSH_ON_UNREGISTER 1
#else
#define ESP_RING_FLUSH_ON_UNREGISTER 0
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 16, 0)
/*
 * xfrm_input() drops its reference to skb->dev of an asynchronous packet when
 * an xfrm interface has put itself there: one reference too many of that device,
 * which can then never be deleted. Newer kernels refuse such SAs themselves.
 */
#define ESP_RING_NO_IF_ID_IN 1
#else
#define ESP_RING_NO_IF_ID_IN 0
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
/* No extack reaches state_add: the reason goes to the log instead. */
#define ESP_RING_EXTACK_IN_LOG 1
#else
#define ESP_RING_EXTACK_IN_LOG 0
#endif

#endif /* _ESP_RING_COMPAT_H */
