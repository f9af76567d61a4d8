#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's own selftests as a baseline against themselves.

Each that exercises ESP is run twice: on a kernel without any module of ours, and
with every SA offloaded (offload_all.c).  What it says must be the same; what fails
in both is listed.  That SAs were offloaded is asked of the kernel for each of them,
and the engine's packets are counted.

    kselftests.py [PATTERN]     those whose name matches; LONG=1: all of them
"""
import collections
import glob
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time

import esplab as lab
from labbase import Tap, note

HERE = os.path.dirname(os.path.abspath(__file__))
GIVEN = os.path.join(os.environ["SHARE"], "kselftests")
WORK = "/tmp/kselftests"
LONG = os.environ.get("LONG")

VTI = ["pmtu_vti4_exception", "pmtu_vti6_exception", "pmtu_vti4_udp_exception",
       "pmtu_vti6_udp_exception", "pmtu_vti4_udp_routed_exception",
       "pmtu_vti6_udp_routed_exception"]
STATE = ["unreachable_ipv4", "mtu_ipv6_r2"]

# name, arguments in short and in long form (None: not run), seconds in short form,
# whether packets go through its states
Script = collections.namedtuple("Script", "file short long secs packets", defaults=[True])
SCRIPTS = [
    Script("vrf-xfrm-tests.sh", [], [], 60),
    Script("l2tp.sh", [], [], 60),
    # ESP in UDP, where a state of it can be offloaded
    Script("pmtu.sh", VTI[2:4] if lab.KVER >= (6, 2) else VTI[:2], VTI, 60),
    Script("xfrm_state.sh", STATE, [], 60),
    # its thousands of policies take minutes, whatever becomes of the states
    Script("xfrm_policy.sh", None, [], 600),
    # as many at a time as there are subnets for; those not done in time are left.  Its
    # policies are for the outer addresses, its pings for the inner: they are not ESP.
    Script("ipsec", ["24"], ["16"], 25, False),
]


# Where all takes several times as long: ipsec has timeouts of its own, and the debug
# kernel no BPF for cgroups, by which "ip vrf exec" works.
if lab.SLOW > 1:
    SCRIPTS = [s for s in SCRIPTS if s.file not in ("ipsec", "vrf-xfrm-tests.sh")]


def environment(preload, log):
    lib = GIVEN + "/tools/usr/lib/x86_64-linux-gnu"
    env = dict(os.environ, LD_LIBRARY_PATH=lib, XTABLES_LIBDIR=lib + "/xtables",
               PATH="%s/tools/bin:%s/net:%s" % (GIVEN, WORK, os.environ["PATH"]))
    if preload:
        env.update(LD_PRELOAD=preload, OFFLOAD_LOG=log)
    return env


def output(cmd, env, secs):
    """What a command prints, on a terminal so that nothing of it is kept back, and
    its status; None if it was not done in time."""
    mine, its = pty.openpty()
    # a session of its own: it is ended with all its children
    p = subprocess.Popen(cmd, cwd=WORK + "/net", env=env, stdin=subprocess.DEVNULL,
                         stdout=its, stderr=its, start_new_session=True)
    os.close(its)
    text, end = b"", time.monotonic() + secs
    while time.monotonic() < end:
        if select.select([mine], [], [], 0.5)[0]:
            try:
                got = os.read(mine, 1 << 16)
            except OSError:         # the last writer has closed it
                got = b""
            if not got:
                break
            text += got
        elif p.poll() is not None:
            break
    try:
        status = p.wait(1 if time.monotonic() < end else 0)
    except subprocess.TimeoutExpired:
        status = None
    try:
        os.killpg(p.pid, signal.SIGKILL)
    except OSError:
        pass
    p.wait()
    os.close(mine)
    return text.decode("utf-8", "replace").replace("\r", ""), status


KINDS = {"ok": "pass", "not ok": "fail", "pass": "pass", "fail": "fail", "skip": "skip",
         "xfail": "fail"}


def results(text):
    """What a script says of each of its tests, in whichever form."""
    out, times = {}, collections.Counter()
    for line in text.splitlines():
        m = re.match(r"TEST: (.+?)\s+\[\s*(\w+)\s*\]", line)
        if m:
            what, kind = m.groups()
        else:
            m = re.match(r"(PASS|FAIL|SKIP): (.+)", line) or \
                re.match(r"(ok|not ok) \d+[ -]*(.+)", line)
            if not m:
                continue
            kind, what = m.groups()
        what = " ".join(what.split())
        times[what] += 1
        if times[what] > 1:
            what += " (%d)" % times[what]
        out[what] = KINDS.get(kind.lower(), kind.lower())
    return out


def clean_up():
    """What a script that was ended leaves behind."""
    for ns in lab.sh("ip netns list").split("\n"):
        name = ns.split(" ")[0]
        if name and name != lab.PEER:
            lab.status("ip netns del " + name)
    lab.status("ip xfrm policy flush; ip xfrm state flush")


def run(script, env, log):
    args = script.long if LONG else script.short
    path = "%s/net/%s" % (WORK, script.file)
    cmd = [path] + args
    if script.file.endswith(".sh"):
        cmd = ["bash"] + cmd
    start = time.monotonic()
    text, status = output(cmd, env, (1500 if LONG else script.secs * 2) * lab.SLOW
                          if script.file != "ipsec" or LONG else script.secs * lab.SLOW)
    secs = time.monotonic() - start
    with open(log, "w", encoding="utf-8") as f:
        f.write(text)
    clean_up()
    got = results(text)
    if status is not None:
        got["exit status"] = "%d" % status
    return got, secs


def differences(plain, ours, cut):
    """Only what both came to, where one was ended by the clock."""
    names = set(plain) & set(ours) if cut else set(plain) | set(ours)
    return ["%s: %s without, %s with offload" % (n, plain.get(n, "-"), ours.get(n, "-"))
            for n in sorted(names) if plain.get(n) != ours.get(n)]


def states(log):
    """What became of each state: Counter of first words, and lines of the others."""
    try:
        lines = lab.read(log).splitlines()
    except OSError:
        return collections.Counter(), []
    kinds = collections.Counter(x.split()[0] for x in lines)
    others = collections.Counter(" ".join(x.split()[:2]) if x.startswith("left") else
                                 x.split()[0] for x in lines if not x.startswith("offloaded"))
    return kinds, ["%d %s" % (n, w) for w, n in sorted(others.items())]


def engine_packets():
    return sum(e["packets"] for e in lab.kv("engines"))


class Suite:
    def __init__(self):
        self.tap = Tap()
        self.out = os.environ["OUT"]
        shutil.rmtree(WORK, ignore_errors=True)
        shutil.copytree(GIVEN + "/selftests", WORK)
        self.preload = WORK + "/offload_all.so"
        lab.sh("gcc -O2 -Wall -Werror -shared -fPIC -o %s %s/offload_all.c -ldl" % (
            self.preload, HERE))
        wanted = sys.argv[1] if len(sys.argv) > 1 else ""
        self.scripts = [s for s in SCRIPTS if re.search(wanted, s.file) and
                        (LONG or s.short is not None) and glob.glob(WORK + "/net/" + s.file)]

    def log(self, script, way):
        return "%s/%s.%s" % (self.out, script.file, way)

    def offloaded(self, script):
        """Its results, what became of its states, and the engine's packets"""
        log = self.log(script, "states")
        if os.path.exists(log):
            os.unlink(log)
        before = engine_packets()
        got, secs = run(script, environment(self.preload, log), self.log(script, "offload"))
        kinds, others = states(log)
        return got, secs, kinds, others, engine_packets() - before

    def judge(self, script, plain, plain_secs):
        ours, secs, kinds, others, packets = self.offloaded(script)
        cut = "exit status" not in plain or "exit status" not in ours
        bad = differences(plain, ours, cut)
        if bad:
            # one packet late on a busy host changes a result: which of them stays?
            note("%s: once more, since:" % script.file)
            note("\n".join(bad))
            lab.rmmod("esp_ring_soft")
            lab.rmmod("esp_ring")
            again, _ = run(script, environment(None, ""), self.log(script, "plain2"))
            lab.load()
            ours, secs, kinds, others, packets = self.offloaded(script)
            cut = cut or "exit status" not in again or "exit status" not in ours
            bad = [d for d in differences(again, ours, cut) if d in bad]
        count = collections.Counter(v for k, v in ours.items() if k != "exit status")
        note("%s: %s%s; %.0f s and %.0f s; states: %d offloaded%s; engine: %d packets" % (
            script.file, ", ".join("%d %s" % (n, k) for k, n in sorted(count.items())),
            " (in the time)" if cut else "", plain_secs, secs, kinds["offloaded"],
            "".join(", " + o for o in others), packets))
        for name in sorted(n for n, k in ours.items() if k != "pass" and k != "0"):
            if plain.get(name) == ours[name]:
                note("%s in both: %s" % (ours[name], name))
        self.tap.ok(not bad, "%s says the same with every SA offloaded" % script.file,
                    "\n".join(bad) + "\nsee " + self.log(script, "offload"))
        if kinds or count["pass"]:
            self.tap.ok(kinds["offloaded"] > 0 and not kinds["software"] and
                        (packets > 0 or not script.packets),
                        "%s: SAs were offloaded%s" % (
                            script.file, ", and the engine had their packets"
                            if script.packets else ""),
                        "%r, %d packets\n%s" % (dict(kinds), packets,
                                                lab.read(lab.DEBUGFS + "refused")))
        else:
            self.tap.skip("%s: SAs were offloaded" % script.file, "it tested nothing here")

    def main(self):
        note("linux-source " + lab.read(GIVEN + "/version").strip())
        plain = {}
        for m in ("esp4_offload", "esp6_offload"):
            lab.sh("modprobe " + m)
        for s in self.scripts:
            plain[s.file] = run(s, environment(None, ""), self.log(s, "plain"))
        lab.load()
        for s in self.scripts:
            self.judge(s, *plain[s.file])
        self.tap.done()


if __name__ == "__main__":
    Suite().main()
