# SPDX-License-Identifier: GPL-2.0-only
"""Engines, modules and SAs go away while packets flow."""
import threading
import time

import esplab as lab
import xfrmnl
from esplab import check
from faults_lab import alive, check_ivs, layer_drops, lost


# ---- the engine goes, the module goes ----

def engine_removed(a, b):
    """rmmod and insmod of the only engine: software meanwhile, losses counted."""
    wire = lab.Wire()
    for alg, shape in (("gcm128", ("tunnel", 4, 4)), ("ctr128-sha1", ("transport", 6, 6))):
        a.flush()
        b.flush()
        wire.frames()
        t = lab.Tunnel(a, b, alg, shape, window=128)
        with lab.Load(t) as load:
            for _ in range(3):
                secs = lab.rmmod("esp_ring_soft")
                check(secs < 5 * lab.SLOW, "rmmod of the engine took %.1f s" % secs)
                check(lab.layer_sa(t.out)["engine"] == "software", "still on an engine")
                was = lab.layer_sa(t.out)["software"]
                check(lab.wait_for(lambda w=was: lab.layer_sa(t.out)["software"] > w + 5),
                      "nothing runs in software")
                lab.insmod("esp_ring_soft")
                was = lab.layer_sa(t.out)["packets"]
                check(lab.layer_sa(t.inn)["engine"] == "soft", "the SA is not taken back")
                check(lab.wait_for(lambda w=was: lab.layer_sa(t.out)["packets"] > w + 5),
                      "nothing runs in the engine that came back: %r %r %r" % (
                          lab.layer_sa(t.out), lab.kv("queues"), lab.kv("engines")))
        check(lost(load) <= layer_drops(t), "%d lost, %d counted" % (
            lost(load), layer_drops(t)))
        check(load.a["got"] > 100, "%r" % load.a)
        o = lab.layer_sa(t.out)
        check(o["rebinds"] == 6, "rebinds=%d" % o["rebinds"])
        alive(t, "the engine came back")
        o = lab.layer_sa(t.out)
        check(a.sas()[t.out]["packets"] == o["packets"] + o["software"] + lab.drops(o),
              "the kernel counts %d, the layer %r" % (a.sas()[t.out]["packets"], o))
        check_ivs(t, wire)
    wire.close()


def engine_removed_bulk(a, b):
    """The same under TCP that keeps the queues full."""
    t = lab.Tunnel(a, b, "gcm128", ("tunnel", 4, 4), pair="e", esn=True, window=1024)
    stop = []

    def toggle():
        while not stop:
            lab.status("rmmod esp_ring_soft")
            time.sleep(0.1)
            lab.insmod("esp_ring_soft")
            time.sleep(0.3)

    th = threading.Thread(target=toggle)
    th.start()
    try:
        for n in range(15):
            lab.tcp_both(*t.inner, 1500000 // lab.SLOW, timeout=60)
            # an engine may take longer to probe than such a transfer
            if n >= 2 and lab.layer_sa(t.out)["rebinds"] >= 4:
                break
    finally:
        stop.append(1)
        th.join()
    check(lab.layer_sa(t.out)["rebinds"] >= 4, "%r" % lab.layer_sa(t.out))
    alive(t, "it")


def unload_refused(a, b):
    """rmmod of the layer: EBUSY with SAs, and soon after they are flushed."""
    t = lab.Tunnel(a, b, "gcm128", ("tunnel", 4, 4))
    with lab.Load(t) as load:
        code, text = lab.status("rmmod esp_ring")
        check(code and "in use" in text, "with engine and SAs: %d %s" % (code, text))
        lab.rmmod("esp_ring_soft")
        code, text = lab.status("rmmod esp_ring")
        check(code and "in use" in text, "with SAs: %d %s" % (code, text))
    check(lost(load) <= layer_drops(t), "%r %r" % (load.a, load.b))
    a.flush()
    b.flush()
    lab.note("rmmod esp_ring: %.1f s after the flush" % lab.rmmod("esp_ring", 30))
    features = lab.sh("ethtool -k va | grep esp-hw-offload; ethtool -k ea | grep esp-hw-offload")
    check(" on" not in features, features)
    # and what it was loaded for works without it
    t = lab.Tunnel(a, b, "gcm128", ("tunnel", 4, 4))
    check(t.offloaded() == (False, False), "offloaded by whom?")
    alive(t, "unloading")
    lab.load()


def unload_under_load(a, b):
    """SAs are flushed while packets flow; the module goes at once or says EBUSY,
    for a bounded time."""
    t = lab.Tunnel(a, b, "cbc128-sha1", ("transport", 4, 4))
    with lab.Load(t):
        a.flush()
        lab.rmmod("esp_ring_soft", 60)
        lab.note("rmmod esp_ring: %.1f s" % lab.rmmod("esp_ring", 60))
    lab.load()


# ---- SAs go ----

def sa_deleted(a, b):
    """Both SAs go and come again ten times: it stops and goes on, and the flow
    that stops says why."""
    t = lab.Tunnel(a, b, "gcm128", ("tunnel", 4, 4))
    with lab.Load(t) as load:
        for _ in range(10):
            t.del_sas(t.out, t.inn)
            time.sleep(0.05)
            t.new_sas()
            time.sleep(0.15)
    check(load.a["got"] > 20 and load.b["got"] > 20, "%r %r" % (load.a, load.b))
    alive(t, "deleting SAs")
    check(len(lab.kv("sas")) == 2, "SAs left in the layer: %r" % lab.kv("sas"))


def flushed(a, b):
    t = lab.Tunnel(a, b, "cbc128-sha1", ("transport", 6, 6))
    with lab.Load(t):
        for _ in range(5):
            for x in (a, b):
                x.request(xfrmnl.FLUSHSA, b"\0\0\0\0")
            time.sleep(0.1)
            t.new_sas()
            time.sleep(0.1)
    alive(t, "flushing")
    a.flush()
    check(lab.wait_for(lambda: not lab.kv("sas") and
                       all(not e["sas"] for e in lab.kv("engines")), 20),
          "left behind: %r %r" % (lab.kv("sas"), lab.kv("engines")))


TESTS = [
    ("engine removed and back under load", engine_removed),
    ("engine removed and back under bulk TCP", engine_removed_bulk),
    ("SAs deleted and added under load", sa_deleted),
    ("states flushed under load", flushed),
    ("unload: EBUSY with SAs, works after a flush", unload_refused),
    ("unload under load", unload_under_load),
]
