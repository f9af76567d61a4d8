#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""tools/esp-ring and tools/esp-ring-plot: what they say is what the counters say."""
import os
import subprocess
import time
import xml.etree.ElementTree as ET

import esplab as lab
from esplab import check
from lanes import fault, faulty, param

TOOLS = os.environ["SHARE"] + "/tools/"
OUT = os.environ.get("OUT", "/tmp") + "/"
# the commands of a router: no GNU, no mawk
BUSYBOX = "/tmp/busybox-bin/"
APPLETS = "sh awk sed grep head tr od date sleep cat mkdir rmdir".split()


def run(*words, shell="sh", path=None):
    """(status, standard output, standard error)"""
    env = dict(os.environ)
    if path:
        env["PATH"] = path
    r = subprocess.run([shell, TOOLS + "esp-ring", *words], stdout=subprocess.PIPE, env=env,
                       stderr=subprocess.PIPE, text=True, check=False, timeout=60 * lab.SLOW)
    return r.returncode, r.stdout, r.stderr


def good(*words, **how):
    code, out, err = run(*words, **how)
    check(not code, "%s: status %d: %s" % (" ".join(words), code, err))
    return out


def plot(*words):
    r = subprocess.run(["python3", TOOLS + "esp-ring-plot", *words], stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, text=True, check=False)
    return r.returncode, r.stdout, r.stderr


def line_of(text, spi):
    got = [x for x in text.splitlines() if x.startswith("0x%08x" % spi)]
    check(len(got) == 1, "0x%08x is there %d times:\n%s" % (spi, len(got), text))
    return got[0]


def reason_of(text, spi):
    lines = text.splitlines()
    at = lines.index(line_of(text, spi))
    check("IN SOFTWARE, and why" in lines[:at], "not among those in software:\n" + text)
    return lines[at + 1].strip()


def shows(text, t):
    for spi, queue in ((t.out, "encrypt"), (t.inn, "decrypt")):
        want = lab.layer_sa(spi)
        words = line_of(text, spi).split()
        check(words[1:6] == [queue, "va", want["engine"], want["prio"], "%d" % want["packets"]],
              "%r, and the layer has %r" % (words, want))
        check(words[7:10] == ["0", "0", "rfc4106(gcm(aes))"], "%r" % words)


def show(a, b):
    """One tunnel in the engine, one that the engine refuses, one that nobody wanted
    there; the same by the shell and awk of busybox."""
    faulty(engines=1, rating=300)
    t = lab.Tunnel(a, b)
    check(not lab.ping(*t.inner, [10] * 7)[0], "pings")
    with param("bind", "va=faulty0"):
        fault("fail_sa", 1)
        refused = lab.Tunnel(a, b, shape=("tunnel", 4, 4), policies=False)
        fault("fail_sa", 0)
    plain = lab.Tunnel(a, b, shape=("tunnel", 6, 6), policies=False, offload=False)
    os.makedirs(BUSYBOX, exist_ok=True)
    for x in APPLETS:
        if not os.path.exists(BUSYBOX + x):
            os.symlink("/bin/busybox", BUSYBOX + x)
    # ip is no applet worth the name
    lab.sh("ln -sf $(command -v ip) %sip" % BUSYBOX)
    for how in ({}, {"shell": BUSYBOX + "sh", "path": BUSYBOX}):
        text = good("show", **how)
        shows(text, t)
        check("Told to refuse it" in reason_of(text, refused.out) and
              reason_of(text, refused.out).startswith("va, encrypt: "), text)
        check(reason_of(text, refused.inn).startswith("va, decrypt: "), text)
        why = reason_of(text, plain.out)
        check("offload was not asked for" in why and " va" in why, why)
        words = [x.split() for x in text.splitlines() if x.startswith("faulty0 ")][0]
        e = lab.kv("engines", engine="faulty0")[0]
        check(words[1:6] == ["running", "300", "2", "0", "14"] and e["packets"] == 14,
              "%r, %r" % (words, e))
        for x in (t, refused, plain):
            for k in x.kout + x.kin:
                check(k.hex()[:16] not in text, "a key is shown")
        lab.note(text)
    check(run()[1].count("0x%08x" % t.out) == 1, "show is not the default")


def refusals(a, b):
    """debugfs: the last 64, with the reason last"""
    lab.load()
    with param("bind", "va=nosuch"):
        ts = [lab.Tunnel(a, b, policies=False) for _ in range(35)]
    lines = lab.read(lab.DEBUGFS + "refused").splitlines()
    check(len(lines) == 64, "%d lines" % len(lines))
    for line, spi in ((lines[-1], ts[-1].out), (lines[-2], ts[-1].inn), (lines[0], ts[3].inn)):
        check(" spi=0x%08x " % spi in line and line.startswith("port=va netns=") and
              " error=95 reason=esp_ring: the engine that this port is bound to is not "
              "registered" in line, line)
    e = dict(w.split("=", 1) for w in lines[-1].split(" reason=")[0].split())
    check(e["queue"] == "encrypt" and e["src"] == lab.a4() and e["dst"] == lab.b4() and
          e["cipher"] == "rfc4106(gcm(aes))" and int(e["ago_ms"]) < 20000 * lab.SLOW, "%r" % e)


def watch(a, b):
    """Rates, against the counters of the same time"""
    faulty(engines=1, rating=300)
    t = lab.Tunnel(a, b)
    with lab.Load(t, 200 // lab.SLOW):
        was, start = lab.layer_sa(t.out), time.monotonic()
        text = good("watch", "-n", "2", "-c", "1")
        now, secs = lab.layer_sa(t.out), time.monotonic() - start
    lab.note(text)
    want = (now["packets"] - was["packets"]) / secs
    for begin in ("faulty0/encrypt ", "0x%08x out %s " % (t.out, lab.b4())):
        got = [x[len(begin):].split() for x in text.splitlines() if x.startswith(begin)]
        check(len(got) == 1, "%s: %r" % (begin, got))
        rate, mbit = float(got[0][0]), float(got[0][1])
        check(abs(rate - want) <= 0.25 * want + 2, "%s %.0f/s, the counters %.0f/s" % (
            begin, rate, want))
        size = (now["bytes"] - was["bytes"]) / (now["packets"] - was["packets"])
        check(abs(mbit - rate * size * 8e-6) <= 0.02 + mbit / 20, "%s: %.2f Mbit/s" % (begin, mbit))
    code, _, err = run("watch", "-n", "x")
    check(code == 2 and err.count("\n") == 1, "%d %r" % (code, err))


def probe(a, _b):
    lab.load()
    before = a.sas()
    for more in ((), ("-6",), ("-m", "transport")):
        text = good("probe", *more, "va", "aes128gcm16", "aes128-sha1")
        check(text.count("yes, soft") == 4, text)
    with param("bind", "va=nosuch"):
        text = good("probe", "va", "aes256gcm16")
        check(text.count("no: esp_ring: the engine that this port is bound to is not "
                         "registered") == 2, text)
    lab.sh("ethtool -K va esp-hw-offload off")
    try:
        text = good("probe", "va", "aes256gcm16")
        check(text.count("no: esp_ring: esp-hw-offload is off on this device") == 2, text)
    finally:
        lab.sh("ethtool -K va esp-hw-offload on")
    text = good("probe", "lo", "aes256gcm16")
    check(text.count("no: the device is no port") == 2, text)
    text = good("probe", "va")
    lab.note(text)
    check(text.count("yes, soft") == 28 and len(text.splitlines()) == 29, text)
    check(a.sas() == before, "SAs are left: %r" % a.sas())
    for words, status in ((("va", "nosuch"), 2), (("nosuch",), 1), ((), 2)):
        code, _, err = run("probe", *words)
        check(code == status and err.count("\n") == 1, "%r: %d %r" % (words, code, err))


def record(a, b):
    """Every packet of the time is in the picture, with its latency."""
    if not os.path.isdir("/sys/kernel/tracing/events/esp_ring"):
        code, _, err = run("record")
        check(code == 1 and "no tracepoints" in err, err)
        return "no tracing of this module in this kernel"
    faulty(engines=1, rating=300)
    t = lab.Tunnel(a, b)
    fault("delay_us", 3000)
    trace, svg = OUT + "run.trace", OUT + "run.svg"
    p = subprocess.Popen(["sh", TOOLS + "esp-ring", "record", "-s", "%d" % (4 * lab.SLOW), "-o",
                          trace], stderr=subprocess.PIPE, text=True)
    # the tracepoints are on before the first packet, and off after the last
    time.sleep(1.5 * lab.SLOW)
    check(not lab.ping(*t.inner, [1000] * 50)[0], "pings")
    fault("error", 5)
    lab.ping(*t.inner, [100] * 10, timeout=0.3)
    err = p.communicate()[1]
    check(not p.returncode and ", 0 lost" in err, "status %d: %s" % (p.returncode, err))
    code, text, err = plot("--summary", trace)
    check(not code, err)
    got = {}
    for line in text.splitlines():
        e = dict(w.split("=", 1) for w in line.split())
        got[e.get("queue")] = e
    for queue, spi in (("encrypt", t.out), ("decrypt", t.inn)):
        s, e = lab.layer_sa(spi), got["faulty0/" + queue]
        check(int(e["packets"]) == s["packets"] and int(e["bytes"]) == s["bytes"] and
              int(e["errors"]) == s["drop_engine"], "%r, the layer has %r" % (e, s))
        check(float(e["median_us"]) >= 3000, "%r" % e)
        check(1 <= int(e["max_inflight"]) and float(e["p99_us"]) <= float(e["max_us"]), "%r" % e)
    check(int(got[None]["drops"]) == 1, "%r" % got[None])

    code, _, err = plot("-t", "a run", "-o", svg, trace)
    check(not code, err)
    root = ET.parse(svg).getroot()
    ns = "{http://www.w3.org/2000/svg}"
    lines = root.findall(ns + "polyline")
    texts = [x.text for x in root.iter(ns + "text")]
    width, height = float(root.get("width")), float(root.get("height"))
    check(len(lines) >= 10 and "a run" in texts and "faulty0/encrypt median" in texts,
          "%d lines, %r" % (len(lines), texts))
    for x in lines:
        for point in x.get("points").split():
            px, py = (float(v) for v in point.split(","))
            check(0 <= px <= width and 0 <= py <= height, "outside: %s" % point)
    check(not [d for d in os.listdir("/sys/kernel/tracing/instances") if "esp-ring" in d],
          "an instance is left")
    return None


def errors(_a, _b):
    for words in (("nosuch",), ("show", "x"), ("record", "-s", "0"), ("watch", "-c", "-1"),
                  ("watch", "-z"), ("probe", "-m", "x", "va"), ("probe", "-m")):
        code, out, err = run(*words)
        check(code == 2 and not out and err.count("\n") == 1 and "--help" in err,
              "%r: %d %r" % (words, code, err))
    code, out, _ = run("--help")
    check(not code and all(w in out for w in ("NAME", "SYNOPSIS", "EXAMPLES", "probe")), out)
    check(max(len(x) for x in out.splitlines()) <= 90, "wide lines")
    code, out, _ = plot("--help")
    check(not code and "SYNOPSIS" in out, out)
    with open("/tmp/empty", "w", encoding="ascii") as f:
        f.write("nothing\n")
    for name in ("/tmp/empty", "/tmp/nosuch"):
        code, _, err = plot(name)
        check(code == 1 and err.count("\n") == 1 and name in err, "%d %r" % (code, err))
    for m in ("esp_ring_soft", "esp_ring"):
        lab.rmmod(m)
    code, _, err = run("show")
    check(code == 1 and err == "esp-ring: the module esp_ring is not loaded: modprobe esp_ring\n",
          "%d %r" % (code, err))
    lab.load()


def engines_anew():
    lab.rmmod("esp_ring_faulty")
    lab.load()


lab.run_on_hosts((
    ("show: what is where, and why not", show),
    ("refusals are remembered", refusals),
    ("watch: rates", watch),
    ("probe: what could be", probe),
    ("record and plot", record),
    ("wrong arguments, missing module, help", errors),
), ("esp_ring_faulty", "esp_ring_soft", "esp_ring"), "v", before=engines_anew)
