#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""strongSwan with many SAs, with SAs for each CPU, and with an offload that is
refused; only A offloads."""
import os
import re
import socket
import time

import esplab as lab
import swan_lab as swan
from esplab import check

# a hundred; fewer where everything takes five times as long
MANY = 100 if lab.SLOW == 1 else 30


def repeat(text):
    """The configuration's one child, a hundred times"""
    m = re.search(r"^\t\t\tnet1 \{\n.*?^\t\t\t\}\n", text, re.M | re.S)
    check(m, "no child net1")
    return text.replace(m[0], "".join(
        m[0].replace("net1", "net%d" % n).replace(".1.0/24", ".%d.0/24" % n)
        for n in range(1, MANY + 1)))


def many():
    """So many CHILD_SAs at once, a ping each way in every one; then all go."""
    lab.ip_batch(["addr add 10.1.%d.1/32 dev lo" % n for n in range(1, MANY + 1)] +
                 ["route replace 10.2.0.0/16 via 192.0.2.2"])
    lab.ip_batch(["addr add 10.2.%d.1/32 dev lo" % n for n in range(1, MANY + 1)] +
                 ["route replace 10.1.0.0/16 via 192.0.2.1"], lab.PEER)
    try:
        start = time.monotonic()
        a, _ = swan.pair("many-networks", edit=repeat)
        x = lab.Xfrm()
        check(lab.wait_for(lambda: sum(bool(s["offload"]) for s in x.sas().values()) == 2 * MANY,
                           60, 0.2),
              "%d of %d SAs are offloaded: %s" % (*swan.counted()[::-1], a.log()[-1000:]))
        lab.note("%d SAs after %.1f s" % (2 * MANY, time.monotonic() - start))
        check(len(lab.kv("sas")) == 2 * MANY, "%d in the layer" % len(lab.kv("sas")))
        for n in range(1, MANY + 1):
            for p, q, ns in (("10.1.%d.1" % n, "10.2.%d.1" % n, None),
                             ("10.2.%d.1" % n, "10.1.%d.1" % n, lab.PEER)):
                check(not lab.ping(p, q, [100], ns)[0], "no answer from %s" % q)
        total, spis = swan.in_engine(4 * MANY)
        check(total == 4 * MANY and set(spis.values()) == {2},
              "%d packets; by SA %r" % (total, sorted(set(spis.values()))))
        a.ctl("--terminate --ike site-b --timeout 20")
        check(lab.wait_for(lambda: not lab.kv("sas"), 30), "%d stay" % len(lab.kv("sas")))
    finally:
        swan.stop_all()
        lab.ip_batch(["addr del 10.1.%d.1/32 dev lo" % n for n in range(1, MANY + 1)] +
                     ["route del 10.2.0.0/16"], force=True)
        lab.ip_batch(["addr del 10.2.%d.1/32 dev lo" % n for n in range(1, MANY + 1)] +
                     ["route del 10.1.0.0/16"], lab.PEER, force=True)
        swan.bed("hosts_up v e")


def send_on(cpu, n=40, src="10.1.0.1", dst="10.2.0.1", ns=None):
    """Datagrams from one CPU"""
    pid = os.fork()
    if not pid:
        os.sched_setaffinity(0, {cpu})
        with lab.Ns(ns):
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind((src, 0))
        for _ in range(n):
            try:
                s.sendto(b"x" * 200, (dst, 7777))
            except OSError:
                pass
            time.sleep(0.02)
        os._exit(0)
    os.waitpid(pid, 0)


def per_cpu():
    if swan.VERSION < (6, 0, 2):
        return "strongSwan %d.%d.%d has no SAs for each CPU" % swan.VERSION
    a, _ = swan.pair("per-cpu")
    if lab.KVER < (6, 13):
        out = a.ctl("--initiate --child nets --timeout %d" % (15 * lab.SLOW), None)[1]
        said = re.search(r".*(?:[Cc][Pp][Uu]).*", a.log() + out)
        lab.note("charon: %s" % (said[0].strip() if said else "no word of CPUs"))
        # it goes on with one pair for all
        swan.offloaded(2)
        swan.traffic()
        swan.in_engine()
        return None
    x = lab.Xfrm()
    for _ in range(3):
        for cpu in range(os.cpu_count()):
            send_on(cpu)
    check(lab.wait_for(lambda: len(x.sas()) >= 4, 5), "%r\n%s" % (swan.counted(), a.log()[-1500:]))
    n, off = swan.counted()
    check(n == off, "%d states, %d offloaded" % (n, off))
    listed = a.ctl("--list-sas")
    cpus = set(re.findall(r"(?:CPU|cpu)[ :=]*(\d+)", listed))
    check(len(cpus) == os.cpu_count(), "SAs of CPUs %r: %s" % (cpus, listed))
    before = swan.in_engine(40)[1]
    # each CPU's packets take its own SA
    used = []
    for cpu in range(os.cpu_count()):
        send_on(cpu, 30)
        now = swan.in_engine()[1]
        most = max(now, key=lambda s: now[s] - before.get(s, 0))
        check(now[most] - before.get(most, 0) >= 25, "CPU %d: %r, then %r" % (cpu, before, now))
        used.append(most)
        before = now
    check(len(set(used)) == os.cpu_count(), "one SA for two CPUs: %r" % used)
    # the peer's CPUs ask too; who answers such a question sends by the new SA before
    # the one who asked has it, so the first packets may be lost
    for cpu in range(os.cpu_count()):
        send_on(cpu, 20, "10.2.0.1", "10.1.0.1", lab.PEER)
    check(lab.wait_for(lambda: not lab.ping("10.2.0.1", "10.1.0.1", [0] * 20, lab.PEER)[0] and
                       not lab.ping("10.1.0.1", "10.2.0.1", [0] * 20)[0], 20), "pings get lost")
    swan.traffic()
    n, off = swan.counted()
    check(n == off, "%d states, %d offloaded" % (n, off))
    swan.in_engine(40)
    lab.note("%d SAs, for CPUs %s" % (n, " ".join(sorted(cpus))))
    return None


def packet():
    """hw_offload = packet is refused, in a line that says why; nothing is left, and
    crypto works afterwards."""
    if swan.VERSION < (5, 9, 11):
        a, _ = swan.pair("site-to-site-psk", "no")
        text = lab.read(a.conf)
        lab.write(a.conf, re.sub(r"(hw_offload = )\w+", r"\1packet", text))
        code, out = a.ctl("--load-all --noprompt", None)
        check(code and "hw_offload" in out, "%d %s" % (code, out))
        lab.note("swanctl: %s" % re.search(r".*hw_offload.*", out)[0].strip())
        return None
    a, _ = swan.pair("site-to-site-psk", "packet")
    code, out = a.ctl("--initiate --child nets --timeout %d" % (15 * lab.SLOW), None)
    check(code and not swan.counted()[1], "%d %s %r" % (code, out, swan.counted()))
    words = r".*(?:offload|SAD entry).*(?:not supported|failed|unable).*|.*(?:failed|unable).*(?:offload|SAD entry).*"
    lines = re.findall(words, a.log())
    check(lines, "no word of it: %s" % a.log()[-2000:])
    for line in dict.fromkeys(x.split("] ", 1)[-1].strip() for x in lines):
        lab.note("charon: %s" % line)
    check(not lab.kv("sas"), "%r" % lab.kv("sas"))
    a.ctl("--terminate --ike site-b --force", None)
    # the trap policy of packet mode goes with the connection
    a, _ = swan.pair("site-to-site-psk", "crypto")
    a.up()
    swan.offloaded(2)
    swan.traffic()
    swan.in_engine()
    return None


def main():
    swan.run([
        ("%d CHILD_SAs" % MANY, many),
        ("SAs for each CPU", per_cpu),
        ("packet offload is refused", packet),
    ])


main()
