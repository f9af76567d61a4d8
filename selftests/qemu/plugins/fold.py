#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Make functions of what plugins/insnprof.c wrote.

fold.py [--run N] [--packets N] [--less RUN] [--top N] PROFILE SYMBOLS...

SYMBOLS are System.map and /proc/kallsyms of the guest (as root, with
kptr_restrict 0), which has the modules' functions too. With --less the counts
of another run are taken off: the same traffic without what is measured.
"""
import argparse
import bisect
import collections
import sys


# instructions: all, those of user space, the kernel's by address, and if there are
# several CPUs the same of each
Run = collections.namedtuple("Run", "total user counts by_cpu")


def symbols(files):
    """Sorted addresses and names of functions; of equal ones the first name."""
    by_address = {}
    for name in files:
        with open(name, encoding="ascii") as f:
            for line in f:
                field = line.split()
                if len(field) < 3 or field[1] not in "tTwW":
                    continue
                module = " " + field[3] if len(field) > 3 else ""
                by_address.setdefault(int(field[0], 16), field[2] + module)
    addresses = sorted(by_address)
    return addresses, [by_address[a] for a in addresses]


def runs(name):
    """The runs of a profile, by number"""
    found = {}
    with open(name, encoding="ascii") as f:
        for line in f:
            field = line.split()
            if field[0] == "run":
                current = collections.Counter()
                by_cpu = collections.defaultdict(collections.Counter)
                found[int(field[1])] = Run(int(field[2]), int(field[3]), current, by_cpu)
            else:
                address = int(field[0], 16)
                current[address] += int(field[1])
                for cpu, n in enumerate(field[2:]):
                    by_cpu[cpu][address] += int(n)
    return found


def fold(counts, addresses, names):
    """Instructions by function."""
    functions = collections.Counter()
    for address, n in counts.items():
        i = bisect.bisect_right(addresses, address) - 1
        functions[names[i] if i >= 0 else "?"] += n
    return functions


def main():
    """Command line."""
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--run", type=int, default=1)
    p.add_argument("--less", type=int, metavar="RUN", help="subtract this run")
    p.add_argument("--packets", type=int, default=1, help="divide by")
    p.add_argument("--top", type=int, default=40, help="lines to print")
    p.add_argument("profile")
    p.add_argument("symbols", nargs="+")
    a = p.parse_args()

    found = runs(a.profile)
    for n in (a.run, a.less):
        if n is not None and n not in found:
            sys.exit(f"error: {a.profile} has no run {n}, only {sorted(found)}")
    addresses, names = symbols(a.symbols)
    total, user, counts, _ = found[a.run]
    functions = fold(counts, addresses, names)
    if a.less is not None:
        total -= found[a.less][0]
        user -= found[a.less][1]
        functions.subtract(fold(found[a.less][2], addresses, names))
    print(f"{total / a.packets:12.1f} all, {user / a.packets:.1f} of it user")
    for name, n in sorted(functions.items(), key=lambda i: -abs(i[1]))[:a.top]:
        print(f"{n / a.packets:12.1f} {name}")


if __name__ == "__main__":
    main()
