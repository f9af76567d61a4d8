#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""cpus.py VM DIR IMAGES: what two CPUs of a router have to do, as guest.py measured it.

VM has out/samples and the plugin's prof, IMAGES the kernel's System.map. Prints a table, writes it to
DIR/router-cpus.txt and adds records to DIR/results.jsonl.

With -icount QEMU's CPUs run one after the other on one clock, so that there is no rate
of two of them. What there is, is exact: the instructions that each executes for a
packet, and the time that the engine is at work for it, in the unit of that clock, in
which an instruction takes 1 ns. Not counted is what waits for a lock: a CPU that QEMU has
halted in the middle keeps its locks until its next turn. The busiest of the three is the limit when all work at
once, so the engine's share is then at most its own time to that.
"""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, ".."), os.path.join(HERE, "../../qemu/plugins")]
import common as c      # noqa: E402  pylint: disable=wrong-import-position
import fold             # noqa: E402  pylint: disable=wrong-import-position
import records          # noqa: E402  pylint: disable=wrong-import-position
import report           # noqa: E402  pylint: disable=wrong-import-position

PREFIX = "router-cpus."
WORDS = {"on00": "all on CPU 0", "on11": "CPU 1 finishes",
         "on01": "CPU 1 finishes what was decrypted",
         "on10": "CPU 1 finishes what was encrypted"}
WAITING = "queued_spin_lock_slowpath"


def working(functions):
    return sum(n for name, n in functions.items() if name != WAITING)


def samples(vm, images):
    """{(way, size, place): (kernel instructions for a packet by CPU, the engine's time)},
    and the kernel"""
    lines, kernel, profile = report.measured(vm)
    names = fold.symbols([os.path.join(images, "System.map"), os.path.join(vm, "out/kallsyms-ring")])
    out = {}
    for run, s in enumerate(lines, 1):
        name, way, _, size = s["case"].split("/")
        packets = s["from_wan"] + s["from_lan"]
        out[way, c.number(size), name.split("+")[1]] = (
            [working(fold.fold(profile[run].by_cpu[cpu], *names)) / packets for cpu in range(2)],
            s["busy_ns"] / packets)
    return out, kernel


def main():
    vm, out, images = sys.argv[1:4]
    got, kernel = samples(vm, images)
    text = ["", "Two CPUs: kernel instructions for a packet, interrupts on CPU 0", "",
            "%-22s %5s  %-34s %7s %7s %7s %6s" % (
                "way", "bytes", "", "CPU 0", "CPU 1", "engine", "share")]
    new = []
    for way in c.WAYS:
        for size in (s for s in c.SIZES if (way, s, "on00") in got):
            for place in (p for p in c.PLACES if (way, size, p) in got):
                by_cpu, engine = got[way, size, place]
                share = engine / max(engine, *by_cpu)
                text.append("%-22s %5s  %-34s %7.0f %7.0f %7.0f %6.2f" % (
                    c.WAY_NAMES[way], size, WORDS[place], *by_cpu, engine, share))
                new.append({"name": f"{PREFIX}engine_share.{size}.{way}.{place}",
                            "value": round(share, 4), "unit": "ratio", "conditions": {
                                "by_cpu": [round(n) for n in by_cpu], "engine_ns": round(engine),
                                "of": "at most: the engine's time to that of the busiest",
                                "kernel": kernel, "machine": "mt7621, emulated, 2 CPUs"}})
    text += ["", "engine: instructions that a CPU could have done while it was at work for the packet;",
             "share: of the time it is at work, at most, if CPUs and engine all work at once"]
    print("\n".join(text))
    with open(os.path.join(out, "router-cpus.txt"), "w", encoding="ascii") as f:
        f.write("\n".join(text) + "\n")
    records.save(new, os.path.join(out, "results.jsonl"), PREFIX)


main()
