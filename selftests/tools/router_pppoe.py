# SPDX-License-Identifier: GPL-2.0-only
"""PPPoE on wan, with pppd and strongswan-conf/pppoe: the provider is B."""
import contextlib
import os
import re
import shutil
import socket

import esplab as lab
import router_lab as router
import routes
import swan_lab as swan
from esplab import check
from router_lab import FAR, HERE, LAN, PEER_WAN, THERE, WAN

DEV = "pppoe-wan"
TMP = "/tmp/pppoe"
MTU = 1492
TCP_MAXSEG, TIMESTAMPS = 2, 12


def ppp_at_b():
    return [d for d in lab.sh("ls /sys/class/net", ns=lab.PEER).split() if d.startswith("ppp")]


@contextlib.contextmanager
def provider():
    """pppoe-server at B's end of wan's wire"""
    why = routes.have_module("pppoe")
    check(not why, why)
    shutil.rmtree(TMP, ignore_errors=True)
    shutil.copytree(swan.CONF + "/pppoe", TMP)
    server = lab.sh("pppoe-server -I p-wan -L %s -R %s -N 1 -C ac -O %s/b/options >%s/server 2>&1; "
                    "pgrep -n pppoe-server" % (PEER_WAN, WAN, TMP, TMP), ns=lab.PEER).strip()
    try:
        yield
    finally:
        with contextlib.suppress(lab.Fail):
            hang_up()
        lab.status("kill " + server)
        lab.status("ip netns exec peer pkill -f '^pppoe |^/usr/sbin/pppoe |^pppd'")


def dial():
    """The session, and the ways through it, which ip-up scripts would make"""
    code, text = lab.status("timeout %d pppd file %s/a/peer updetach </dev/null 2>&1" % (
        30 * lab.SLOW, TMP))
    check(not code and lab.wait_for(lambda: routes.exists(DEV) and ppp_at_b(), 10),
          "pppd: %d %s" % (code, text[-800:]))
    check(lab.wait_for(lambda: WAN in lab.sh("ip -br addr show dev " + DEV), 10),
          "no address: %s" % lab.sh("ip addr show dev " + DEV))
    lab.ip_batch(["route replace default dev " + DEV])
    lab.ip_batch(["route replace 10.0.0.0/8 dev " + ppp_at_b()[0]], lab.PEER)


def hang_up():
    """pppd says good-bye and goes, and its device with it."""
    path = "/run/%s.pid" % DEV
    if not os.path.exists(path):
        return
    lab.sh("kill " + lab.read(path).split()[0])
    check(lab.wait_for(lambda: not routes.exists(DEV), 10), DEV + " stays")
    check(lab.wait_for(lambda: not ppp_at_b(), 20), "the provider's end stays")


def told(size):
    """What a packet from the LAN that may not be cut is told of its size; 0: it is
    answered"""
    text = lab.status("ip netns exec lan ping -n -c 1 -W %d -M do -s %d %s" % (
        2 * lab.SLOW, size - 28, THERE))[1]
    if " 1 received" in text:
        return 0
    m = re.search(r"mtu ?= ?(\d+)", text)
    check(m, "ping of %d bytes: %s" % (size, text[-300:]))
    return int(m[1])


def segments():
    """What both ends of a connection through the tunnel take for the largest segment,
    before either has sent anything"""
    with lab.Ns(FAR):
        lst = socket.socket()
        lst.bind((THERE, 0))
        lst.listen(1)
    with lab.Ns(LAN):
        x = socket.socket()
    for s in (lst, x):
        s.settimeout(10 * lab.SLOW)
    x.connect(lst.getsockname())
    y = lst.accept()[0]
    got = [s.getsockopt(socket.IPPROTO_TCP, TCP_MAXSEG) for s in (x, y)]
    for s in (x, y, lst):
        s.close()
    return got


def sizes():
    """The largest packet that may not be cut, and TCP's segments, which the firewall
    makes smaller: no ESP is in fragments."""
    most = router.inner_mtu(MTU)
    wire = router.Wire()
    try:
        check(told(most) == 0, "a packet of %d bytes does not fit" % most)
        size, fragments, _ = wire.esp()
        check(size == most + 2 + router.OVERHEAD <= MTU and not fragments,
              "%d fragments, the largest packet of ESP has %d bytes" % (fragments, size))
        check(told(most + 1) == most, "the largest packet is said to be %d" % told(most + 1))
        lab.sh("ip -n lan route flush cache")
        mss = int(re.search(r"define mss = (\d+)", lab.read(
            swan.CONF + "/router/a/firewall.nft"))[1]) - TIMESTAMPS
        got = segments()
        check(got == [mss] * 2, "segments of %r, want %d" % (got, mss))
        lab.tcp_both(HERE, THERE, 200000 // lab.SLOW, ns_a=LAN, ns_b=FAR)
        size, fragments, n = wire.esp()
        check(n > 50 and not fragments and size < MTU,
              "%d packets of ESP, %d fragments, the largest of %d bytes" % (n, fragments, size))
    finally:
        wire.close()


def over_pppoe(board):
    router.wan_down()
    with provider():
        router.firewall(DEV)
        dial()
        check(lab.read("/sys/class/net/%s/mtu" % DEV).strip() == str(MTU), "its MTU")
        a, _ = swan.pair("pppoe", edit=router.for_engine)
        router.answers()
        swan.offloaded(2)
        sizes()
        router.hosts_talk(tcp=0)
        lab.note("%d packets in the engine" % router.proven(board, DEV, 50))
        # a session ends, the kernel deletes what is offloaded to its device
        hang_up()
        check(lab.wait_for(lambda: not lab.kv("sas") and not swan.states(), 20),
              "SAs outlive %s: %r" % (DEV, lab.kv("sas")))
        board.start()
        dial()
        # what pppd runs when a session is there
        lab.sh("timeout %d nsenter -t %d -m -n sh %s/a/ip-up" % (
            60 * lab.SLOW, a.process.pid, TMP))
        router.answers()
        router.through_engine(board, DEV, what=", dialled again", tcp=30000)
