#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""watch.py DIR COMMAND...: run the machine and see whether the host let it.

DIR/out/samples grows by a line with each sample of guest.py. For each of them a
line of JSON goes to DIR/out/host: the accelerator, and the share of the
time since the last one for which a virtual CPU waited for one of the host's. A
sample of two CPUs is none if one of them was not there.
"""
import glob
import json
import os
import subprocess
import sys
import time

POLL = 0.05


def machine(pid):
    """QEMU among the descendants of a process, once it is there."""
    for path in glob.glob("/proc/%d/task/*/children" % pid):
        try:
            with open(path, encoding="ascii") as f:
                children = [int(x) for x in f.read().split()]
            for child in children:
                with open("/proc/%d/cmdline" % child, encoding="utf-8") as f:
                    argv = f.read().split("\0")
                if "qemu-system" in argv[0] and "mount_tag=out" in " ".join(argv):
                    return child, argv[argv.index("-accel") + 1].split(",")[0]
                found = machine(child)
                if found:
                    return found
        except (OSError, ValueError):
            pass
    return None


def waited(pid):
    """Seconds that each virtual CPU waited: the two threads that ran most."""
    threads = []
    for path in glob.glob("/proc/%d/task/*/schedstat" % pid):
        try:
            with open(path, encoding="ascii") as f:
                run, wait, _ = f.read().split()
        except (OSError, ValueError):
            continue
        threads.append((int(run), int(path.split("/")[4]), int(wait) / 1e9))
    return [wait for _, _, wait in sorted(sorted(threads)[-2:], key=lambda t: t[1])]


def favour(pid, nice):
    """Ask for more of the host, which takes root."""
    try:
        os.setpriority(os.PRIO_PROCESS, pid, int(nice))
        with open("/proc/%d/autogroup" % pid, "w", encoding="ascii") as f:
            f.write(nice)
    except OSError as e:
        print("# BENCH_NICE: %s" % e, file=sys.stderr)


def main():
    top, command = sys.argv[1], sys.argv[2:]
    samples = os.path.join(top, "out/samples")
    qemu, lines, last, since = None, 0, [0, 0], time.monotonic()
    with subprocess.Popen(command, start_new_session=True) as boot, \
            open(os.path.join(top, "out/host"), "w", encoding="ascii",
                 buffering=1) as out:
        while boot.poll() is None:
            time.sleep(POLL)
            if not qemu:
                qemu = machine(boot.pid)
                if qemu and os.environ.get("BENCH_NICE"):
                    favour(qemu[0], os.environ["BENCH_NICE"])
                continue
            try:
                with open(samples, encoding="ascii") as f:
                    n = f.read().count("\n")
            except OSError:
                continue
            if n == lines:
                continue
            now, t = waited(qemu[0]), time.monotonic()
            share = max((b - a) / (t - since) for a, b in zip(last, now))
            # more than one line at once: it is not known whose wait it was
            for _ in range(n - lines):
                out.write(json.dumps({"accel": qemu[1],
                                      "wait": round(max(share, 0), 4)}) + "\n")
            if n // 25 > lines // 25:
                print("# %d samples" % n, file=sys.stderr, flush=True)
            last, since, lines = now, t, n
        return boot.returncode


sys.exit(main())
