#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""report.py VM DIR KERNEL: what the router's benchmark has shown.

KERNEL is the directory with System.map. VM is where the machine left out/samples,
out/kallsyms-* and prof, the instructions by address. Prints a table, which is in
DIR/router.txt too, adds records to DIR/results.jsonl, plots, and writes where the
instructions go to DIR/router-*.txt.
"""
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, ".."), os.path.join(HERE, "../../qemu/plugins")]
import common as c      # noqa: E402  pylint: disable=wrong-import-position
import fold             # noqa: E402  pylint: disable=wrong-import-position
import plot             # noqa: E402  pylint: disable=wrong-import-position
import records          # noqa: E402  pylint: disable=wrong-import-position

FIRST = "aes128-cbc-sha1"
LABELS = {"none": "no IPsec", "software": "software", "intree": "in-tree driver", "ring": "this"}
PLOTTED = {**LABELS, "ring+gro": "this, with GRO"}
# how a router should be set up, see README, and packets one by one
GROUPED, SINGLY = "+gro", ""
# name, goal, and whether it is the least that will do
GOALS = (("router.insn.forward1400.vs_plain", 2.0, False),
         ("router.engine_share.1400", 0.95, True),
         ("router.engine_share.512", 0.95, True))


def is_plain(variant):
    """Without IPsec there is no cipher."""
    return variant.startswith("none")


def measured(vm):
    """What guest.py has sampled, the kernel, and the plugin's run of each sample, from 1"""
    profile = fold.runs(os.path.join(vm, "prof"))
    with open(os.path.join(vm, "out/samples"), encoding="ascii") as f:
        lines = [json.loads(x) for x in f]
    kernel = lines.pop()["kernel"]
    if len(lines) != len(profile):
        sys.exit(f"error: {len(profile)} runs were counted, {len(lines)} reported")
    return lines, kernel, profile


class Results:
    """Samples by (variant, way, alg, size); where there is no IPsec, alg is None."""

    def __init__(self, vm):
        self.s, self.runs, self.records, self.text = {}, {}, [], []
        lines, self.kernel, self.profile = measured(vm)
        for run, s in enumerate(lines, 1):
            variant, way, alg, size = s["case"].split("/")
            key = (variant, way, None if is_plain(variant) else alg, c.number(size))
            s["kernel"] = self.profile[run].total - self.profile[run].user
            self.s[key], self.runs[key] = s, run
        self.algs = list(dict.fromkeys(k[2] for k in self.s if k[2])) or [FIRST]
        self.sizes = [x for x in c.SIZES if any(k[3] == x for k in self.s)]
        self.ways = [x for x in c.WAYS if any(k[1] == x for k in self.s)]

    def get(self, variant, way, alg, size):
        return self.s.get((variant, way, None if is_plain(variant) else alg, size))

    def insns(self, *key):
        """Kernel instructions for a packet."""
        s = self.get(*key)
        return s and s["kernel"] / (s["from_wan"] + s["from_lan"])

    def rates(self, *key):
        """Mbit/s of IP packets from host to host: to the WAN, and from there."""
        s = self.get(*key)
        return s and [s[n] * c.mean(key[3]) * 8e3 / s["ns"] * c.GHZ
                      for n in ("from_lan", "from_wan")]

    def engine(self, *key):
        """The part of the time in which the engine was at work, at its full rate."""
        s = self.get(*key)
        return s and s["busy_ns"] / s["ns"]

    def cpu(self, *key):
        s = self.get(*key)
        return s and min(s["kernel"] / s["ns"], 1)

    def each(self, *key, fields):
        """Of a packet; what was sent is what arrived."""
        s = self.get(*key)
        return s and sum(s[f] for f in fields) / (s["wan_sent"] + s["lan_sent"])

    def add(self, name, value, unit, **conditions):
        if value is not None:
            self.records.append({
                "name": name, "value": round(value, 4), "unit": unit,
                "conditions": {"kernel": self.kernel, "cpus": 1, "cpu_mhz": c.GHZ * 1000,
                               "engine": "62.5 Mbyte/s and 5 us a descriptor",
                               "wire": "1 Gbit/s", "under_way": c.WINDOW,
                               "machine": "mt7621, emulated", **conditions}})

    def say(self, line=""):
        self.text.append(line)


def worst(values, least):
    values = [v for v in values if v is not None]
    return (min if least else max)(values) if values else None


def make_records(r):
    for alg in r.algs:
        tail = "" if alg == FIRST else "." + alg
        for size in r.sizes:
            for way in r.ways:
                for v in c.VARIANTS + c.MORE:
                    if is_plain(v) and tail:
                        continue
                    key = (v, way, alg, size)
                    at = f"{size}.{v}.{way}{tail}"
                    more = {} if is_plain(v) else {"alg": alg}
                    if v == "none":
                        more["wire"] = "no limit"
                    r.add(f"router.insn.forward{at}", r.insns(*key), "instructions/packet", **more)
                    if v == "none":
                        continue
                    r.add(f"router.mbps.{at}", r.rates(*key) and sum(r.rates(*key)), "Mbit/s",
                          to_wan_from_wan=[round(x, 1) for x in r.rates(*key) or ()], **more)
                    r.add(f"router.irq_per_packet.{at}", r.each(*key, fields=("irqs", "fe_irqs")),
                          "1", of="engine and Ethernet", **more)
                    if not is_plain(v) and v != "software":
                        r.add(f"router.engine_share.{at}", r.engine(*key), "1", **more)
                for more in (SINGLY, GROUPED):
                    key = (way, alg, size)
                    if r.get("ring" + more, *key) and r.get("none" + more, *key):
                        r.add(f"router.insn.forward{size}.vs_plain{more}.{way}{tail}",
                              r.insns("ring" + more, *key) / r.insns("none" + more, *key), "ratio",
                              alg=alg)
    values = {x["name"]: x["value"] for x in r.records}
    for name, _, least in GOALS:
        for more, tail, how in ((GROUPED, "", "rx-udp-gro-forwarding on both ports"),
                                (SINGLY, ".singly", "as they come, UDP one by one")):
            one = name + more if name.endswith(".vs_plain") else f"{name}.ring{more}"
            r.add(name + tail, worst([values.get(f"{one}.{way}") for way in r.ways], least), "ratio",
                  alg=FIRST, of="the worst of enc, dec and both", ports=how)


def cells(r, *key):
    """Instructions, and Mbit/s with wires that have a speed."""
    if not r.get(*key):
        return "%9s %9s" % ("-", "-")
    rates = r.rates("none+wire" if key[0] == "none" else key[0], *key[1:])
    mbps = "-" if rates is None else "%.0f" % sum(rates) if key[1] != "both" else "%.0f+%.0f" % tuple(rates)
    return "%9.0f %9s" % (r.insns(*key), mbps)


def table(r):
    r.say(f"Linux {r.kernel}, emulated MT7621, lan1 to wan and back, {c.WINDOW} packets under way")
    r.say("one CPU of 880 MHz and one instruction a clock; engine 500 Mbit/s + 5 us a packet; "
          "wires of 1 Gbit/s")
    r.say("for each: kernel instructions a packet; Mbit/s of IP packets from host to host")
    r.say("no IPsec: instructions where the CPU is the limit, Mbit/s with the wires")
    for alg in r.algs:
        r.say()
        r.say("%-22s" % alg + "".join("%-22s" % ("   " + LABELS[v]) for v in c.VARIANTS) +
              "this: CPU  engine  vs plain")
        for way in r.ways:
            for size in r.sizes:
                key = ("ring", way, alg, size)
                end = ""
                if r.get(*key):
                    end = "     %5.2f   %5.2f" % (r.cpu(*key), r.engine(*key))
                    if r.get("none", way, alg, size):
                        end += "     %5.2f" % (r.insns(*key) / r.insns("none", way, alg, size))
                r.say("%-5s%5s        " % (way, size) +
                      "   ".join(cells(r, v, way, alg, size) for v in c.VARIANTS) + end)
    for size in r.sizes:
        shown = [v for v in c.MORE if any(r.get(v, way, r.algs[0], size) for way in r.ways)
                 and (size == 1400 or v.endswith(("+paced", GROUPED)))]
        if not shown:
            continue
        r.say()
        r.say("%-22s" % ("%s bytes" % size) + "".join("%-22s" % ("   " + w) for w in r.ways))
        for v in shown:
            r.say("%-22s" % (LABELS[v.split("+")[0]] + ", " + v.split("+")[1]) + "   ".join(
                cells(r, v, way, r.algs[0], size) for way in r.ways))
    r.say()
    values = {x["name"]: x["value"] for x in r.records}
    for name, goal, least in [(n + t, g, x) for n, g, x in GOALS for t in ("", ".singly")]:
        if name in values:
            met = values[name] >= goal if least else values[name] <= goal
            r.say("%-42s %.3f  goal at %s %.2f: %s" % (
                name, values[name], "least" if least else "most", goal,
                "met" if met else "MISSED"))
        else:
            r.say("%-42s not measured" % name)
    for way in r.ways:
        for v, size in (("intree", 1400), ("ring", 1400), ("ring+paced", 64)):
            key = (v, way, r.algs[0], size)
            if r.get(*key):
                r.say("%-15s %-4s %4s: %.3f interrupts of the engine, %.3f of the Ethernet, %.2f "
                      "register accesses of the engine a packet" % (
                          LABELS.get(v, "this, paced"), way, size, r.each(*key, fields=("irqs",)),
                          r.each(*key, fields=("fe_irqs",)),
                          r.each(*key, fields=("reg_reads", "reg_writes"))))


def module(function):
    """Whose a function is, as kallsyms has it."""
    return function.rpartition("[")[2].rstrip("]") if function.endswith("]") else "kernel"


def by_function(r, vm, out, images):
    """Where the instructions go, beside what the same packets cost without IPsec."""
    def functions(variant, way, size):
        key = (variant, way, None if is_plain(variant) else r.algs[0], size)
        if key not in r.s:
            return None
        names = fold.symbols([os.path.join(images, "System.map"),
                              os.path.join(vm, "out/kallsyms-" + variant.split("+", maxsplit=1)[0])])
        s = r.s[key]
        n = s["wan_sent"] + s["lan_sent"]
        return {f: x / n for f, x in fold.fold(r.profile[r.runs[key]].counts, *names).items()}

    for way in r.ways:
        for size in r.sizes:
            plain = functions("none", way, size)
            for v in ("intree", "ring", "ring+gro", "ring+flowtable"):
                mine = functions(v, way, size)
                if mine is None or plain is None:
                    continue
                names = sorted(set(mine) | set(plain), key=lambda f: -mine.get(f, 0))
                with open(os.path.join(out, f"router-{v}-{way}{size}.txt"), "w",
                          encoding="ascii") as f:
                    f.write(f"# {v}, {way} {size} {r.algs[0]}: instructions a packet; without "
                            "IPsec; difference\n")
                    sums = {}
                    for name in names:
                        sums[module(name)] = sums.get(module(name), 0) + mine.get(name, 0)
                    for name, n in sorted(sums.items(), key=lambda i: -i[1]):
                        f.write("# %10.1f %s\n" % (n, name))
                    for name in names:
                        a, b = mine.get(name, 0), plain.get(name, 0)
                        if max(a, b) >= 1:
                            f.write("%10.1f %10.1f %+10.1f %s\n" % (a, b, a - b, name))


def plots(r, out):
    for what, title, unit, value in (
            ("mbps", "throughput", "Mbit/s", lambda *k: r.get(*k) and sum(r.rates(*k))),
            ("insn", "kernel instructions a packet", "1000 instructions",
             lambda *k: r.get(*k) and r.insns(*k) / 1e3)):
        for way in r.ways:
            shown = [v for v in PLOTTED if (what, v) != ("insn", "software")]
            groups = [(str(size), [(v, PLOTTED[v], value(
                "none+wire" if (what, v) == ("mbps", "none") else v, way, r.algs[0], size))
                                   for v in shown])
                      for size in r.sizes]
            groups = [(size, [x for x in g if x[2]]) for size, g in groups]
            groups = [g for g in groups if g[1]]
            if groups:
                plot.bars(os.path.join(out, f"router-{what}-{way}.svg"),
                          f"Emulated MT7621, {c.WAY_NAMES[way]}, {r.algs[0]}: {title} by size",
                          unit, groups)


def main():
    vm, out, images = sys.argv[1:4]
    r = Results(vm)
    make_records(r)
    records.save(r.records, os.path.join(out, "results.jsonl"), "router.")
    table(r)
    with open(os.path.join(out, "router.txt"), "w", encoding="ascii") as f:
        f.write("\n".join(r.text) + "\n")
    print("\n".join(r.text))
    by_function(r, vm, out, images)
    plots(r, out)
    print("\nrecords: %s; router.txt, router-*.svg and by function router-*.txt beside it" %
          os.path.join(out, "results.jsonl"))


if __name__ == "__main__":
    main()
