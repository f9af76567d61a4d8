#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""L2TP over transport mode by IKEv1, with xl2tpd and pppd at both ends: direct,
behind a NAT, and with A as the client; only A offloads."""
import os
import re
import shutil
import subprocess

import esplab as lab
import routes
import swan_lab as swan
from esplab import check

TMP = "/tmp/l2tp"


class L2tp:
    """xl2tpd of one host, with a configuration of strongswan-conf/l2tp/"""

    def __init__(self, conf, ns=None, edit=None):
        self.ns, self.dir = ns, "%s/%s" % (TMP, conf)
        shutil.rmtree(self.dir, ignore_errors=True)
        shutil.copytree("%s/l2tp/%s" % (swan.CONF, conf), self.dir)
        path = self.dir + "/xl2tpd.conf"
        text = lab.read(path).replace("/etc/ppp/options.xl2tpd", self.dir + "/options.xl2tpd")
        lab.write(path, edit(text) if edit else text)
        os.makedirs("/etc/ppp", exist_ok=True)
        shutil.copy(swan.CONF + "/l2tp/chap-secrets", "/etc/ppp/chap-secrets")
        lab.sh("nft -f %s/only-esp.nft" % self.dir, ns=ns)
        with open(self.dir + "/log", "w", encoding="ascii") as out:
            self.process = subprocess.Popen(  # pylint: disable=consider-using-with
                (["ip", "netns", "exec", ns] if ns else []) +
                ["xl2tpd", "-D", "-c", path, "-p", self.dir + "/pid",
                 "-C", self.dir + "/control"],
                stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        check(lab.wait_for(lambda: os.path.exists(self.dir + "/control"), 5),
              "xl2tpd: %s" % self.log())

    def log(self):
        return lab.read(self.dir + "/log")

    def dial(self):
        lab.write(self.dir + "/control", "c office")

    def ppp(self):
        """(our address, the other's, device) of the session, or None"""
        text = lab.sh("ip -o -4 addr show", ns=self.ns)
        m = re.search(r"\d+: (ppp\d+)\s+inet (\S+) peer (\S+?)/", text)
        return (m[2], m[3], m[1]) if m else None

    def stop(self):
        # no good-bye: it would be in the clear
        for pid in pids_below(self.process.pid) + [self.process.pid]:
            try:
                os.kill(pid, 9)
            except OSError:
                pass
        self.process.wait()


def pids_below(pid):
    out = []
    for child in lab.read("/proc/%d/task/%d/children" % (pid, pid)).split() \
            if os.path.exists("/proc/%d/task/%d/children" % (pid, pid)) else \
            lab.status("pgrep -P %d" % pid)[1].split():
        out += pids_below(int(child)) + [int(child)]
    return out


def session(a, b, daemon, far=None):
    """Dial, and pass traffic through PPP in L2TP in (UDP and) ESP."""
    ns = far or lab.PEER
    look = routes.Look("vb")
    server = client = None
    try:
        daemon.up("l2tp")
        swan.offloaded(2)
        server, client = (L2tp("a", None), L2tp("b", ns)) if daemon is b else \
            (L2tp("a", ns, lambda t: t), L2tp("b", None, lambda t: t.replace(
                "192.0.2.1", swan.B_ADDR)))
        client.dial()
        check(lab.wait_for(lambda: client.ppp() and server.ppp(), 20, 0.2),
              "no PPP: %s\n%s" % (client.log()[-800:], server.log()[-800:]))
        ours, theirs, dev = (server if daemon is b else client).ppp()
        lab.note("%s: %s to %s; at A %s" % (dev, ours, theirs, re.search(
            r"esp-hw-offload: \w+", lab.sh("ethtool -k " + dev))[0]
            if (server if daemon is b else client).ns is None else ""))
        before, was = swan.in_engine(5)
        look.clear()
        swan.traffic(ours, theirs, ns_b=ns, tcp=200000)

        def on_the_wire():
            look.read()
            now = swan.in_engine(before)[1]
            return {s: (n - was[s], look.spis[s]) for s, n in now.items()}

        lab.wait_for(lambda: all(x == y for x, y in on_the_wire().values()), 2)
        check(all(x == y for x, y in on_the_wire().values()),
              "by the SAs and on the wire: %r" % on_the_wire())
        lab.note("%d packets" % swan.in_engine(before + 60 // lab.SLOW)[0])
    finally:
        for d in (client, server):
            if d:
                d.stop()
        look.close()
        swan.stop_all()
        lab.status("nft delete table inet only_esp")
        lab.status("ip netns exec %s nft delete table inet only_esp" % ns)
        lab.wait_for(lambda: "ppp" not in lab.sh("ls /sys/class/net"), 5)


def direct():
    a, b = swan.pair("l2tp")
    session(a, b, b)


def as_client():
    """A calls, B answers."""
    def at_b(text):
        return text.replace("192.0.2.1", swan.B_ADDR)

    a = swan.Daemon("a", "l2tp/b", None, lambda t: at_b(t).replace(
        "hw_offload = no", "hw_offload = auto"))
    b = swan.Daemon("b", "l2tp/a", lab.PEER, lambda t: at_b(t).replace(
        "hw_offload = auto", "hw_offload = no"))
    for d in (b, a):
        d.start()
    session(a, b, a)


def natted():
    """A client behind a masquerading host: transport mode in UDP."""
    with swan.far_up():
        swan.masquerade("vb", "meta l4proto udp", "to :10000-10999")
        if lab.KVER < (6, 6):
            a, c = swan.pair("l2tp", b_ns="far")
            # IKEv1's client has done its part before the server installs anything
            c.ctl("--initiate --child l2tp --timeout %d" % (15 * lab.SLOW), None)
            check(a.said("nvalid argument"), a.log()[-1500:])
            check(not swan.counted()[1], "%r" % (swan.counted(),))
            return "the kernel refuses to offload ESP in UDP before 6.6; charon says so"
        a, c = swan.pair("l2tp", b_ns="far")
        session(a, c, c, "far")
        check("espinudp" not in lab.sh("ip xfrm state"), "states stay")
    return None


def main():
    if routes.have_module("l2tp_ppp"):
        lab.note("this kernel has no l2tp_ppp: xl2tpd does it in user space")
    swan.run([
        ("L2TP over transport mode", direct),
        ("L2TP over transport mode, A is the client", as_client),
        ("L2TP over transport mode in UDP", natted),
    ])


main()
