// SPDX-License-Identifier: GPL-2.0-only
/*
 * The hardware as such: clocks, reset, and the registers that are set once.
 */
#include <linux/bitfield.h>
#include <linux/delay.h>

#include "eip93.h"

#define EIP93_NUMBER		93
/* Both FIFOs of the packet engine, in the unit that the in-tree driver uses. */
#define EIP93_BUF_WORDS		128

/**
 * eip93_hw_clocks_on - clocks on, reset released
 * @e: the device
 *
 * Process context.
 *
 * Return: 0 or a negative error.
 */
int eip93_hw_clocks_on(struct eip93 *e)
{
	int err;

	err = clk_bulk_prepare_enable(e->nr_clks, e->clks);
	if (err)
		return err;
	err = reset_control_deassert(e->reset);
	if (err)
		clk_bulk_disable_unprepare(e->nr_clks, e->clks);
	return err;
}

/**
 * eip93_hw_clocks_off - the opposite
 * @e: the device; nothing touches its registers until the clocks are on again
 */
void eip93_hw_clocks_off(struct eip93 *e)
{
	clk_bulk_disable_unprepare(e->nr_clks, e->clks);
}

/**
 * eip93_hw_get - find clocks and reset, see what the device is
 * @e: the device, with its registers mapped
 *
 * Return: 0 or a negative error; -ENODEV: this is no EIP-93.
 */
int eip93_hw_get(struct eip93 *e)
{
	int err;

	e->nr_clks = devm_clk_bulk_get_all(e->dev, &e->clks);
	if (e->nr_clks < 0)
		return dev_err_probe(e->dev, e->nr_clks, "no clocks\n");
	e->reset = devm_reset_control_get_optional_exclusive(e->dev, NULL);
	if (IS_ERR(e->reset))
		return dev_err_probe(e->dev, PTR_ERR(e->reset), "no reset\n");

	err = eip93_hw_clocks_on(e);
	if (err)
		return dev_err_probe(e->dev, err, "clocks or reset\n");
	e->options = eip93_read(e, EIP93_OPTION_1);
	return 0;
}

static u32 clocks(const struct eip93 *e)
{
	u32 val = EIP93_CLOCK_PE | EIP93_CLOCK_HASH;

	if (e->options & EIP93_OPTION_DES)
		val |= EIP93_CLOCK_DES;
	if (e->options & EIP93_OPTION_AES)
		val |= EIP93_CLOCK_AES;
	return val;
}

/* The order is that of the in-tree driver. Interrupts stay off. */
static void set_registers(struct eip93 *e)
{
	struct eip93_ring *r = &e->ring;
	u32 config = EIP93_PE_MODE_AUTO_RING | EIP93_CDR_UPDATE;

	eip93_write(e, EIP93_CDR_BASE, lower_32_bits(r->cdr_dma));
	eip93_write(e, EIP93_RDR_BASE, lower_32_bits(r->rdr_dma));
	eip93_write(e, EIP93_RING_CONFIG,
		    FIELD_PREP(EIP93_RING_SIZE, r->size - 1));

	eip93_write(e, EIP93_PE_CONFIG,
		    config | EIP93_PE_RESET | EIP93_RING_RESET);
	usleep_range(10, 20);
	eip93_write(e, EIP93_PE_CONFIG, config);
	eip93_write(e, EIP93_CLOCK_CTRL, clocks(e));
	eip93_write(e, EIP93_BUF_THRESH,
		    FIELD_PREP(EIP93_BUF_IN, EIP93_BUF_WORDS) |
		    FIELD_PREP(EIP93_BUF_OUT, EIP93_BUF_WORDS));
	eip93_write(e, EIP93_INT_STATUS, EIP93_INT_ALL);
	eip93_write(e, EIP93_INT_DISABLE, EIP93_INT_ALL);
	eip93_irq_reset_thresh(e);
}

/**
 * eip93_hw_start - reset the engine and make it ready for descriptors
 * @e: the device; stopped, its rings empty
 *
 * Process context. SA records are memory and stay as they are.
 *
 * Return: 0; -ENODEV if the device does not answer as an EIP-93.
 */
int eip93_hw_start(struct eip93 *e)
{
	u32 rev;

	e->resets++;
	reset_control_assert(e->reset);
	usleep_range(10, 20);
	reset_control_deassert(e->reset);

	rev = eip93_read(e, EIP93_REVISION);
	if (FIELD_GET(EIP93_REVISION_EIP, rev) != EIP93_NUMBER) {
		dev_err(e->dev, "not an EIP-93: revision 0x%08x\n", rev);
		return -ENODEV;
	}
	set_registers(e);
	return 0;
}

/**
 * eip93_hw_stop - end all work and all DMA of the engine
 * @e: the device
 *
 * Bounded; needs no answer of the device. Held in reset it stays until
 * eip93_hw_start().
 */
void eip93_hw_stop(struct eip93 *e)
{
	eip93_write(e, EIP93_INT_DISABLE, EIP93_INT_ALL);
	eip93_write(e, EIP93_PE_CONFIG, EIP93_PE_RESET | EIP93_RING_RESET);
	/* Read back: the write has arrived, and what was on the bus is over. */
	eip93_read(e, EIP93_PE_CONFIG);
	usleep_range(10, 20);
	eip93_write(e, EIP93_CLOCK_CTRL, 0);
}
