#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""What is urgent does not wait for bulk in the software engine."""
import contextlib
import time

import esplab as lab
from esplab import check
from lanes import (Bulk, Lane, in_layer, lane_addresses, ms, param, quantile, round_trips,
                   traced)


def urgent_soft(a, b):
    """The software engine, whose threads are what is short: an urgent SA and another
    one, alike, take turns beside bulk in a third.  What counts is how long the layer and
    the engine have a packet, by their tracepoint: before and behind them packets wait for
    a CPU with everybody else."""
    with param("high_prio", "reqid=101"):
        lane_addresses(3)
        low, high, same = Lane(a, b, 0, alg="3des-sha1"), Lane(a, b, 1), Lane(a, b, 2)
        # the far end has the same CPUs: there the bulk is thrown away unread
        b.del_sa(low.outer[1], low.out)
        took = {}
        with traced("esp_ring_complete") as trace:
            for name, bulk in (("alone", contextlib.nullcontext),
                               # less under way than the queue takes: nothing is dropped
                               ("beside bulk", lambda: Bulk([low.inner], sndbuf=1 << 17))):
                was = len(trace())
                with bulk():
                    time.sleep(0.5)
                    for _ in range(5):
                        for t in (high, same):
                            lost = round_trips(*t.inner, 20)[1]
                            check(not lost, "%s: %d pings lost" % (name, lost))
                lines = [x for x in trace()[was:] if "queue=encrypt" in x]
                for kind, t in (("urgent", high), ("not", same), ("bulk", low)):
                    took[name, kind] = in_layer(lines, t.out)
        check(not lab.drops(lab.layer_sa(low.out)), "bulk was dropped")
        check(len(took["beside bulk", "bulk"]) > 500, "%d packets are no bulk" % len(
            took["beside bulk", "bulk"]))
        for k, v in took.items():
            if v:
                lab.note("%s, %s: %d packets, median %s, p95 %s" % (
                    *k, len(v), ms(quantile(v, 0.5)), ms(quantile(v, 0.95))))
        y, z = (quantile(took["beside bulk", kind], 0.5) for kind in ("urgent", "not"))
        check(2 * y < z, "%s urgent, %s not" % (ms(y), ms(z)))


lab.run_on_hosts((
    ("urgent packets beside bulk in the software engine", urgent_soft),
), ("esp_ring_soft", "esp_ring"), "v", before=lab.load)
