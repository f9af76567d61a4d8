#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""report.py VM DIR KERNEL: what the engine's benchmark has shown.

KERNEL is the directory with System.map. VM is where the machine left out/samples, out/kallsyms-* and prof, the
instructions by address. Prints a table, adds records to DIR/results.jsonl, and
writes where the instructions go to DIR/eip93-*.txt.
"""
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, ".."), os.path.join(HERE, "../../qemu/plugins")]
import fold     # noqa: E402  pylint: disable=wrong-import-position
import plot     # noqa: E402  pylint: disable=wrong-import-position
import records  # noqa: E402  pylint: disable=wrong-import-position

SHA1, SHA256 = "aes128-cbc-sha1", "aes128-cbc-sha256"
LABELS = {"software": "software", "intree": "in-tree driver", "ring": "this"}
# name, goal, and whether the goal is an upper bound that may be reached
GOALS = {"eip93.insn.enc1400.vs_intree": 1 / 3, "eip93.insn.dec1400.vs_intree": 1 / 3,
         "eip93.insn.enc64.vs_intree": 1 / 3, "eip93.insn.dec64.vs_intree": 1 / 3,
         "eip93.irq_per_packet": 1 / 16, "eip93.mmio_per_packet": 2,
         "eip93.alloc_per_packet": 0}


class Results:
    """Samples and the instruction counts that belong to them; of several the median."""

    def __init__(self, vm):
        self.count, self.alloc, self.records = {}, {}, []
        samples = {}
        profile = fold.runs(os.path.join(vm, "prof"))
        self.profile, run = profile, 0
        with open(os.path.join(vm, "out/samples"), encoding="ascii") as f:
            for line in f:
                s = json.loads(line)
                if s["test"] == "info":
                    self.kernel = s["kernel"]
                    continue
                run += 1
                if s["test"] == "lost":
                    continue
                if s["test"] == "alloc":
                    self.alloc[s["variant"], s["dir"], s["ours"]] = s
                    continue
                s["kernel_insns"] = (profile[run].total - profile[run].user) / s["packets"]
                s["run"] = run
                samples.setdefault((s["variant"], s["dir"], s["alg"], s["size"]), []).append(s)
        for key, some in samples.items():
            some.sort(key=lambda s: s["kernel_insns"])
            self.count[key] = some[len(some) // 2]
        if run != len(profile):
            sys.exit(f"error: {len(profile)} runs were counted, {run} reported")

    def added(self, variant, way, alg, size):
        """Kernel instructions that ESP adds to a packet."""
        plain = self.count["none", way, SHA1, size]["kernel_insns"]
        return self.count[variant, way, alg, size]["kernel_insns"] - plain

    def each(self, variant, way, alg, size, *fields):
        s = self.count[variant, way, alg, size]
        return sum(s[f] for f in fields) / s["packets"]

    def add(self, name, value, unit, **conditions):
        self.records.append({"name": name, "value": round(value, 4), "unit": unit,
                             "conditions": {"kernel": self.kernel, "cpus": 1,
                                            "machine": "mt7621, emulated", **conditions}})


def make_records(r):
    worst = {"irq": 0, "mmio": 0}
    for way in ("enc", "dec"):
        for size in (1400, 64):
            r.add(f"eip93.insn.{way}{size}.none",
                  r.count["none", way, SHA1, size]["kernel_insns"], "instructions/packet")
            for alg in (SHA1, SHA256):
                tail = "" if alg == SHA1 else ".sha256"
                for v in LABELS:
                    r.add(f"eip93.insn.{way}{size}.{v}{tail}", r.added(v, way, alg, size),
                          "instructions/packet", alg=alg)
                for v in ("intree", "software"):
                    r.add(f"eip93.insn.{way}{size}.vs_{v}{tail}",
                          r.added("ring", way, alg, size) / r.added(v, way, alg, size),
                          "ratio", alg=alg)
                for v in ("ring", "intree"):
                    at = (v, way, alg, size)
                    irq = r.each(*at, "irqs")
                    mmio = r.each(*at, "reg_reads", "reg_writes")
                    name = "eip93" if v == "ring" else "eip93.intree"
                    r.add(f"{name}.irq_per_packet.{way}{size}{tail}", irq, "1", alg=alg)
                    r.add(f"{name}.mmio_per_packet.{way}{size}{tail}", mmio, "1", alg=alg)
                    r.add(f"{name}.doorbells_per_packet.{way}{size}{tail}",
                          r.each(*at, "doorbells"), "1", alg=alg)
                    if v == "ring" and size == 1400:
                        worst["irq"] = max(worst["irq"], irq)
                        worst["mmio"] = max(worst["mmio"], mmio)
        none = r.alloc["none", way, False]
        for v in ("software", "intree", "ring"):
            a = r.alloc[v, way, False]
            r.add(f"eip93.alloc_all_per_packet.{v}.{way}1400",
                  a["allocations"] / a["packets"] - none["allocations"] / none["packets"],
                  "allocations/packet", of="the whole kernel, more than without IPsec")
    r.add("eip93.irq_per_packet", worst["irq"], "1", size=1400, of="the worst of 4 cases")
    r.add("eip93.mmio_per_packet", worst["mmio"], "1", size=1400, of="the worst of 4 cases")
    ours = [r.alloc["ring", way, True] for way in ("enc", "dec")]
    r.add("eip93.alloc_per_packet", max(a["allocations"] / a["packets"] for a in ours),
          "allocations/packet", of="the layer's and the driver's own", size=1400)


def table(r):
    print(f"Linux {r.kernel}, emulated MT7621, one CPU; kernel instructions that ESP adds to a packet")
    print("%-28s %12s %12s %12s %10s" % ("", *LABELS.values(), "ratio"))
    for way in ("enc", "dec"):
        for size in (1400, 64):
            for alg in (SHA1, SHA256):
                n = [r.added(v, way, alg, size) for v in LABELS]
                print("%-28s %12.0f %12.0f %12.0f %10.3f" % (
                    f"{way} {size} {alg}", *n, n[2] / n[1]))
    print("\n%-28s %12s %12s" % ("per packet, 1400, sha1", LABELS["intree"], LABELS["ring"]))
    for way in ("enc", "dec"):
        for name, fields in (("interrupts", ("irqs",)), ("doorbells", ("doorbells",)),
                             ("register accesses", ("reg_reads", "reg_writes"))):
            print("%-28s %12.3f %12.3f" % (f"{way} {name}", *(
                r.each(v, way, SHA1, 1400, *fields) for v in ("intree", "ring"))))
    print()
    values = {x["name"]: x["value"] for x in r.records}
    for name, goal in GOALS.items():
        print("%-32s %.4f  goal %.4f: %s" % (
            name, values[name], goal, "met" if values[name] <= goal else "MISSED"))


def by_function(r, vm, out, images):
    """Where the instructions go, less what the same packets cost without IPsec."""
    for v in ("ring", "intree"):
        names = fold.symbols([os.path.join(images, "System.map"),
                              os.path.join(vm, "out/kallsyms-" + v)])
        for way in ("enc", "dec"):
            functions = {}
            for variant, sign in ((v, 1), ("none", -1)):
                s = r.count[variant, way, SHA1, 1400]
                counts = r.profile[s["run"]].counts
                for f, n in fold.fold(counts, *names).items():
                    functions[f] = functions.get(f, 0) + sign * n / s["packets"]
            with open(os.path.join(out, f"eip93-{v}-{way}1400.txt"), "w",
                      encoding="ascii") as f:
                f.write(f"# {LABELS[v]}, {way} 1400 {SHA1}: instructions a packet, "
                        "less those without IPsec\n")
                for name, n in sorted(functions.items(), key=lambda i: -abs(i[1])):
                    if abs(n) >= 1:
                        f.write("%10.1f %s\n" % (n, name))


def main():
    vm, out, images = sys.argv[1:4]
    r = Results(vm)
    make_records(r)
    records.save(r.records, os.path.join(out, "results.jsonl"), "eip93.")
    table(r)
    by_function(r, vm, out, images)
    plot.bars(os.path.join(out, "eip93.svg"),
              "Emulated MT7621: kernel instructions that ESP adds to a packet, AES128-CBC-SHA1",
              "1000 instructions",
              [(f"{way} {size}", [(v, label, r.added(v, way, SHA1, size) / 1e3)
                                  for v, label in LABELS.items()])
               for way in ("enc", "dec") for size in (1400, 64)])
    print("\nrecords: %s; by function: eip93-*.txt beside it" % os.path.join(
        out, "results.jsonl"))


main()
