# SPDX-License-Identifier: GPL-2.0-only
"""strongSwan daemons in any name space, with the configurations of
strongswan-conf/, and what the tests ask about their SAs.  Only A offloads.

A is 192.0.2.1 on va, B is 192.0.2.2 in name space "peer".  far_up() puts a
third host, C, behind B, which then is a router.
"""
import contextlib
import os
import re
import shutil
import socket
import struct
import subprocess
import time

import esplab as lab
from esplab import check

CONF = os.path.join(os.environ["SHARE"], "strongswan-conf")
TMP = "/tmp/swan"
A_ADDR, B_ADDR, C_ADDR = "192.0.2.1", "192.0.2.2", "198.18.7.2"
VERSION = tuple(int(x) for x in re.findall(r"\d+", lab.status("swanctl --version")[1])[:3])

# Only the plugins that are needed: Debian's packages bring some that are off by
# default there and would change routes and policies.
SETTINGS = """
charon-systemd {
	load = random nonce x509 revocation constraints pubkey pkcs1 pkcs8 pem openssl aes sha1 sha2 gcm hmac kdf curve25519 kernel-netlink socket-default vici updown eap-identity eap-mschapv2
	journal {
		default = -1
	}
	filelog {
		stderr {
			default = 1
			knl = 2
			flush_line = yes
		}
	}
}
"""


def word(hw):
    """strongSwan 5.9.8 says yes where later ones say crypto."""
    return "yes" if hw == "crypto" and VERSION < (5, 9, 11) else hw


class Daemon:
    """charon-systemd of one host."""

    def __init__(self, name, conf, ns=None, edit=None, settings=""):
        """conf: a directory below strongswan-conf/; edit: changes its text"""
        self.name, self.ns, self.title = name, ns, conf
        self.dir = "%s/%s" % (TMP, name)
        self.etc = self.dir + "/etc"
        shutil.rmtree(self.dir, ignore_errors=True)
        os.makedirs(self.dir + "/run")
        shutil.copytree(os.path.join(CONF, conf), self.etc)
        for sub in ("x509", "x509ca", "x509ocsp", "x509aa", "x509ac", "x509crl", "pubkey",
                    "private", "rsa", "ecdsa", "pkcs8", "pkcs12"):
            os.makedirs("%s/%s" % (self.etc, sub), exist_ok=True)
        self.conf = self.etc + "/swanctl.conf"
        if edit:
            lab.write(self.conf, edit(lab.read(self.conf)))
        path = self.etc + "/strongswan.conf"
        own = lab.read(path) if os.path.exists(path) else ""
        lab.write(path, SETTINGS + own + settings)
        self.process = None

    def start(self, load=True):
        os.makedirs("/etc/swanctl", exist_ok=True)
        cmd = ["ip", "netns", "exec", self.ns] if self.ns else []
        with open(self.dir + "/log", "w", encoding="ascii") as out:
            self.process = subprocess.Popen(  # pylint: disable=consider-using-with
                cmd + ["unshare", "--mount", "sh", "-c", 'mount --make-rprivate /; '
                       'mount --bind "$1/etc" /etc/swanctl; mount --bind "$1/run" /run; '
                       'export STRONGSWAN_CONF="$1/etc/strongswan.conf"; exec charon-systemd',
                       "sh", self.dir], stdout=out, stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL)
        _running.append(self)
        check(lab.wait_for(lambda: not self.ctl("--stats", ok=None)[0], 20, 0.2),
              "charon of %s does not come up: %s" % (self.name, self.log()[-1500:]))
        if load:
            self.ctl("--load-all --noprompt")

    def ctl(self, args, ok=True):
        """swanctl; with ok=None the status and the output"""
        code, text = lab.status("timeout %d nsenter -t %d -m -n swanctl %s" % (
            40 * lab.SLOW, self.process.pid, args))
        if ok is None:
            return code, text
        check(not code or not ok, "%s: swanctl %s: %d %s\n%s" % (
            self.name, args, code, text[-1000:], self.log()[-1500:]))
        return text

    def up(self, child="nets", secs=20):
        self.ctl("--initiate --child %s --timeout %d" % (child, secs * lab.SLOW))

    def log(self):
        return lab.read(self.dir + "/log")

    def said(self, text, secs=5):
        return lab.wait_for(lambda: re.search(text, self.log()), secs, 0.1)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5 * lab.SLOW)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None
        if self in _running:
            _running.remove(self)
            # for who looks into a failure
            with open("%s/%s.log" % (os.environ.get("OUT", TMP), self.name), "a",
                      encoding="ascii") as f:
                f.write("==== %s\n%s" % (self.title, self.log()))


_running = []


def stop_all():
    for d in list(_running):
        d.stop()
    for ns in (None, lab.PEER, "far"):
        if ns in (None, lab.PEER) or os.path.exists("/run/netns/" + ns):
            x = lab.Xfrm(ns)
            x.flush_all()


def pair(conf, hw="auto", edit=None, settings="", b_ns=lab.PEER, start=True):
    """A and B (or C) of a configuration; A's hw_offload as given."""
    stop_all()

    def a_edit(text):
        text = re.sub(r"^(\s*hw_offload = )\w+$", r"\g<1>" + word(hw), text, flags=re.M)
        return edit(text) if edit else text

    a = Daemon("a", conf + "/a", None, a_edit, settings)
    b = Daemon("b", conf + "/b", b_ns, edit, settings)
    if start:
        for d in (b, a):
            d.start()
    return a, b


def certificates(*hosts):
    """A CA, and a certificate for each daemon that is not started yet"""
    ca = TMP + "/ca"
    os.makedirs(ca, exist_ok=True)
    lab.sh("pki --gen --type ed25519 --outform pem >%s/key.pem; "
           "pki --self --ca --type ed25519 --in %s/key.pem --dn 'CN=Test CA' --outform pem "
           ">%s/cert.pem" % (ca, ca, ca))
    for d in hosts:
        shutil.copy(ca + "/cert.pem", d.etc + "/x509ca/ca.pem")
        lab.sh("cd %s; pki --gen --type ed25519 --outform pem >private/%s.pem; "
               "pki --issue --cacert %s/cert.pem --cakey %s/key.pem --in private/%s.pem "
               "--type ed25519 --dn CN=%s.example --san %s.example --outform pem "
               ">x509/%s.pem" % (d.etc, d.name, ca, ca, d.name, d.name, d.name, d.name))


def call(a, client):
    """The client, not started yet, calls the office; both SAs are offloaded.  Its
    virtual address."""
    shutil.copy(a.etc + "/x509ca/ca.pem", client.etc + "/x509ca/")
    client.start()
    client.up()
    offloaded(2)
    vip = re.findall(r"installing new virtual IP (10\.3\.0\.\d+)", client.log())
    check(vip, "no virtual address: %s" % client.log()[-1000:])
    return vip[-1]


def road_warrior(ns, edit=None):
    """The office and a client in a name space: (office, client, its virtual address)"""
    a = Daemon("a", "road-warrior/a", None, edit)
    client = Daemon("b", "road-warrior/b", ns, edit)
    certificates(a)
    a.start()
    return a, client, call(a, client)


# ---- the SAs ----

def states(ns=None):
    """ESP states as text, without those that have a number but no keys yet"""
    return [b for b in re.split(r"^(?=src )", lab.sh("ip xfrm state list nokeys", ns=ns),
                                flags=re.M)
            if "proto esp" in b and re.search(r"^\s(aead|enc) ", b, re.M)]


def counted():
    """(all states of A, those that are offloaded)"""
    s = states()
    return len(s), sum("crypto offload parameters" in b for b in s)


def offloaded(want, secs=5):
    """A has so many states, and all are offloaded."""
    check(lab.wait_for(lambda: counted() == (want, want), secs),
          "%d states, %d offloaded, want %d" % (*counted(), want))


def mark():
    """What an SA that charon has put in the place of another brings along: the
    other's counters in the kernel, none in the layer"""
    layer = {int(d["spi"], 16): d["packets"] for d in lab.kv("sas")}
    return {spi: s["packets"] - layer.get(spi, 0) for spi, s in lab.Xfrm().sas().items()}


def in_engine(least=20, since=None):
    """Every packet of every offloaded SA of A went through the engine, since a
    mark() if one is given.  Returns how many, and by SPI."""
    x = lab.Xfrm()

    def both():
        kernel = {spi: s["packets"] - (since or {}).get(spi, 0)
                  for spi, s in x.sas().items() if s["offload"]}
        layer = {int(d["spi"], 16): d for d in lab.kv("sas")}
        return kernel, layer

    def agree():
        seen[:] = both()
        kernel, layer = seen
        return all(spi in layer and layer[spi]["packets"] == n for spi, n in kernel.items())

    seen = []
    good = lab.wait_for(agree, 3)
    kernel, layer = seen
    check(kernel, "nothing is offloaded")
    check(good, "A's SAs and the layer differ: %r %r" % (kernel, layer))
    # an SA that is taken away under packets may have dropped some
    check(not any(layer[s]["software"] or lab.drops(layer[s]) for s in kernel), "%r" % layer)
    total = sum(kernel.values())
    check(total >= least, "only %d packets: %r" % (total, kernel))
    return total, kernel


def traffic(src="10.1.0.1", dst="10.2.0.1", ns_a=None, ns_b=lab.PEER, tcp=100000,
            sizes=(0, 56, 1000, 3000), singly=False):
    """Pings, all at once or one after the other, and TCP, both ways"""
    for p, q, ns in ((src, dst, ns_a), (dst, src, ns_b)):
        bad = [x for some in (([n] for n in sizes) if singly else (sizes,))
               for x in lab.ping(p, q, some, ns)[0]]
        check(not bad, "pings %s to %s: %r" % (p, q, bad))
    lab.tcp_both(src, dst, tcp // lab.SLOW, ns_a=ns_a, ns_b=ns_b)


class Path:
    """What lab.Load wants of a tunnel"""
    inner = ("10.1.0.1", "10.2.0.1")
    ordered = True


def lossless(load, refused=3):
    """None lost on the way.  A sender can be told of an SA that charon deleted
    between the choice of it and its use: the kernel's own race, in software too."""
    for f in (load.a, load.b):
        check(not f["lost"] and f["refused"] <= refused, "lost: %r" % f)
        check(f["got"] > 10, "hardly any traffic: %r" % f)


# ---- hosts ----

def bed(text):
    """A command of the test bed's shell library"""
    r = subprocess.run(["sh", "-c", '. "$LIB/lib.sh"; ' + text], stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True, check=False)
    check(not r.returncode, "%s: %s" % (text, r.stdout[-1500:]))


def sysctl(name, value, ns=None):
    with lab.Ns(ns):
        lab.write("/proc/sys/net/" + name, str(value))


@contextlib.contextmanager
def far_up(inner="10.2.0.1"):
    """C behind B, which forwards; C has B's inner address."""
    lab.sh("ip netns add far; ip -n peer link add rf type veth peer name eth0 netns far")
    try:
        lab.ip_batch(["addr add 198.18.7.1/24 dev rf", "link set rf up",
                      "addr del %s/32 dev lo" % inner], lab.PEER)
        lab.ip_batch(["link set lo up", "addr add %s/24 dev eth0" % C_ADDR, "link set eth0 up",
                      "addr add %s/32 dev lo" % inner, "route add default via 198.18.7.1",
                      "route add 10.1.0.0/24 via 198.18.7.1 src %s" % inner], "far")
        lab.sh("ip route add 198.18.7.0/24 via %s" % B_ADDR)
        sysctl("ipv4/ip_forward", 1, lab.PEER)
        yield
    finally:
        stop_all()
        sysctl("ipv4/ip_forward", 0, lab.PEER)
        lab.status("ip netns exec peer nft flush ruleset")
        lab.status("ip route del 198.18.7.0/24; ip netns del far; ip -n peer link del rf")
        lab.ip_batch(["addr replace %s/32 dev lo" % inner], lab.PEER)


def masquerade(out, only="", ports=""):
    """B hides who is behind it: `out` is where its packets leave."""
    lab.sh("nft -f -", ns=lab.PEER, stdin="table ip nat { chain post { type nat hook "
           "postrouting priority 100; oifname %s %s masquerade %s; }; }" % (out, only, ports))


def forget_mappings():
    """All of B's connection tracking: what comes next gets a new mapping.
    IPCTNL_MSG_CT_DELETE without a tuple."""
    lab.sh("modprobe nf_conntrack_netlink")
    with lab.Ns(lab.PEER):
        s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
    s.send(struct.pack("=IHHIIBBH", 20, 1 << 8 | 2, 5, 1, 0, socket.AF_INET, 0, 0))
    err = struct.unpack_from("=i", s.recv(1000), 16)[0]
    check(not err, "conntrack: %d" % err)
    s.close()


def masquerade_again(out, only, ports):
    """The NAT was restarted: other ports, and nothing known of the old ones."""
    lab.sh("nft flush ruleset", ns=lab.PEER)
    masquerade(out, only, ports)
    forget_mappings()


def run(tests):
    lab.load()
    bed("hosts_up v e")

    def fresh(fn):
        def test():
            stop_all()
            try:
                return fn()
            except lab.Fail as e:
                logs = ["%s: %s" % (d.name, d.log()[-1800:]) for d in _running]
                raise lab.Fail("%s\n%s\n%s" % (e, "".join(states()), "\n".join(logs))) from e
            finally:
                stop_all()
        return test

    def unload():
        stop_all()
        time.sleep(0.5)
        for m in ("esp_ring_soft", "esp_ring"):
            lab.rmmod(m)

    lab.run_tests([(n, fresh(f)) for n, f in tests] + [("unloads after all that", unload)])
