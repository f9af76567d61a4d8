// SPDX-License-Identifier: GPL-2.0-only
/*
 * Glue: which engine the SoC has beside a port.
 *
 * Who makes a board says so in the device tree, in the node of the Ethernet
 * controller or of one of its ports; the glue of a vendor knows its controllers.
 * There is nothing to keep up to date here: from a net_device the way down to
 * the controller is looked up at the moment of the question.
 */
#include <linux/device.h>
#include <linux/export.h>
#include <linux/if_arp.h>
#include <linux/of.h>
#include <linux/property.h>
#include <linux/rculist.h>

#include "compat.h"
#include "internal.h"

#define ENGINE_PROPERTY	"esp-engine"

/* Changed under the mutex, read under RCU. */
static LIST_HEAD(glues);
static DEFINE_MUTEX(glue_mutex);

/**
 * esp_ring_glue_register - make the ports of some controllers known
 * @glue: which; stays until it is unregistered
 *
 * Holds for SAs added from then on. Process context.
 *
 * Return: 0.
 */
int esp_ring_glue_register(struct esp_ring_glue *glue)
{
	mutex_lock(&glue_mutex);
	list_add_tail_rcu(&glue->list, &glues);
	mutex_unlock(&glue_mutex);
	return 0;
}
EXPORT_SYMBOL_GPL(esp_ring_glue_register);

/**
 * esp_ring_glue_unregister - forget them
 * @glue: as registered
 *
 * SAs stay where they are. Process context, may sleep.
 */
void esp_ring_glue_unregister(struct esp_ring_glue *glue)
{
	mutex_lock(&glue_mutex);
	list_del_rcu(&glue->list);
	mutex_unlock(&glue_mutex);
	synchronize_rcu();
}
EXPORT_SYMBOL_GPL(esp_ring_glue_unregister);

static void detach(void *glue)
{
	esp_ring_glue_unregister(glue);
}

/**
 * devm_esp_ring_attach - make the ports of one controller known, by its driver
 * @dev: the controller's device, being probed
 * @match: as &esp_ring_glue.match; a controller that is not in it is left out
 *
 * Until the driver is unbound. Process context. A failure is told and is none of
 * the caller's: its ports work, and take any engine.
 */
void devm_esp_ring_attach(struct device *dev, const struct of_device_id *match)
{
	struct esp_ring_glue *glue;
	int err = -ENOMEM;

	if (!of_match_node(match, dev->of_node))
		return;
	glue = devm_kzalloc(dev, sizeof(*glue), GFP_KERNEL);
	if (glue) {
		glue->name = dev_driver_string(dev);
		glue->match = match;
		glue->dev = dev;
		err = esp_ring_glue_register(glue);
	}
	if (!err)
		err = devm_add_action_or_reset(dev, detach, glue);
	if (err)
		dev_warn(dev, "its ports take any ESP engine: %d\n", err);
}
EXPORT_SYMBOL_GPL(devm_esp_ring_attach);

static bool add_node(struct esp_ring_beside *beside, struct device_node *np)
{
	if (!np)
		return false;
	beside->nodes[beside->nr++] = of_fwnode_handle(np);
	return true;
}

static void add_named(struct esp_ring_beside *beside,
		      const struct device_node *np)
{
	while (beside->nr < ESP_RING_MAX_BESIDE &&
	       add_node(beside, of_parse_phandle(np, ENGINE_PROPERTY, beside->nr)))
		beside->named = true;
}

/* Where there are several the tree has to say which is meant. */
static void add_only(struct esp_ring_beside *beside,
		     const struct esp_ring_soc *soc)
{
	struct device_node *np, *only = NULL;

	for_each_compatible_node(np, NULL, soc->engine) {
		if (!of_device_is_available(np))
			continue;
		if (only) {
			of_node_put(only);
			of_node_put(np);
			return;
		}
		only = of_node_get(np);
	}
	add_node(beside, only);
}

/* The controller that a port's device is, or is behind. */
static const struct of_device_id *find_controller(const struct device *dev,
						  const struct esp_ring_glue **by,
						  const struct device_node **np)
{
	const struct of_device_id *id;
	struct esp_ring_glue *glue;

	for (; dev; dev = dev->parent) {
		if (!dev->of_node)
			continue;
		list_for_each_entry_rcu(glue, &glues, list) {
			if (glue->dev && glue->dev != dev)
				continue;
			id = of_match_node(glue->match, dev->of_node);
			if (!id)
				continue;
			*by = glue;
			*np = dev->of_node;
			return id;
		}
	}
	return NULL;
}

/**
 * struct lookup - a port's way down to its controller
 * @beside: gets what is found
 * @port: node of the port itself, if it has one that names engines
 */
struct lookup {
	struct esp_ring_beside *beside;
	const struct device_node *port;
};

/* True at the end of the way. What stands in the node of a port is meant for it
 * alone, and counts more; it counts if the controller is one that is known.
 */
static bool look_at(struct lookup *look, const struct net_device *dev)
{
	const struct device_node *np = dev->dev.of_node;
	struct esp_ring_beside *beside = look->beside;
	const struct esp_ring_glue *glue;
	const struct esp_ring_soc *soc;
	const struct of_device_id *id;

	if (!look->port && of_property_present(np, ENGINE_PROPERTY))
		look->port = np;
	id = find_controller(dev->dev.parent, &glue, &np);
	if (!id)
		return false;

	strscpy(beside->glue, glue->name, sizeof(beside->glue));
	add_named(beside, look->port ?: np);
	soc = id->data;
	if (!beside->nr && soc->engine)
		add_only(beside, soc);
	return true;
}

static int look_at_lower(struct net_device *dev, struct netdev_nested_priv *priv)
{
	return look_at(priv->data, dev);
}

static int walk(struct lookup *look, struct net_device *dev)
{
	struct netdev_nested_priv priv = { .data = look };

	if (look_at(look, dev))
		return 1;
	/* The conduit of a DSA port is below it, too. */
	return netdev_walk_all_lower_dev_rcu(dev, look_at_lower, &priv);
}

/* What PPPoE runs over is not linked to the PPP device. */
static struct net_device *below_ppp(const struct net_device *dev)
{
	struct net_device_path_ctx ctx = { .dev = dev };
	struct net_device_path path = { };

	if (dev->type != ARPHRD_PPP || !dev->netdev_ops->ndo_fill_forward_path ||
	    dev->netdev_ops->ndo_fill_forward_path(&ctx, &path) < 0)
		return NULL;
	return (struct net_device *)ctx.dev;
}

/**
 * esp_ring_beside_get - find the engines beside a port
 * @beside: gets them
 * @dev: the port
 *
 * Any context; the device stays meanwhile.
 */
void esp_ring_beside_get(struct esp_ring_beside *beside, struct net_device *dev)
{
	struct lookup look = { .beside = beside };
	struct net_device *lower;

	memset(beside, 0, sizeof(*beside));
	rcu_read_lock();
	if (!list_empty(&glues) && !walk(&look, dev)) {
		lower = below_ppp(dev);
		if (lower)
			walk(&look, lower);
	}
	rcu_read_unlock();
}

/**
 * esp_ring_beside_put - let them go
 * @beside: the engines
 */
void esp_ring_beside_put(struct esp_ring_beside *beside)
{
	while (beside->nr)
		fwnode_handle_put(beside->nodes[--beside->nr]);
}

/**
 * esp_ring_beside_rank - an engine's place among those beside a port
 * @beside: the engines beside the port
 * @engine: any engine
 *
 * Return: 0 for the first; for an engine that is not among them, their number.
 */
unsigned int esp_ring_beside_rank(const struct esp_ring_beside *beside,
				  const struct esp_ring_engine *engine)
{
	unsigned int i;

	for (i = 0; i < beside->nr; i++)
		if (beside->nodes[i] == engine->fwnode)
			break;
	return i;
}
