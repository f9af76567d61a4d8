// SPDX-License-Identifier: GPL-2.0-only
/*
 * A platform device is suspended, resumed or shut down by itself, while the rest
 * of the machine, and its traffic, go on:
 *
 *	insmod esp_ring_power.ko device=1e004000.crypto call=suspend
 *
 * The machine cannot do that as a whole in a test: 9p has no restore, and with it
 * the test would lose its files; and nobody is left to look after a shutdown. The
 * status of insmod is that of the call.
 */
#include <linux/device.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/pm.h>
#include <linux/string.h>

static char *device = "";
module_param(device, charp, 0444);
MODULE_PARM_DESC(device, "name of a platform device");

static char *call = "";
module_param(call, charp, 0444);
MODULE_PARM_DESC(call, "suspend, resume or shutdown");

static int do_call(struct device *dev)
{
	const struct dev_pm_ops *pm = dev->driver ? dev->driver->pm : NULL;

	if (!strcmp(call, "suspend"))
		return pm && pm->suspend ? pm->suspend(dev) : -EOPNOTSUPP;
	if (!strcmp(call, "resume"))
		return pm && pm->resume ? pm->resume(dev) : -EOPNOTSUPP;
	if (strcmp(call, "shutdown") || !dev->driver)
		return -EINVAL;
	platform_bus_type.shutdown(dev);
	return 0;
}

static int __init power_init(void)
{
	struct device *dev;
	int err;

	dev = bus_find_device_by_name(&platform_bus_type, NULL, device);
	if (!dev)
		return -ENODEV;
	/* As the core does: nobody takes the driver away meanwhile. */
	device_lock(dev);
	err = do_call(dev);
	device_unlock(dev);
	put_device(dev);
	return err;
}

static void __exit power_exit(void)
{
}

module_init(power_init);
module_exit(power_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Suspend, resume or shut down one device");
