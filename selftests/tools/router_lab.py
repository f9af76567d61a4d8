# SPDX-License-Identifier: GPL-2.0-only
"""The MT7621 as a router: its ports, the hosts around it, and the claim that the
board's engine did all.

    lan 10.1.0.10 --- lan1 in br-lan, A, wan 192.0.2.1 === 192.0.2.2 p-wan, B, rf --- far 10.2.0.10

A is the router, in the name space one starts in, with modules, engine and glue; "lan" is
the host behind lan1.  B ("peer") is the other site's gateway or a provider, "far" a host
behind it, 198.18.7.2 to who need not know the private address.  firewall.nft of
strongswan-conf/router is A's, and nothing between the private networks leaves A or B but
through a tunnel.
"""
import re
import socket
import time

import eip93lab
import esplab as lab
import routes
import swan_lab as swan
from esplab import check
from switch import cables, carrier

LAN, FAR = "lan", "far"
HERE, THERE = "10.1.0.10", "10.2.0.10"
HERE6, THERE6 = "fd00:a::10", "fd00:b::10"
WAN, PEER_WAN = "192.0.2.1", "192.0.2.2"
ALL_CABLES = 0x1f
MODULES = ("esp_ring_mediatek", "esp_ring_eip93", "esp_ring")
# what B may send to the other site: nothing in clear
GUARD = """table inet guard {
	chain leak {
		type filter hook postrouting priority filter
		oifname != { "rf", "lo" } ip daddr 10.0.0.0/8 rt ipsec missing drop
		oifname != { "rf", "lo" } ip6 daddr { fd00:a::/64, fd00:b::/64 } rt ipsec missing drop
	}
}
"""
# AES-CBC and HMAC-SHA256 in a tunnel over IPv4: header, SPI and number, IV, ICV
OVERHEAD = 20 + 8 + 16 + 16
# what charon's replacing of an SA may cost, and how the kernel counts that
REPLACED = {"XfrmOutNoStates", "XfrmOutStateInvalid", "XfrmAcquireError", "XfrmInNoStates",
            "XfrmInStateInvalid"}


def inner_mtu(mtu):
    """The largest packet that fits: padded to 16 with pad length and next header."""
    return (mtu - OVERHEAD) // 16 * 16 - 2


def for_engine(text):
    """A configuration whose SAs the board's engine can do: CBC and HMAC for GCM.
    IKE's own proposals stay as they are."""
    return re.sub(r"aes(\d+)gcm16(?!-prf)", r"aes\1-sha256", text)


# ---- ports and hosts ----

def set_up():
    lab.insmod("esp_ring")
    eip93lab.load()
    lab.insmod("esp_ring_mediatek")
    lab.ip_batch(["link add br-lan type bridge", "link set lan1 master br-lan",
                  "link set lan1 up", "link set br-lan up", "link set wan up",
                  "addr add 10.1.0.1/24 dev br-lan", "addr add fd00:a::1/64 dev br-lan nodad",
                  "route add 10.1.0.0/16 via %s" % HERE])
    lab.sh("ip netns add lan; ip link set p-lan1 netns lan; ip link set p-wan netns peer; "
           "ip netns add far; ip -n peer link add rf type veth peer name eth0 netns far")
    lab.ip_batch(["link set lo up", "link set p-lan1 up", "addr add %s/24 dev p-lan1" % HERE,
                  "addr add %s/64 dev p-lan1 nodad" % HERE6, "route add default via 10.1.0.1",
                  "route add ::/0 via fd00:a::1"], LAN)
    lab.ip_batch(["link set p-wan up", "link set rf up", "addr add 10.2.0.1/24 dev rf",
                  "addr add 198.18.7.1/24 dev rf", "addr add fd00:b::1/64 dev rf nodad",
                  "addr add 203.0.113.7/32 dev lo", "route add 10.2.0.0/16 via %s" % THERE],
                 lab.PEER)
    lab.ip_batch(["link set lo up", "link set eth0 up", "addr add 198.18.7.2/24 dev eth0",
                  "addr add %s/24 dev eth0" % THERE, "addr add %s/64 dev eth0 nodad" % THERE6,
                  "route add default via 198.18.7.1",
                  "route add 10.1.0.0/16 via 198.18.7.1 src %s" % THERE,
                  "route add ::/0 via fd00:b::1"], FAR)
    for ns in (None, lab.PEER):
        swan.sysctl("ipv4/ip_forward", 1, ns)
        swan.sysctl("ipv6/conf/all/forwarding", 1, ns)
        for f in ("ipv4/icmp_ratelimit", "ipv6/icmp/ratelimit"):
            swan.sysctl(f, 0, ns)
    lab.sh("nft -f -", ns=lab.PEER, stdin=GUARD)
    for dev in ("wan", "lan1"):
        check(lab.wait_for(lambda d=dev: carrier(d), 10), dev + ": no link")
    check(lab.wait_for(lambda: not lab.ping(HERE, "10.1.0.1", [0], LAN)[0], 5),
          "br-lan does not answer its host")


def firewall(dev="wan", edit=None):
    """The one of strongswan-conf/router, with another device as wan."""
    text = lab.read(swan.CONF + "/router/a/firewall.nft")
    check('define wan = "wan"' in text, "firewall.nft does not say what wan is")
    text = text.replace('define wan = "wan"', 'define wan = "%s"' % dev)
    lab.status("nft delete table inet router")
    lab.sh("nft -f -", stdin=edit(text) if edit else text)


def wan_up(dev="wan", far="p-wan"):
    """The outer addresses on two devices, and the ways through them."""
    lab.ip_batch(["link set %s up" % dev, "addr replace %s/24 dev %s" % (WAN, dev),
                  "route replace default via %s" % PEER_WAN])
    lab.ip_batch(["link set %s up" % far, "addr replace %s/24 dev %s" % (PEER_WAN, far),
                  "route replace 10.0.0.0/8 via %s" % WAN], lab.PEER)
    firewall(dev)
    # a ping would be in clear
    check(lab.wait_for(lambda: carrier(dev), 10), dev + " has no link")


def wan_down():
    """wan without addresses, and nothing on top of it"""
    for ns, dev in ((None, "wan"), (lab.PEER, "p-wan")):
        at = "-n %s " % ns if ns else ""
        lab.status("ip %slink del %s.7" % (at, dev))
        lab.status("ip %saddr flush dev %s scope global" % (at, dev))


# ---- what is claimed ----

class Board:
    """The engine's model counts for itself what it has done."""

    def __init__(self):
        self.control = eip93lab.Control()
        self.was = self.now()

    def now(self):
        return self.control.stat("desc_out"), self.control.stat("desc_in")

    def start(self):
        self.was = self.now()

    def done(self):
        """(out, in) since start()"""
        return tuple(y - x for x, y in zip(self.was, self.now()))


def proven(board, dev="wan", least=20, since=None):
    """A's SAs are offloaded to a device, every packet of theirs was in the board's
    engine, and the engine itself has counted as many.  Returns how many."""
    total, by_spi = swan.in_engine(least, since)
    index = socket.if_nametoindex(dev)
    sas = lab.Xfrm().sas()
    sums = {"encrypt": 0, "decrypt": 0}
    for spi, n in by_spi.items():
        d = lab.layer_sa(spi)
        check(d["engine"] == "eip93" and d["port"] == dev and sas[spi]["offload"][0] == index,
              "not in the board's engine, or not of %s: %r" % (dev, d))
        sums[d["queue"]] += n
    done = board.done()
    check(all(sums.values()) and done[0] >= sums["encrypt"] and done[1] >= sums["decrypt"],
          "packets of the SAs %r, of the engine %r" % (sums, done))
    return total


def hosts_talk(src=HERE, dst=THERE, tcp=300000, sizes=(0, 56, 500, 1300, 1472, 3000)):
    """The host behind lan1 and the one behind B, both ways.  One ping at a time: of an
    ICMP flow that begins on two CPUs at once the firewall's conntrack drops a packet,
    until a kernel later than 6.12 lets them clash."""
    swan.traffic(src, dst, LAN, FAR, tcp, sizes, singly=True)


def through_engine(board, dev="wan", least=20, what="", **talk):
    """A has two SAs, offloaded, and what the hosts say goes through the engine."""
    swan.offloaded(2)
    hosts_talk(**talk)
    lab.note("%d packets in the engine%s" % (proven(board, dev, least), what))


def answers(secs=20, src=HERE, dst=THERE):
    """Packets ask for a tunnel, and get one."""
    check(lab.wait_for(lambda: not lab.ping(src, dst, [0], LAN, timeout=0.4)[0], secs),
          "no answer from %s" % dst)


class Wire:
    """ESP at B's port: how it came.  Nothing there is put together before we look."""

    def __init__(self):
        self.wire = lab.Wire("p-wan")

    def esp(self):
        """(largest IP packet, fragments, packets) of all so far, both ways"""
        most = fragments = n = 0
        for _, frame in self.wire.frames():
            kind, packet, _ = routes.strip(frame)
            ip = routes.network(frame)
            if not ip or ip[0] not in (routes.ESP, routes.UDP):
                continue
            # Ethernet pads
            size = 40 + int.from_bytes(packet[4:6], "big") if kind == 0x86dd else \
                int.from_bytes(packet[2:4], "big")
            most, n = max(most, size), n + 1
            fragments += bool(ip[2] or ip[3])
        return most, fragments, n

    def close(self):
        self.wire.close()


class Load:
    """Datagrams between the two LANs, both ways, while something happens; what was
    lost must be what the kernel has counted as lost by a replaced SA."""

    def __init__(self, rate, size=400):
        self.rate, self.size = rate, size
        self.flows, self.got, self.before = (), (), {}

    def __enter__(self):
        self.before = {ns: lab.xfrm_stat(ns) for ns in (None, lab.PEER)}
        self.flows = (lab.Flow(HERE, THERE, LAN, FAR, self.rate, self.size),
                      lab.Flow(THERE, HERE, FAR, LAN, self.rate, self.size))
        check(lab.wait_for(lambda: all(f.arrived() > 10 for f in self.flows), 5),
              "no load: %r arrived" % [f.arrived() for f in self.flows])
        return self

    def __exit__(self, kind, *exc):
        self.got = [f.stop() for f in self.flows]

    def errors(self):
        """Of both gateways"""
        out = {}
        for ns, was in self.before.items():
            for name, n in lab.stat_diff(was, ns).items():
                out[name] = out.get(name, 0) + n
        return out

    def explained(self):
        """How many arrived (from here, from there), were lost, and what was counted"""
        errors = self.errors()
        check(set(errors) <= REPLACED, "errors: %r" % errors)
        lost = 0
        for f in self.got:
            check(not f["dup"] and not f["bad"], "doubled or damaged: %r" % f)
            lost += f["lost"]
        check(lost <= sum(errors.values()), "%d lost, counted %r: %r" % (lost, errors, self.got))
        return tuple(f["got"] for f in self.got), lost, errors


def diagnosis():
    """What a person asks first when packets are missing"""
    lines = ["%s: %s" % (name, line) for name in ("sas", "queues")
             for line in lab.read(lab.DEBUGFS + name).splitlines()]
    for ns in (None, lab.PEER, LAN, FAR):
        lines.append("%s: xfrm %r" % (ns or "A", {
            k: v for k, v in lab.xfrm_stat(ns).items() if v}))
        text = lab.sh("cat /proc/net/snmp", ns=ns)
        for head, values in re.findall(r"^(?:Ip|Icmp): (\D.*)\n(?:Ip|Icmp): (.*)", text, re.M):
            lines.append(" ".join("%s=%s" % x for x in zip(head.split(), values.split())
                                  if x[1] != "0"))
        lines += [line for line in lab.sh("cat /proc/net/dev", ns=ns).splitlines()
                  if not re.search(r": +0 +0 ", line)]
    return "\n".join(lines)


# ---- a file of tests ----

def run(tests):
    set_up()
    board = Board()

    def fresh(fn):
        def test():
            swan.stop_all()
            cables(ALL_CABLES)
            board.start()
            try:
                return fn(board)
            except lab.Fail as e:
                logs = ["%s: %s" % (d.name, d.log()[-1800:])
                        for d in swan._running]     # pylint: disable=protected-access
                raise lab.Fail("%s\n%s\n%s\n%s" % (
                    e, diagnosis(), "".join(swan.states()), "\n".join(logs))) from e
            finally:
                swan.stop_all()
                wan_down()
        return test

    def unload():
        swan.stop_all()
        time.sleep(0.5)
        for m in MODULES:
            lab.rmmod(m)

    lab.run_tests([(n, fresh(f)) for n, f in tests] + [("all modules can go", unload)])
