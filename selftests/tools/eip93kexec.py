#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Another kernel is started by kexec while the EIP-93 has packets of both directions:

    eip93kexec.py

This runs twice.  The first time it brings up traffic on a slow engine and starts the
kernel of the same machine again, which runs the same test file; that one finds MARK on
its command line, looks at the engine and gives the results.
"""
import json
import os
import subprocess
import sys

import esplab as lab
import eip93lab as eip
from esplab import check

DIR = os.path.join(os.environ["SHARE"], "kexec")
STATE = os.path.join(os.environ["OUT"], "first.json")
MARK = "esp_ring.second"


def kexec(*args):
    env = dict(os.environ, LD_LIBRARY_PATH=DIR + "/lib")
    r = subprocess.run((DIR + "/bin/kexec",) + args, env=env, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True, check=False)
    check(not r.returncode, "kexec %s: %s" % (" ".join(args), r.stdout))


def boot_id():
    return lab.read("/proc/sys/kernel/random/boot_id").strip()


def first():
    ctl = eip.Control()
    ctl.heal()
    kexec("-c", "-l", DIR + "/vmlinux", "--initrd=" + DIR + "/initramfs",
          "--append=%s %s" % (lab.read("/proc/cmdline").strip(), MARK))
    eip.load()
    lab.hosts_up()
    a, b = lab.both_hosts()
    t = lab.Tunnel(a, b, "cbc128-sha1", ("tunnel", 4, 4), window=1024)
    # something is always under way, in both directions
    ctl.speed(2000000)
    with lab.Load(t):
        busy = [0, 0]

        def both():
            busy[0] = eip.queue("encrypt")["inflight"]
            busy[1] = eip.queue("decrypt")["inflight"]
            return all(busy) and ctl.get(eip.PENDING)
        check(lab.wait_for(both, 20), "the engine is never busy: %r" % busy)
        with open(STATE, "w", encoding="ascii") as f:
            json.dump({"boot": boot_id(), "inflight": busy, "moved": eip.moved(ctl)}, f)
        lab.sh("sync")
        # the interfaces stay up (-x): packets come until the kernel ends
        kexec("-e", "-x")
    raise lab.Fail("kexec came back")


def is_another():
    with open(STATE, encoding="ascii") as f:
        was = json.load(f)
    check(was["boot"] != boot_id(), "it is the same kernel")
    check(all(was["inflight"]) and all(was["moved"]), "%r" % was)
    lab.note("descriptors and bytes when it was started: %r; the engine had %r" % (
        was["moved"], was["inflight"]))


def rests(ctl):
    def test():
        check(not ctl.get(eip.PENDING), "descriptors are pending")
        eip.still(ctl, 3)
        check(not ctl.stat("errors"), "%r" % ctl.stats())
    return test


def works(ctl):
    def test():
        ctl.heal()
        eip.load()
        lab.hosts_up()
        t = lab.Tunnel(*lab.both_hosts(), "cbc128-sha1", ("tunnel", 4, 4), window=1024)
        with lab.Load(t) as load:
            eip.alive(t, "kexec")
        load.lossless()
        check(lab.layer_sa(t.out)["engine"] == lab.layer_sa(t.inn)["engine"] == "eip93",
              "%r" % lab.kv("sas"))
        check(not lab.drops(lab.layer_sa(t.out)) and not lab.drops(lab.layer_sa(t.inn)),
              "%r" % lab.kv("sas"))
        eip.agree(ctl, "kexec")
    return test


def unload():
    for host in lab.both_hosts():
        host.flush()
    for m in ("esp_ring_eip93", "esp_ring"):
        lab.rmmod(m)


def main():
    if MARK not in lab.read("/proc/cmdline").split():
        lab.run_tests([("another kernel is started", first)])
        sys.exit(1)
    ctl = eip.Control()
    lab.run_tests([
        ("another kernel runs after kexec", is_another),
        ("the engine is at rest in it", rests(ctl)),
        ("the engine works in it", works(ctl)),
        ("unloads after all that", unload)])


main()
