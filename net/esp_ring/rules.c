// SPDX-License-Identifier: GPL-2.0-only
/*
 * The admin's rules, as module parameters: which SAs are urgent, which port
 * uses which engine, which CPU completes which queue.
 *
 * Each is a list of "what=which" terms. All can be changed at run time and hold
 * for SAs added from then on.
 */
#include <linux/glob.h>
#include <linux/module.h>
#include <linux/rculist.h>

#include "compat.h"
#include "internal.h"

#define RULE_LEN	512

static DEFINE_MUTEX(rules_mutex);
static char high_prio[RULE_LEN];
static char bind[RULE_LEN];
static char completion_cpus[RULE_LEN];
/* What is taken apart, in place of an allocation that could fail: rules_mutex. */
static char rules_copy[RULE_LEN];

/* A term is valid if @check says so; the first one that is not is reported. */
static int set_rules(char *rules, const char *val,
		     bool (*check)(const char *what, const char *which))
{
	char *rest, *term, *which;
	int err = 0;

	if (strlen(val) >= RULE_LEN)
		return -ENOSPC;

	mutex_lock(&rules_mutex);
	strscpy(rules_copy, val, RULE_LEN);
	rest = strim(rules_copy);
	while (!err && (term = strsep(&rest, ",\n "))) {
		if (!*term)
			continue;
		which = strchr(term, '=');
		if (which)
			*which++ = '\0';
		if (!which || !*which || !check(term, which)) {
			pr_err("esp_ring: rule '%s' is not understood\n", term);
			err = -EINVAL;
		}
	}
	if (!err) {
		strscpy(rules, val, RULE_LEN);
		strim(rules);
	}
	mutex_unlock(&rules_mutex);
	return err;
}

static int get_rules(char *buffer, const struct kernel_param *kp)
{
	int len;

	mutex_lock(&rules_mutex);
	len = sysfs_emit(buffer, "%s\n", (char *)kp->arg);
	mutex_unlock(&rules_mutex);
	return len;
}

/* Call @match for each term until it says true. It is called under rules_mutex. */
static bool any_rule(const char *rules,
		     bool (*match)(const char *what, const char *which,
				   void *arg), void *arg)
{
	char *rest = rules_copy, *term, *which;
	bool found = false;

	mutex_lock(&rules_mutex);
	strscpy(rules_copy, rules, RULE_LEN);
	while (!found && (term = strsep(&rest, ",\n "))) {
		which = strchr(term, '=');
		if (!which)
			continue;
		*which++ = '\0';
		found = match(term, which, arg);
	}
	mutex_unlock(&rules_mutex);
	return found;
}

/* "0x10/0xf0" or "7" */
static bool parse_masked(const char *s, u32 *value, u32 *mask)
{
	char buf[32];
	char *slash;

	if (strscpy(buf, s, sizeof(buf)) < 0)
		return false;
	slash = strchr(buf, '/');
	*mask = U32_MAX;
	if (slash) {
		*slash++ = '\0';
		if (kstrtou32(slash, 0, mask))
			return false;
	}
	return !kstrtou32(buf, 0, value);
}

static bool prio_match(const char *what, const char *which, void *arg)
{
	const struct xfrm_state *x = arg;
	u32 value, mask, have;

	if (!parse_masked(which, &value, &mask))
		return false;
	if (!strcmp(what, "mark"))
		have = x->mark.v;
	else if (!strcmp(what, "output-mark"))
		have = x->props.smark.v;
	else if (!strcmp(what, "reqid"))
		have = x->props.reqid;
	else if (!strcmp(what, "if_id"))
		have = x->if_id;
	else
		return false;
	return (have & mask) == (value & mask);
}

static bool prio_check(const char *what, const char *which)
{
	u32 value, mask;

	return (!strcmp(what, "mark") || !strcmp(what, "output-mark") ||
		!strcmp(what, "reqid") || !strcmp(what, "if_id")) &&
	       parse_masked(which, &value, &mask);
}

/**
 * esp_ring_rule_prio - the priority of an SA
 * @x: its state
 *
 * Return: %ESP_RING_PRIO_HIGH or %ESP_RING_PRIO_LOW.
 */
u8 esp_ring_rule_prio(const struct xfrm_state *x)
{
	return any_rule(high_prio, prio_match, (void *)x) ?
		ESP_RING_PRIO_HIGH : ESP_RING_PRIO_LOW;
}

struct bind_query {
	const char *port;
	char *engine;
};

static bool bind_match(const char *what, const char *which, void *arg)
{
	struct bind_query *query = arg;

	if (!glob_match(what, query->port))
		return false;
	strscpy(query->engine, which, ESP_RING_NAME_LEN);
	return true;
}

static bool bind_check(const char *what, const char *which)
{
	return *what && strlen(which) < ESP_RING_NAME_LEN;
}

/**
 * esp_ring_rule_engine - the engine that a port's SAs are bound to by rule
 * @port: name of the port
 * @engine: gets the engine's name, %ESP_RING_NAME_LEN bytes
 *
 * Return: whether there is such a rule.
 */
bool esp_ring_rule_engine(const char *port, char *engine)
{
	struct bind_query query = { .port = port, .engine = engine };

	return any_rule(bind, bind_match, &query);
}

struct cpu_query {
	char name[ESP_RING_NAME_LEN + 10];
	int cpu;
};

static bool cpu_match(const char *what, const char *which, void *arg)
{
	struct cpu_query *query = arg;

	return glob_match(what, query->name) && !kstrtoint(which, 0, &query->cpu);
}

static bool cpu_check(const char *what, const char *which)
{
	int cpu;

	return *what && !kstrtoint(which, 0, &cpu) && cpu >= 0 &&
	       cpu < nr_cpu_ids && cpu_possible(cpu);
}

/**
 * esp_ring_rule_cpu - the CPU that completes a queue by rule
 * @engine: name of the engine
 * @dir: which of its queues
 *
 * Return: a CPU, or -1 for that on which the engine answers.
 */
int esp_ring_rule_cpu(const char *engine, enum esp_ring_dir dir)
{
	struct cpu_query query = { .cpu = -1 };

	snprintf(query.name, sizeof(query.name), "%s.%s", engine,
		 dir == ESP_RING_ENCRYPT ? "encrypt" : "decrypt");
	return any_rule(completion_cpus, cpu_match, &query) ? query.cpu : -1;
}

static int set_high_prio(const char *val, const struct kernel_param *kp)
{
	return set_rules(high_prio, val, prio_check);
}

static int set_bind(const char *val, const struct kernel_param *kp)
{
	return set_rules(bind, val, bind_check);
}

static int set_completion_cpus(const char *val, const struct kernel_param *kp)
{
	int err = set_rules(completion_cpus, val, cpu_check);

	if (!err)
		esp_ring_engine_set_cpus();
	return err;
}

static const struct kernel_param_ops high_prio_ops = {
	.set = set_high_prio,
	.get = get_rules,
};

static const struct kernel_param_ops bind_ops = {
	.set = set_bind,
	.get = get_rules,
};

static const struct kernel_param_ops completion_cpus_ops = {
	.set = set_completion_cpus,
	.get = get_rules,
};

module_param_cb(high_prio, &high_prio_ops, high_prio, 0644);
MODULE_PARM_DESC(high_prio,
		 "SAs served first: mark=V[/M], output-mark=V[/M], reqid=N, if_id=N; a list");
module_param_cb(bind, &bind_ops, bind, 0644);
MODULE_PARM_DESC(bind, "engine of a port's SAs: PORT=ENGINE, PORT a shell pattern; a list");
module_param_cb(completion_cpus, &completion_cpus_ops, completion_cpus, 0644);
MODULE_PARM_DESC(completion_cpus,
		 "CPU that finishes packets: ENGINE.encrypt=N, ENGINE.decrypt=N, ENGINE.*=N; a list");
