// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ports: which net_devices advertise ESP offload.
 *
 * All that can own an address and have no xfrmdev_ops of their own. The feature
 * bit is what ethtool and IKE daemons look at; it says nothing about the packet
 * path, see esp_ring_xdo_offload_ok().
 */
#include <linux/glob.h>
#include <linux/if_arp.h>
#include <linux/module.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <net/net_namespace.h>

#include "compat.h"
#include "internal.h"

#define PORTS_LEN	512

/**
 * struct esp_ring_fix_ops - operations of a device whose driver masks our feature
 * @ops: copy of the driver's, with our ndo_fix_features
 * @real: the driver's
 * @rcu: the transmit path reads dev->netdev_ops without a lock
 */
struct esp_ring_fix_ops {
	struct net_device_ops ops;
	const struct net_device_ops *real;
	struct rcu_head rcu;
};

static LIST_HEAD(ports);
static DEFINE_SPINLOCK(port_lock);
static bool ports_ready;
static bool ports_leaving;

static DEFINE_MUTEX(patterns_mutex);
static char patterns[PORTS_LEN] = "*";
/* What is taken apart, in place of an allocation that could fail: patterns_mutex. */
static char patterns_copy[PORTS_LEN];

/* The last pattern that matches decides; "!" in front says no. */
static bool name_wanted(const char *name)
{
	char *rest = patterns_copy, *term;
	bool wanted = false;

	mutex_lock(&patterns_mutex);
	strscpy(patterns_copy, patterns, PORTS_LEN);
	while ((term = strsep(&rest, ",\n "))) {
		bool yes = *term != '!';

		if (!yes)
			term++;
		if (*term && glob_match(term, name))
			wanted = yes;
	}
	mutex_unlock(&patterns_mutex);
	return wanted;
}

static bool is_candidate(const struct net_device *dev)
{
	if (dev->xfrmdev_ops && dev->xfrmdev_ops != &esp_ring_xfrmdev_ops)
		return false;
	return (dev->type == ARPHRD_ETHER || dev->type == ARPHRD_PPP) &&
	       !(dev->flags & IFF_LOOPBACK);
}

static netdev_features_t fix_features(struct net_device *dev,
				      netdev_features_t features)
{
	const struct esp_ring_fix_ops *fix =
		container_of(dev->netdev_ops, struct esp_ring_fix_ops, ops);
	netdev_features_t fixed = features;

	if (fix->real->ndo_fix_features)
		fixed = fix->real->ndo_fix_features(dev, features);
	return fixed | (features & NETIF_F_HW_ESP);
}

/*
 * Stacked devices (VLAN, macvlan) let through only what the device below them
 * offers, and features that they know. Ours is done above both.
 */
static void install_fix(struct esp_ring_port *port)
{
	struct esp_ring_fix_ops *fix = kzalloc(sizeof(*fix), GFP_KERNEL);

	if (!fix)
		return;
	fix->real = port->dev->netdev_ops;
	fix->ops = *fix->real;
	fix->ops.ndo_fix_features = fix_features;
	port->fix_ops = fix;
	WRITE_ONCE(port->dev->netdev_ops, &fix->ops);
	netdev_update_features(port->dev);
}

static void remove_fix(struct esp_ring_port *port)
{
	struct esp_ring_fix_ops *fix = port->fix_ops;

	if (!fix)
		return;
	if (port->dev->netdev_ops == &fix->ops)
		WRITE_ONCE(port->dev->netdev_ops, fix->real);
	port->fix_ops = NULL;
	kfree_rcu(fix, rcu);
}

/* RTNL is held, and the device's own lock where it has one. */
static void port_select(struct esp_ring_port *port)
{
	struct net_device *dev = port->dev;

	port->selected = true;
	/* The operations before the feature: the core checks in that order. */
	dev->xfrmdev_ops = &esp_ring_xfrmdev_ops;
	if (!(dev->hw_features & NETIF_F_HW_ESP)) {
		dev->hw_features |= NETIF_F_HW_ESP;
		dev->hw_enc_features |= NETIF_F_HW_ESP;
		dev->wanted_features |= NETIF_F_HW_ESP;
	}
	netdev_update_features(dev);
	if ((dev->wanted_features & NETIF_F_HW_ESP) &&
	    !(dev->features & NETIF_F_HW_ESP))
		install_fix(port);
}

/*
 * The same locks. xfrmdev_ops stay as long as an SA may be on the device: the
 * core calls them without looking.
 */
static void port_deselect(struct esp_ring_port *port)
{
	struct net_device *dev = port->dev;

	port->selected = false;
	dev->wanted_features &= ~NETIF_F_HW_ESP;
	netdev_update_features(dev);
	dev->hw_features &= ~NETIF_F_HW_ESP;
	dev->hw_enc_features &= ~NETIF_F_HW_ESP;
	remove_fix(port);
}

static void port_free(struct kref *ref)
{
	kfree(container_of(ref, struct esp_ring_port, ref));
}

/**
 * esp_ring_port_put - drop a reference
 * @port: the port
 *
 * Any context.
 */
void esp_ring_port_put(struct esp_ring_port *port)
{
	kref_put(&port->ref, port_free);
}

/**
 * esp_ring_port_get - the port of a device, for an SA
 * @dev: the device
 *
 * Process context.
 *
 * Return: the port, with a reference, or NULL.
 */
struct esp_ring_port *esp_ring_port_get(const struct net_device *dev)
{
	struct esp_ring_port *port, *found = NULL;

	spin_lock(&port_lock);
	list_for_each_entry(port, &ports, list) {
		if (port->dev == dev) {
			kref_get(&port->ref);
			found = port;
			break;
		}
	}
	spin_unlock(&port_lock);
	return found;
}

/**
 * esp_ring_port_retire - keep the counters of an SA that goes
 * @port: its port
 * @dir: its direction
 * @totals: its counters
 */
void esp_ring_port_retire(struct esp_ring_port *port, enum esp_ring_dir dir,
			  const struct esp_ring_totals *totals)
{
	spin_lock(&port_lock);
	esp_ring_totals_add(&port->past[dir], totals);
	spin_unlock(&port_lock);
}

/**
 * esp_ring_port_past - counters of the SAs that have gone
 * @port: the port
 * @dir: direction
 * @totals: gets them
 */
void esp_ring_port_past(struct esp_ring_port *port, enum esp_ring_dir dir,
			struct esp_ring_totals *totals)
{
	spin_lock(&port_lock);
	*totals = port->past[dir];
	spin_unlock(&port_lock);
}

/**
 * esp_ring_ports_walk - call a function for each port
 * @fn: the function; may sleep
 * @arg: its second argument
 *
 * RTNL is held.
 */
void esp_ring_ports_walk(void (*fn)(struct esp_ring_port *port, void *arg),
			 void *arg)
{
	struct esp_ring_port *port;

	ASSERT_RTNL();
	list_for_each_entry(port, &ports, list)
		fn(port, arg);
}

static struct esp_ring_port *find_port(const struct net_device *dev)
{
	struct esp_ring_port *port = esp_ring_port_get(dev);

	/* RTNL keeps it: the list's reference goes only under that. */
	if (port)
		esp_ring_port_put(port);
	return port;
}

static void dev_appeared(struct net_device *dev)
{
	struct esp_ring_port *port;

	if (ports_leaving || !is_candidate(dev) || find_port(dev))
		return;

	port = kzalloc(sizeof(*port), GFP_KERNEL);
	if (!port)
		return;
	port->dev = dev;
	kref_init(&port->ref);
	strscpy(port->name, dev->name, sizeof(port->name));

	spin_lock(&port_lock);
	list_add_tail(&port->list, &ports);
	spin_unlock(&port_lock);

	if (name_wanted(dev->name))
		port_select(port);
}

static void forget_port(struct esp_ring_port *port)
{
	spin_lock(&port_lock);
	list_del(&port->list);
	spin_unlock(&port_lock);
	esp_ring_port_put(port);
}

/* The device goes, or goes to another network namespace and appears there. */
static void dev_gone(struct net_device *dev)
{
	struct esp_ring_port *port = find_port(dev);

	if (!port)
		return;
	if (ESP_RING_FLUSH_ON_UNREGISTER)
		xfrm_dev_state_flush(dev_net(dev), dev, true);
	remove_fix(port);
	forget_port(port);
}

/*
 * Make what is advertised what is wanted, after a change of names or patterns.
 * Process context.
 */
static void reconcile(struct work_struct *work)
{
	struct esp_ring_port *port;

	rtnl_lock();
	list_for_each_entry(port, &ports, list) {
		bool wanted;

		spin_lock(&port_lock);
		strscpy(port->name, port->dev->name, sizeof(port->name));
		spin_unlock(&port_lock);
		wanted = name_wanted(port->name);
		if (wanted == port->selected)
			continue;
		netdev_lock_ops(port->dev);
		if (wanted)
			port_select(port);
		else
			port_deselect(port);
		netdev_unlock_ops(port->dev);
	}
	rtnl_unlock();
}

static DECLARE_WORK(reconcile_work, reconcile);

static int netdev_event(struct notifier_block *nb, unsigned long event,
			void *ptr)
{
	struct net_device *dev = netdev_notifier_info_to_dev(ptr);

	switch (event) {
	case NETDEV_REGISTER:
		dev_appeared(dev);
		break;
	case NETDEV_UNREGISTER:
		dev_gone(dev);
		break;
	case NETDEV_CHANGENAME:
		/* Whether the device's own lock is held here differs. */
		queue_work(esp_ring_wq, &reconcile_work);
		break;
	}
	return NOTIFY_DONE;
}

/* Before the core's own, which wants the operations of a feature to be there. */
static struct notifier_block netdev_notifier = {
	.notifier_call	= netdev_event,
	.priority	= 10,
};

static int set_ports(const char *val, const struct kernel_param *kp)
{
	if (strlen(val) >= PORTS_LEN)
		return -ENOSPC;

	mutex_lock(&patterns_mutex);
	strscpy(patterns, val, sizeof(patterns));
	strim(patterns);
	mutex_unlock(&patterns_mutex);

	if (READ_ONCE(ports_ready)) {
		queue_work(esp_ring_wq, &reconcile_work);
		flush_work(&reconcile_work);
	}
	return 0;
}

static int get_ports(char *buffer, const struct kernel_param *kp)
{
	int len;

	mutex_lock(&patterns_mutex);
	len = sysfs_emit(buffer, "%s\n", patterns);
	mutex_unlock(&patterns_mutex);
	return len;
}

static const struct kernel_param_ops ports_ops = {
	.set = set_ports,
	.get = get_ports,
};

module_param_cb(ports, &ports_ops, NULL, 0644);
MODULE_PARM_DESC(ports,
		 "names of the devices that advertise ESP offload: shell patterns, the last that matches decides, ! for not (default *)");

/**
 * esp_ring_ports_init - find the ports, now and from now on
 *
 * Return: 0 or an error.
 */
int esp_ring_ports_init(void)
{
	int err = register_netdevice_notifier(&netdev_notifier);

	if (!err)
		WRITE_ONCE(ports_ready, true);
	return err;
}

/* RTNL is held. */
static void release_port(struct esp_ring_port *port)
{
	struct net_device *dev = port->dev;

	netdev_lock_ops(dev);
	if (port->selected)
		port_deselect(port);
	netdev_unlock_ops(dev);
	dev->xfrmdev_ops = NULL;
	forget_port(port);
}

/*
 * Take one port out of use. The core reads xfrmdev_ops under xfrm_cfg_mutex, more
 * than once in a row, so that is what they must be cleared under.
 */
static bool release_first(void)
{
	struct esp_ring_port *port;
	struct net_device *dev;
	struct net *net;

	rtnl_lock();
	port = list_first_entry_or_null(&ports, struct esp_ring_port, list);
	if (!port) {
		rtnl_unlock();
		return false;
	}
	dev = port->dev;
	net = maybe_get_net(dev_net(dev));
	if (!net) {
		/* A namespace that dies: nobody can add a state there. */
		release_port(port);
		rtnl_unlock();
		return true;
	}
	dev_hold(dev);
	rtnl_unlock();

	mutex_lock(&net->xfrm.xfrm_cfg_mutex);
	rtnl_lock();
	port = find_port(dev);
	if (port && net_eq(dev_net(dev), net))
		release_port(port);
	rtnl_unlock();
	mutex_unlock(&net->xfrm.xfrm_cfg_mutex);
	dev_put(dev);
	put_net(net);
	return true;
}

/**
 * esp_ring_ports_exit - leave all ports as they were
 *
 * Called when no SA is left.
 */
void esp_ring_ports_exit(void)
{
	rtnl_lock();
	ports_leaving = true;
	rtnl_unlock();
	WRITE_ONCE(ports_ready, false);

	while (release_first())
		cond_resched();
	unregister_netdevice_notifier(&netdev_notifier);
	cancel_work_sync(&reconcile_work);
	synchronize_net();
}
