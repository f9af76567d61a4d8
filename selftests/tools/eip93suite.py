#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The tests of the software engine, on the EIP-93:

    eip93suite.py data|order|faults|badinput|engines [that file's arguments] [-- PATTERN...]

They load an engine and choose algorithms that the EIP-93 has not; both are put right
here, and the rest is those files as they are.
"""
import os
import re
import runpy
import sys

import esplab as lab
import labbase
import labsa
import labtraffic
import eip93lab

# nearest relatives of what the tests name
INSTEAD = {"gcm128": "ctr128-sha1", "cbc256-sha512": "cbc256-sha256",
           "chacha": "ctr256-sha256", "gcm256": "ctr256-sha256",
           "ccm128-8": "ctr128-sha1", "gmac128": "null-sha1"}


def load(engine="soft", **args):
    if engine != "soft":
        return original_load(engine, **args)
    return eip93lab.load("legacy=1")


def insmod(name, args=""):
    if name == "esp_ring_soft":
        return eip93lab.insmod("legacy=1")
    return original_insmod(name, args)


def rmmod(name, secs=30):
    return original_rmmod("esp_ring_eip93" if name == "esp_ring_soft" else name, secs)


def status(cmd):
    return original_status(cmd.replace("rmmod esp_ring_soft", "rmmod esp_ring_eip93"))


def kv(name, **match):
    """The engine that a test asks for, or that the answer names, is ours."""
    for key in ("engine",):
        if match.get(key) == "soft":
            match[key] = "eip93"
    got = original_kv(name, **match)
    for line in got:
        if line.get("engine") == "eip93":
            line["engine"] = "soft"
    return got


def only(patterns):
    def run_tests(tests, prefix=""):
        original_run_tests([(n, f) for n, f in tests
                            if any(re.search(p, n) for p in patterns)], prefix)
    return run_tests


original_run_tests = lab.run_tests
original_load, original_insmod = lab.load, lab.insmod
original_rmmod, original_status, original_kv = lab.rmmod, lab.status, lab.kv


def instead(**functions):
    """In all of the library's modules, which have each other's names."""
    for module in (lab, labbase, labsa, labtraffic):
        for name, fn in functions.items():
            if hasattr(module, name):
                setattr(module, name, fn)


def main():
    what = sys.argv[1]
    known = {name: lab.ALGS[name] for name in eip93lab.ALGS + eip93lab.LEGACY}
    if what == "data" and sys.argv[2] != "edges":
        more = {}
    else:
        more = {a: lab.ALGS[b] for a, b in INSTEAD.items()}
    # the one dictionary that all have
    lab.ALGS.clear()
    lab.ALGS.update(known, **more)
    instead(load=load, insmod=insmod, rmmod=rmmod, status=status, kv=kv)
    if "--" in sys.argv:
        at = sys.argv.index("--")
        instead(run_tests=only(sys.argv[at + 1:]))
        del sys.argv[at:]
    sys.argv = sys.argv[1:]
    runpy.run_path(os.path.join(os.path.dirname(__file__), what + ".py"),
                   run_name="__main__")


main()
