#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""strongSwan at both hosts, with the configurations of strongswan-conf/; only A
offloads."""
import os
import re
import shutil
import subprocess
import time

import esplab as lab
from esplab import check
from swan_lab import CONF, VERSION, counted, word

TMP = "/tmp/swanconf"


def bed(text, ok=True):
    """A command of the test bed's shell library."""
    r = subprocess.run(["sh", "-c", '. "$LIB/lib.sh"; ' + text], stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True, check=False)
    if ok and r.returncode:
        raise lab.Fail("%s: %s\nA: %s\nB: %s" % (
            text, r.stdout[-1500:], lab.status("tail -n 15 /tmp/swan/a/log")[1],
            lab.status("tail -n 15 /tmp/swan/b/log")[1]))
    return r.stdout


class Path:
    """What Load wants of a tunnel"""
    inner = ("10.1.0.1", "10.2.0.1")
    ordered = True


class HostPath:
    inner = ("192.0.2.1", "192.0.2.2")
    ordered = True


def certificates(d):
    """A CA and a certificate for each host."""
    ca = d + "/ca"
    os.makedirs(ca, exist_ok=True)
    lab.sh("pki --gen --type ed25519 --outform pem >%s/key.pem; "
           "pki --self --ca --type ed25519 --in %s/key.pem --dn 'CN=Test CA' --outform pem "
           ">%s/cert.pem" % (ca, ca, ca))
    for h in "ab":
        for sub in ("x509", "x509ca", "private"):
            os.makedirs("%s/%s/%s" % (d, h, sub), exist_ok=True)
        shutil.copy(ca + "/cert.pem", "%s/%s/x509ca/ca.pem" % (d, h))
        lab.sh("cd %s/%s; pki --gen --type ed25519 --outform pem >private/%s.pem; "
               "pki --issue --cacert %s/cert.pem --cakey %s/key.pem --in private/%s.pem "
               "--type ed25519 --dn CN=%s.example --san %s.example --outform pem "
               ">x509/%s.pem" % (d, h, h, ca, ca, h, h, h, h))


# Only the plugins that are needed: Debian's packages bring some that are off by
# default there and would change routes and policies.
LOGGING = """
charon-systemd {
	load = random nonce x509 revocation constraints pubkey pkcs1 pkcs8 pem openssl aes sha1 sha2 gcm hmac kdf curve25519 kernel-netlink socket-default vici updown
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
	install_virtual_ip = no
}
"""


def start(conf, hw):
    """Both daemons with a configuration; A's hw_offload as given."""
    bed("swan_stop", False)
    shutil.rmtree(TMP, ignore_errors=True)
    shutil.copytree(os.path.join(CONF, conf), TMP)
    if "cert" in conf:
        certificates(TMP)
    for h in "ab":
        lab.write("%s/%s/strongswan.conf" % (TMP, h), LOGGING)
        os.makedirs("/tmp/swan/" + h, exist_ok=True)
    path = TMP + "/a/swanctl.conf"
    text = lab.read(path)
    check(len(re.findall(r"^\s*hw_offload = \w+$", text, re.M)) == 1, "no hw_offload")
    lab.write(path, re.sub(r"^(\s*hw_offload = )\w+$", r"\1" + word(hw), text, flags=re.M))
    for h in "ab":
        bed("swan_start %s %s/%s" % (h, TMP, h))


def set_hw(hw):
    path = "/tmp/swan/a/etc/swanctl.conf"
    lab.write(path, re.sub(r"^(\s*hw_offload = )\w+$", r"\1" + word(hw), lab.read(path),
                           flags=re.M))
    bed("swan a --load-all --noprompt")


def log(host="a"):
    return lab.read("/tmp/swan/%s/log" % host)


def up():
    bed("swan a --initiate --child nets --timeout %d" % (15 * lab.SLOW))


def down():
    bed("swan a --terminate --ike '*' --timeout 10", False)
    name = re.search(r"connections \{\s*(\S+) \{", lab.read("/tmp/swan/a/etc/swanctl.conf"))
    bed("swan a --terminate --ike %s --timeout 10" % name.group(1), False)
    lab.wait_for(lambda: counted()[0] == 0, 5)


def traffic(path, tcp=200000):
    bad, _ = lab.ping(*path.inner, [0, 56, 1000, 3000] * 3)
    check(not bad, "pings: %r" % bad)
    lab.tcp_both(*path.inner, tcp // lab.SLOW)


def layer_packets():
    return sum(s["packets"] for s in lab.kv("sas"))


def modes(conf, path, hws=("auto", "crypto", "no")):
    def test():
        start(conf, hws[0])
        for hw in hws:
            set_hw(hw)
            up()
            want = 0 if hw == "no" else 2
            n, off = counted()
            check(n == 2 and off == want, "hw_offload = %s: %d states, %d offloaded\n%s" % (
                hw, n, off, log()[-1500:]))
            was = layer_packets()
            traffic(path)
            check((layer_packets() > was + 20) == bool(want), "hw_offload = %s: the layer "
                  "did %d packets" % (hw, layer_packets() - was))
            if hw == "auto" and lab.KVER >= (6, 2) and VERSION >= (5, 9) and \
                    "packet" in log().lower():
                check("crypto HW offload" in log() or off == 2, log()[-1500:])
            down()
    return test


def feature_off():
    """auto with the port's feature off: software."""
    start("site-to-site-psk", "auto")
    lab.sh("ethtool -K va esp-hw-offload off")
    try:
        up()
        check(counted() == (2, 0), "%r" % (counted(),))
        traffic(Path)
        down()
    finally:
        lab.sh("ethtool -K va esp-hw-offload on")


def lossless(load):
    """None lost on the way.  A sender can be told of an SA that charon deleted
    between the choice of it and its use: the kernel's own race, in software too."""
    for f in (load.a, load.b):
        check(not f["lost"] and f["refused"] <= 3, "lost: %r" % f)
        check(f["got"] > 10, "hardly any traffic: %r" % f)
        if f["refused"]:
            lab.note("%d packets were refused to the sender" % f["refused"])


def rekeyed():
    """CHILD and IKE SAs, by either end, under load."""
    start("site-to-site-psk", "auto")
    up()
    check(counted()[1] == 2, "not offloaded")
    before = {n: lab.xfrm_stat(n) for n in (None, lab.PEER)}
    spis = set(re.findall(r"spi (0x\w+)", lab.sh("ip xfrm state")))
    with lab.Load(Path, 100 // lab.SLOW) as load:
        for n in range(6):
            bed("swan %s --rekey --child nets" % "ab"[n & 1])
            time.sleep(0.7 * lab.SLOW)
            if n in (2, 5):
                bed("swan a --rekey --ike site-b")
                time.sleep(0.7 * lab.SLOW)
    lossless(load)
    for ns, was in before.items():
        diff = lab.stat_diff(was, ns)
        # a packet of an SA that charon has replaced is counted, and its sender told:
        # lossless() has looked how many
        check(set(diff) <= {"XfrmOutNoStates", "XfrmAcquireError", "XfrmOutStateInvalid"},
              "%r" % diff)
    now = set(re.findall(r"spi (0x\w+)", lab.sh("ip xfrm state")))
    check(not spis & now or len(now - spis) >= 2, "nothing was rekeyed")
    n, off = counted()
    check(n == off, "%d states, %d offloaded" % (n, off))
    rebuilt = len(re.findall(r"CHILD_SA nets\{\d+\} established", log()))
    check(rebuilt >= 7, "%d CHILD_SAs\n%s" % (rebuilt, log()[-2000:]))
    down()


def rekeyed_by_time():
    start("rekey-fast", "auto")
    up()
    with lab.Load(Path, 100 // lab.SLOW) as load:
        time.sleep(15)
    lossless(load)
    n = len(re.findall(r"CHILD_SA nets\{\d+\} established", log()))
    check(n >= 3, "%d CHILD_SAs in 15 s" % n)
    n, off = counted()
    check(n == off, "%d states, %d offloaded" % (n, off))
    down()


def nat_t():
    """UDP encapsulation: offloaded where the kernel can, and elsewhere what the
    user gets, and what is said."""
    start("nat-t", "auto")
    if lab.KVER >= (6, 6):
        up()
        n, off = counted()
        check((n, off) == (2, 2), "%d states, %d offloaded" % (n, off))
        check("espinudp" in lab.sh("ip xfrm state"), "not in UDP")
        traffic(Path)
        down()
        return None
    out = bed("swan a --initiate --child nets --timeout %d" % (15 * lab.SLOW), False)
    n, off = counted()
    check(not off, "this kernel offloads it")
    lab.note("hw_offload = auto: %d states in software; %s" % (
        n, (re.findall(r".*(?:rror|nable|ailed).*", out + log()) or ["no word"])[0]))
    down()
    # and as the configuration's comment says
    set_hw("no")
    up()
    check(counted() == (2, 0), "%r" % (counted(),))
    traffic(Path)
    down()
    return None


def engine_lost():
    """The engine goes and comes under a strongSwan tunnel."""
    start("site-to-site-psk", "crypto")
    up()
    with lab.Load(Path, 100 // lab.SLOW) as load:
        lab.rmmod("esp_ring_soft")
        time.sleep(0.5)
        lab.insmod("esp_ring_soft")
        time.sleep(0.5)
    check(load.a["lost"] + load.b["lost"] < 20, "%r %r" % (load.a, load.b))
    check(counted() == (2, 2), "%r" % (counted(),))
    check(all(s["engine"] == "soft" for s in lab.kv("sas")), "%r" % lab.kv("sas"))
    down()


def unload():
    bed("swan_stop")
    bed("flush_xfrm")
    for m in ("esp_ring_soft", "esp_ring"):
        lab.rmmod(m)


def main():
    lab.load()
    bed("hosts_up v")
    lab.run_tests([
        ("PSK, tunnel", modes("site-to-site-psk", Path)),
        ("certificates, tunnel", modes("site-to-site-cert", Path)),
        ("PSK, transport", modes("host-to-host", HostPath, ("auto", "crypto"))),
        ("auto with the feature off", feature_off),
        ("CHILD and IKE SA rekeyed under load", rekeyed),
        ("rekeyed by time under load", rekeyed_by_time),
        ("NAT traversal", nat_t),
        ("engine removed and back", engine_lost),
        ("unloads after all that", unload),
    ])


main()
