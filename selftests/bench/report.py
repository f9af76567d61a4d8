#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""report.py VM DIR: what the benchmark has shown.

VM is where watch.py left samples and what the host did meanwhile. Prints a table,
and writes results.jsonl and plots to DIR.

Ratios are taken within a repetition, whose members are measured one right after
the other, and then their median. Repetitions with a member for which the host
had no CPU for more than QUIET of its time are left out where enough others are
left: what remains of two CPUs then is no figure of ours.
"""
import json
import os
import statistics
import sys

import plot
import records

QUIET = 0.08
ENOUGH = 3
GCM = "aes128-gcm"
FULL = 1400
GOALS = (("soft.1cpu.vs_plain", "soft1", "plain", 0.95),
         ("soft.2cpu.vs_1cpu", "soft2", "soft1", 1.7),
         ("soft.2cpu.vs_pcrypt", "soft2", "pcrypt", 1.0))
LABELS = {"none": "no IPsec", "plain": "plain ESP", "pcrypt": "pcrypt, 2 CPUs",
          "soft1": "soft, 1 CPU", "soft2": "soft, 2 CPUs"}
ORDER = ("none", "plain", "pcrypt", "soft1", "soft2")
CPUS = {
    "none": "0: generator, stack, sink",
    "plain": "0: generator, stack, crypto, sink",
    "pcrypt": "0: generator, stack, crypto; both: crypto; one of them: sink",
    "soft1": "0: generator, stack, crypto, sink",
    "soft2": "0: generator, stack, crypto, sink; 1: crypto",
}


class Results:
    """The samples, by what they are of, and the records made of them."""

    def __init__(self, vm):
        self.data, self.records, self.conditions = {}, [], {"cpus": 2}
        waits = []
        with open(os.path.join(vm, "out/samples"), encoding="ascii") as f, \
                open(os.path.join(vm, "out/host"), encoding="ascii") as host:
            for line in f:
                s, h = json.loads(line), json.loads(host.readline() or "{}")
                if s["test"] == "info":
                    self.conditions.update({k: s[k] for k in (
                        "kernel", "cpu", "clocksource", "aead")})
                    continue
                s["wait"] = h.get("wait", 0)
                self.conditions["accel"] = h.get("accel", "?")
                waits.append(s["wait"])
                key = (s["test"], s["variant"], s["alg"], s.get("size"))
                self.data.setdefault(key, {})[s["rep"]] = s
        self.conditions["host_wait"] = round(statistics.mean(waits), 4)

    def quiet(self, reps, *keys):
        """Those of reps in which the host was there for all of keys."""
        good = [i for i in reps if
                all(self.samples(*k)[i]["wait"] <= QUIET for k in keys)]
        return good if len(good) >= ENOUGH else reps

    def samples(self, test, variant, alg=GCM, size=FULL):
        return self.data.get((test, variant, alg, size), {})

    def values(self, *key):
        field = "mbps" if key[0] == "tcp" else "pps"
        got = self.samples(*key)
        return {rep: got[rep][field] for rep in self.quiet(list(got), key)}

    def median(self, *key):
        v = self.values(*key)
        return statistics.median(v.values()) if v else None

    def ratios(self, test, a, b, alg=GCM, size=FULL):
        field = "mbps" if test == "tcp" else "pps"
        ka, kb = (test, a, alg, size), (test, b, alg, size)
        sa, sb = self.samples(*ka), self.samples(*kb)
        reps = self.quiet([r for r in sa if r in sb], ka, kb)
        return [sa[r][field] / sb[r][field] for r in reps]

    def add(self, name, values, unit, **conditions):
        if not values:
            return None
        value = statistics.median(values)
        self.records.append({
            "name": name, "value": round(value, 4), "unit": unit,
            "conditions": {**self.conditions, **conditions, "n": len(values),
                           "min": round(min(values), 4),
                           "max": round(max(values), 4)}})
        return value


def crypto_only(r, a, b):
    """The same ratio without what generator and stack cost in any case."""
    keys = [("encrypt", v, GCM, FULL) for v in ("none", a, b)]
    none, sa, sb = (r.samples(*k) for k in keys)
    reps = r.quiet([i for i in none if i in sa and i in sb], *keys)
    return [(1 / sb[i]["pps"] - 1 / none[i]["pps"]) /
            (1 / sa[i]["pps"] - 1 / none[i]["pps"]) for i in reps]


def make_records(r):
    for test, variant, alg, size in sorted(r.data, key=str):
        key = (test, variant, alg, size)
        busy = [[s["busy"][i] for s in r.samples(*key).values()] for i in (0, 1)]
        name = ".".join([test, variant, alg] + ([str(size)] if size else []))
        r.add(name, list(r.values(*key).values()),
              "Mbit/s" if test == "tcp" else "packets/s",
              busy=[round(statistics.median(b), 2) for b in busy],
              cpus=CPUS[variant] if test == "encrypt" else None)
        if test == "tcp":
            for what in ("retrans", "reorder"):
                r.add("%s.%s" % (name, what),
                      [s[what] for s in r.samples(*key).values()], "segments")
    for name, a, b, _ in GOALS:
        for alg, size in sorted({k[2:] for k in r.data if k[0] == "encrypt"}):
            if size == FULL:
                suffix = "" if alg == GCM else ".%s.%d" % (alg, size)
            else:
                suffix = ".%d" % size
            r.add(name + suffix, r.ratios("encrypt", a, b, alg, size), "ratio",
                  alg=alg, size=size)
        r.add("decrypt." + name, r.ratios("decrypt", a, b), "ratio", alg=GCM,
              size=FULL)
        r.add("tcp." + name, r.ratios("tcp", a, b, GCM, None), "ratio", alg=GCM)
    # only where all is on one CPU is there a time to subtract
    r.add("soft.1cpu.vs_plain.crypto_only", crypto_only(r, "soft1", "plain"),
          "ratio", alg=GCM, size=FULL)
    r.add("tcp.soft.2cpu.vs_plain", r.ratios("tcp", "soft2", "plain", GCM, None),
          "ratio", alg=GCM)
    r.add("bench.host_wait", [r.conditions["host_wait"]], "ratio")


def row(*cells):
    print("  ".join(["%-24s" % cells[0]] + ["%15s" % c for c in cells[1:]]))


def number(x):
    return "-" if x is None else "%.1f" % x


def table(r):
    c = r.conditions
    print("Linux %s, %s, 2 CPUs, %s; medians" %
          (c.get("kernel", "?"), c.get("cpu", "?"), c["accel"]))
    for v in ORDER[1:]:
        print("  %-15s CPU %s" % (LABELS[v], CPUS[v]))
    print()
    row("1000 packets/s", *(LABELS[v] for v in ORDER))
    keys = sorted({k[2:] for k in r.data if k[0] == "encrypt"},
                  key=lambda k: (k[0] != GCM, k))
    for alg, size in keys:
        row("%s %d" % (alg, size),
            *(number((r.median("encrypt", v, alg, size) or 0) / 1e3 or None)
              for v in ORDER))
    if any(k[0] == "decrypt" for k in r.data):
        row("decrypt %s %d" % (GCM, FULL),
            *(number((r.median("decrypt", v) or 0) / 1e3 or None)
              for v in ORDER))
    if any(k[0] == "tcp" for k in r.data):
        row("TCP, a file, Mbit/s",
            *(number(r.median("tcp", v, GCM, None)) for v in ORDER))
    print()
    by_name = {x["name"]: x for x in r.records}
    for name, _, _, goal in GOALS:
        x = by_name.get(name)
        if x:
            met = x["value"] > goal or (x["value"] == goal and goal != 1)
            print("%-20s %.3f  (%.3f to %.3f in %d)  goal %s %.2f: %s" % (
                name, x["value"], x["conditions"]["min"], x["conditions"]["max"],
                x["conditions"]["n"], ">" if goal == 1 else ">=", goal, "met" if met else "MISSED"))
        else:
            print("%-20s not measured" % name)
    print("\nthe machine waited for host CPUs for %.1f %% of its time%s" % (
        c["host_wait"] * 100, "" if c["host_wait"] < QUIET else
        ": not a quiet host, see n of each record"))


def plots(r, out):
    series = []
    for v in ORDER:
        pts = [(k[3], r.median(*k) / 1e3) for k in r.data
               if k[:3] == ("encrypt", v, GCM)]
        if pts:
            series.append((v, LABELS[v], sorted(pts)))
    if series:
        plot.lines(os.path.join(out, "sizes.svg"),
                   "AES-128-GCM, one SA: packets per second by size",
                   "IP packet inside the tunnel, bytes", "1000 packets/s", series)

    def bars(name, title, ylabel, groups):
        groups = [(label, [(v, LABELS[v], val) for v, val in vals if val])
                  for label, vals in groups]
        groups = [g for g in groups if g[1]]
        if groups:
            plot.bars(os.path.join(out, name), title, ylabel, groups)

    algs = sorted({k[2] for k in r.data if k[0] == "encrypt"},
                  key=lambda a: (a != GCM, a))
    bars("algorithms.svg", "One SA, 1400 bytes: throughput by algorithm",
         "Mbit/s",
         [(a, [(v, (r.median("encrypt", v, a, FULL) or 0) * FULL * 8 / 1e6)
               for v in ORDER[1:]]) for a in algs])
    bars("tcp.svg", "A file over TCP, both ends on the two CPUs; decryption alone",
         "Mbit/s",
         [("TCP", [(v, r.median("tcp", v, GCM, None)) for v in ORDER[1:]]),
          ("decrypt and forward",
           [(v, (r.median("decrypt", v) or 0) * FULL * 8 / 1e6)
            for v in ORDER[1:]])])


def main():
    vm, out = sys.argv[1:3]
    r = Results(vm)
    make_records(r)
    records.save(r.records, os.path.join(out, "results.jsonl"), "soft.")
    table(r)
    plots(r, out)
    print("records: %s, plots beside it" % os.path.join(out, "results.jsonl"))


main()
