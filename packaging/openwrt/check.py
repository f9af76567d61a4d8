#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""check.py MODULES: is the feed's package right about the modules?

MODULES is a directory with the .ko files of a kernel that has everything as
modules. The package's Makefile is read by make itself, with OpenWrt's own files
replaced by a few lines that print what they are given. Compared are

    every module of ours is in one package, and in one only
    what modpost wrote into it ("depends") is in a package it depends on
    modules are loaded in an order in which each finds what it needs
    Kconfig's options are in KCONFIG, or known to be in OpenWrt's kernels

Prints "ok - ..." or "not ok - ..." as make check does, and the counts.
"""
import glob
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))

# OpenWrt's packages of modules that are not ours
THEIRS = {"esp4": "kmod-ipsec4", "esp6": "kmod-ipsec6"}
# of SoCs that the feed has no package for: OpenWrt's drivers of them are not mainline's
NOT_PACKED = {"esp_ring_airoha", "esp_ring_stmicro"}
# options of our Kconfig files, and why they are there without our saying so
KNOWN = {
    "INET": "every kernel", "OF": "every target with a device tree", "HAS_DMA": "the SoC",
    "HAS_IOMEM": "the SoC", "NET_MEDIATEK_SOC": "ramips/mt7621: y", "SOC_MT7621": "the SoC",
    "ARCH_AIROHA": "the SoC", "ECONET": "the SoC", "GLOB": "ramips/mt7621: y",
    "NET_AIROHA": "the SoC", "STMMAC_ETH": "the SoC", "COMPILE_TEST": "not wanted",
    "INET_ESP": "kmod-ipsec4", "INET6_ESP": "kmod-ipsec6", "XFRM_OFFLOAD": "INET_ESP_OFFLOAD",
    "DQL": "BQL", "CRYPTO": "kmod-ipsec", "CRYPTO_AEAD": "kmod-ipsec",
    "CRYPTO_HASH": "kmod-crypto-hmac", "CRYPTO_SKCIPHER": "kmod-crypto-cbc",
    "CRYPTO_HMAC": "kmod-crypto-hmac", "CRYPTO_AUTHENC": "kmod-crypto-authenc",
    "CRYPTO_NULL": "kmod-crypto-null",
}
# of those, what a package must then depend on
BY_KMOD = {o: k for o, k in KNOWN.items() if k.startswith("kmod-crypto")}

STUB = r"""
AutoLoad = $(1):$(2)
define KernelPackage
$(eval DEPENDS:=)$(eval KCONFIG:=)$(eval FILES:=)$(eval AUTOLOAD:=)
$(eval $(call KernelPackage/$(1)))
$(info kmod-$(1);$(DEPENDS);$(KCONFIG);$(FILES);$(AUTOLOAD))
endef
"""

counts = {True: 0, False: 0}


def result(what, wrong):
    counts[not wrong] += 1
    print("%sok - openwrt: %s" % ("not " if wrong else "", what))
    for line in wrong:
        print("#   " + line)


def packages():
    """name: (depends, kconfig, files, [(number, module)])"""
    with tempfile.TemporaryDirectory() as d:
        for name, text in (("rules.mk", "all:\n"), ("kernel.mk", STUB), ("package.mk", "")):
            with open(os.path.join(d, name), "w", encoding="ascii") as f:
                f.write(text)
        out = subprocess.run(
            ["make", "-s", "-C", os.path.join(HERE, "esp-ring"), "TOPDIR=" + d, "INCLUDE_DIR=" + d,
             "LINUX_DIR=linux", "PKG_BUILD_DIR=" + TOP], stdout=subprocess.PIPE, text=True,
            check=True).stdout
    found = {}
    for line in out.splitlines():
        if line.count(";") != 4:
            continue
        name, depends, kconfig, files, load = line.split(";")
        number, _, modules = load.partition(":")
        found[name] = ([d.lstrip("+") for d in depends.split() if d.startswith("+")],
                       kconfig.split(), files.split(), [(int(number), m) for m in modules.split()])
    return found


def modinfo(path, field):
    return [m.replace("-", "_") for m in subprocess.run(
        ["/sbin/modinfo" if os.path.exists("/sbin/modinfo") else "modinfo", "-F", field, path],
        stdout=subprocess.PIPE, text=True, check=True).stdout.strip().split(",") if m]


def module(path):
    return os.path.basename(path)[:-len(".ko")]


def options(kconfig):
    """What a Kconfig file depends on and selects"""
    with open(kconfig, encoding="ascii") as f:
        lines = re.findall(r"^\s+(?:depends on|select) (.*)$", f.read(), re.M)
    own = {"ESP_RING"}
    return {o for line in lines for o in re.findall(r"[A-Z0-9_]+", line)} - own


def main():
    if len(sys.argv) != 2 or not glob.glob(sys.argv[1] + "/**/esp_ring.ko", recursive=True):
        sys.exit("error: usage: check.py DIRECTORY-WITH-MODULES")
    kos = {module(p): p for p in glob.glob(sys.argv[1] + "/**/esp_ring*.ko", recursive=True)}
    kos = {m: p for m, p in kos.items() if "selftests" not in p and not re.search(
        "faulty|power", m)}
    pkgs = packages()
    result("make reads the Makefile: %s" % " ".join(sorted(pkgs)), [] if len(pkgs) >= 4 else [
        "%d packages" % len(pkgs)])

    owner = {}
    wrong = []
    for name, (_, _, files, load) in pkgs.items():
        for f in files:
            m = module(f)
            if m in owner:
                wrong.append("%s is in %s and in %s" % (m, owner[m], name))
            owner[m] = name
            if m not in [x for _, x in load]:
                wrong.append("%s: %s is not loaded" % (name, m))
            if f.startswith(TOP):
                d = os.path.relpath(os.path.dirname(f), TOP)
                built = os.path.relpath(os.path.dirname(kos.get(m, TOP)), sys.argv[1])
                if built not in (".", d):
                    wrong.append("%s is built in %s" % (f, built))
                if not os.path.isdir(os.path.dirname(f)):
                    wrong.append("%s: no such directory" % d)
    wrong += ["%s is in no package" % m for m in kos if m not in owner and m not in NOT_PACKED]
    wrong += ["there is no module %s" % m for m in owner if m.startswith("esp_ring") and m not in kos]
    result("every module is in one package, and is loaded", wrong)

    wrong, late = [], []
    order = sorted(((n, pkg, i, m) for pkg, p in pkgs.items() for i, (n, m) in enumerate(p[3])))
    place = {m: (n, i if pkg == owner[m] else 0) for n, pkg, i, m in order}
    for m, path in kos.items():
        if m not in owner:
            continue
        pkg = owner[m]
        for need in modinfo(path, "depends"):
            of = owner.get(need) or THEIRS.get(need)
            if not of:
                wrong.append("%s needs %s, which is in no package known here" % (m, need))
            elif of != pkg and of not in pkgs[pkg][0]:
                wrong.append("%s needs %s, but %s does not depend on %s" % (m, need, pkg, of))
            # one number: by name of package, so a package must not rely on it
            if need in owner and place[need] >= place[m]:
                late.append("%s comes before %s" % (m, need))
    result("what modpost says is what the packages depend on", wrong)
    result("modules are loaded after what they need", late)

    wrong = []
    said = {k.partition("=")[0][len("CONFIG_"):] for p in pkgs.values() for k in p[1]}
    dirs = {os.path.dirname(f): name for name, p in pkgs.items() for f in p[2] if f.startswith(TOP)}
    for d, pkg in dirs.items():
        for o in options(os.path.join(d, "Kconfig")):
            if o not in said and o not in KNOWN:
                wrong.append("%s: %s is neither in KCONFIG nor known" % (pkg, o))
            if o in BY_KMOD and BY_KMOD[o] not in pkgs[pkg][0]:
                wrong.append("%s: %s comes with %s" % (pkg, o, BY_KMOD[o]))
    result("Kconfig's options", wrong)
    print("%d passed, %d failed, 0 skipped" % (counts[True], counts[False]))
    sys.exit(bool(counts[False]))


main()
