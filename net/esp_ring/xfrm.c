// SPDX-License-Identifier: GPL-2.0-only
/*
 * Between xfrm and the layer: states are added and freed, and get a type whose
 * input and output are ours (esp.c).
 *
 * Why x->type and not type_offload->xmit: .output may answer -EINPROGRESS on
 * every route, whatever device is below. type_offload->xmit cannot: on devices
 * without a queue it loses packets or lets plaintext through.
 */
#include <linux/module.h>
#include <net/esp.h>

#include "compat.h"
#include "internal.h"

enum { V4, V6, NR_FAMILIES };

/* The stack's own types: one for each family, registered by esp4 and esp6. */
static const struct xfrm_type *stack_types[NR_FAMILIES];

/**
 * esp_ring_stack_type - the type that a state would have without us
 * @x: a state that is offloaded
 *
 * Return: what esp4 or esp6 has registered.
 */
const struct xfrm_type *esp_ring_stack_type(const struct xfrm_state *x)
{
	return READ_ONCE(stack_types[x->props.family == AF_INET6 ? V6 : V4]);
}

/*
 * The core puts the owner of x->type, which is us, after this. What it got from
 * the stack's type when the state was made is put here.
 */
static void esp_ring_destroy(struct xfrm_state *x)
{
	const struct xfrm_type *type = esp_ring_stack_type(x);

	type->destructor(x);
	module_put(type->owner);
}

static const struct xfrm_type esp_ring_types[NR_FAMILIES] = {
	[V4] = {
		.owner		= THIS_MODULE,
		.proto		= IPPROTO_ESP,
		.flags		= XFRM_TYPE_REPLAY_PROT,
		.destructor	= esp_ring_destroy,
		.input		= esp_ring_input,
		.output		= esp_ring_output,
	},
	[V6] = {
		.owner		= THIS_MODULE,
		.proto		= IPPROTO_ESP,
		.flags		= XFRM_TYPE_REPLAY_PROT,
		.destructor	= esp_ring_destroy,
		.input		= esp_ring_input,
		.output		= esp_ring_output,
	},
};

/*
 * Never undone on a live state: readers take no lock. A state that bonding moves
 * from one of our ports to another has our type already.
 */
static int take_type(struct xfrm_state *x, struct netlink_ext_ack *extack)
{
	int i = x->props.family == AF_INET6 ? V6 : V4;
	const struct xfrm_type *old;

	if (x->type == &esp_ring_types[i])
		return 0;

	old = cmpxchg(&stack_types[i], NULL, x->type);
	if (old && old != x->type) {
		NL_SET_ERR_MSG_MOD(extack, "another module has replaced the ESP type");
		return -EOPNOTSUPP;
	}

	__module_get(THIS_MODULE);
	WRITE_ONCE(x->type, &esp_ring_types[i]);
	return 0;
}

static int add_sa(struct net_device *dev, struct xfrm_state *x,
		  struct netlink_ext_ack *extack)
{
	struct esp_ring_port *port;
	struct esp_ring_sa *sa;
	int err;

	/*
	 * A bond that hands its SA to a port answers .xdo_dev_offload_ok itself,
	 * from 6.15 on with true: packets would leave unencrypted. In 6.1 it calls
	 * us under a spinlock, in 6.12 without the port.
	 */
	if (dev != x->xso.dev || netif_is_bond_master(dev)) {
		NL_SET_ERR_MSG_MOD(extack, "SAs of a bond cannot be offloaded");
		return -EOPNOTSUPP;
	}
	if (!(dev->features & NETIF_F_HW_ESP)) {
		NL_SET_ERR_MSG_MOD(extack, "esp-hw-offload is off on this device");
		return -EOPNOTSUPP;
	}

	port = esp_ring_port_get(dev);
	if (!port) {
		NL_SET_ERR_MSG_MOD(extack, "the device is not a port");
		return -EOPNOTSUPP;
	}

	sa = esp_ring_sa_create(x, port, extack);
	if (IS_ERR(sa)) {
		esp_ring_port_put(port);
		return PTR_ERR(sa);
	}

	err = esp_ring_bind(sa, extack);
	if (!err) {
		err = take_type(x, extack);
		if (!err) {
			WRITE_ONCE(x->xso.offload_handle, (unsigned long)sa);
			return 0;
		}
		esp_ring_unbind(sa);
	}
	esp_ring_sa_put(sa);
	return err;
}

/* The one who asked is told by extack, where there is one. */
static int refuse(const struct net_device *dev, const struct xfrm_state *x,
		  int err, const char *why)
{
	esp_ring_refused_note(dev, x, err, why);
	if (ESP_RING_EXTACK_IN_LOG && why)
		net_info_ratelimited("%s: SA 0x%08x runs in software: %s\n",
				     dev->name, be32_to_cpu(x->id.spi), why);
	return err;
}

/* xfrm_cfg_mutex is held, or RTNL by bonding; may sleep. */
static int esp_ring_xdo_state_add(struct net_device *dev, struct xfrm_state *x,
				  struct netlink_ext_ack *extack)
{
	struct netlink_ext_ack ours = { };
	int err;

	if (!extack)
		extack = &ours;
	/* A larval packet-mode state comes in softirq: refuse it first. */
	if (x->xso.type != XFRM_DEV_OFFLOAD_CRYPTO) {
		NL_SET_ERR_MSG_MOD(extack, "packet offload is not supported, crypto offload is");
		return refuse(dev, x, -EOPNOTSUPP, extack->_msg);
	}
	if (!try_module_get(THIS_MODULE)) {
		NL_SET_ERR_MSG_MOD(extack, "the module is being unloaded");
		return refuse(dev, x, -EOPNOTSUPP, extack->_msg);
	}

	err = add_sa(dev, x, extack);
	if (!err)
		return 0;

	refuse(dev, x, err, extack->_msg);
	module_put(THIS_MODULE);
	return err;
}

/*
 * x->lock is held, BH off. xfrm hands us no packet of a deleted state, and those
 * on their way are dropped by it when they come back.
 */
static void esp_ring_xdo_state_delete(struct net_device *dev,
				      struct xfrm_state *x)
{
	struct esp_ring_sa *sa = esp_ring_state_sa(x);

	if (sa)
		esp_ring_leave(sa);
}

/*
 * Process context. Packets may still be on their way when the device goes
 * before the state does; they keep the SA.
 */
static void esp_ring_xdo_state_free(struct net_device *dev, struct xfrm_state *x)
{
	struct esp_ring_sa *sa = esp_ring_state_sa(x);

	if (!sa)
		return;

	WRITE_ONCE(x->xso.offload_handle, 0);
	esp_ring_unbind(sa);
	esp_ring_sa_put(sa);
	module_put(THIS_MODULE);
}

/*
 * False for every packet: the stack must call .output, on every route, and never
 * leave plaintext to a device that is believed to encrypt it.
 */
static bool esp_ring_xdo_offload_ok(struct sk_buff *skb, struct xfrm_state *x)
{
	return false;
}

/* Engines keep no window: each packet brings its high half along. */
static void esp_ring_xdo_advance_esn(struct xfrm_state *x)
{
}

const struct xfrmdev_ops esp_ring_xfrmdev_ops = {
	.xdo_dev_state_add		= esp_ring_xdo_state_add,
	.xdo_dev_state_delete		= esp_ring_xdo_state_delete,
	.xdo_dev_state_free		= esp_ring_xdo_state_free,
	.xdo_dev_offload_ok		= esp_ring_xdo_offload_ok,
	.xdo_dev_state_advance_esn	= esp_ring_xdo_advance_esn,
};
