// SPDX-License-Identifier: GPL-2.0-only
/*
 * One call of an allocating function returns NULL, and no other call of it:
 *
 *	insmod esp_ring_nomem.ko function=pcpu_alloc_noprof site=0xffffffffc0a01814
 *
 * where @site is the address that the call returns to. For allocations that the
 * kernel's own fault injection does not reach: it has no fault point in the per-CPU
 * allocator.
 *
 * It needs kprobes, and a return address on the stack: x86.
 */
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/ptrace.h>

static char function[KSYM_NAME_LEN];
module_param_string(function, function, sizeof(function), 0444);
MODULE_PARM_DESC(function, "name of a function that returns a pointer");

static unsigned long site;
module_param(site, ulong, 0444);
MODULE_PARM_DESC(site, "return address of the call that fails");

static unsigned int hits;
module_param(hits, uint, 0444);
MODULE_PARM_DESC(hits, "how often it did");

/* What the function is replaced by. */
static noinline void *no_memory(void)
{
	return NULL;
}

/* The function's first instruction: its return address is on top of the stack. */
static int nomem_pre(struct kprobe *p, struct pt_regs *regs)
{
	if (regs_get_kernel_stack_nth(regs, 0) != site)
		return 0;
	hits++;
	instruction_pointer_set(regs, (unsigned long)no_memory);
	return 1;
}

/* A probe with this one is not optimised, and may change the path of execution. */
static void nomem_post(struct kprobe *p, struct pt_regs *regs,
		       unsigned long flags)
{
}

static struct kprobe nomem_probe = {
	.symbol_name	= function,
	.pre_handler	= nomem_pre,
	.post_handler	= nomem_post,
};

static int __init nomem_init(void)
{
	return register_kprobe(&nomem_probe);
}

static void __exit nomem_exit(void)
{
	unregister_kprobe(&nomem_probe);
}

module_init(nomem_init);
module_exit(nomem_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Let one call of an allocating function fail");
