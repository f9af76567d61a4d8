#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The part of "make picture" inside the machine."""
import os
import subprocess
import sys
import time

sys.path.insert(0, os.environ["LIB"] + "/../tools")
import esplab as lab        # noqa: E402  pylint: disable=wrong-import-position
from lanes import Bulk, Lane, fault, faulty, lane_addresses, param  # noqa: E402  pylint: disable=wrong-import-position

TOOL = os.environ["SHARE"] + "/tools/esp-ring"


def tool(*words):
    print("$ esp-ring " + " ".join(words), flush=True)
    print(subprocess.run(["sh", TOOL, *words], stdout=subprocess.PIPE, text=True,
                         check=True).stdout, flush=True)


def main():
    lab.load()
    lab.hosts_up("v")
    a, b = lab.both_hosts()
    lane_addresses(3)
    faulty(rating=300, inflight=16384, timeout_ms=0)
    fault("delay_us", 200)
    with param("high_prio", "reqid=101"):
        low, high = Lane(a, b, 0), Lane(a, b, 1)
    with param("bind", "va=eip93"):
        Lane(a, b, 2)
    with Bulk([low.inner], rate=900, size=1200), \
            Bulk([high.inner], rate=150, size=200), \
            Bulk([low.inner[::-1]], rate=300, size=1200, ns_src=lab.PEER, ns_dst=None):
        tool("show")
        tool("watch", "-n", "2", "-c", "1")
        record = subprocess.Popen(["sh", TOOL, "record", "-s", "6", "-o",
                                   os.environ["OUT"] + "/run.trace"])
        time.sleep(1)
        with Bulk([low.inner], rate=2500, size=1200):
            time.sleep(0.8)
        time.sleep(1)
        fault("fail_start", 1)
        fault("hang", 1)
        record.wait()
    tool("probe", "va", "aes128gcm16", "aes128-sha1")
    a.flush()
    b.flush()


main()
