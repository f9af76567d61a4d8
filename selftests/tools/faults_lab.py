# SPDX-License-Identifier: GPL-2.0-only
"""What the tests of faults share: what must hold after each of them."""
import esplab as lab
from esplab import check


def layer_drops(t):
    return sum(lab.drops(d) for d in (lab.layer_sa(t.out), lab.layer_sa(t.inn)) if d)


def lost(load):
    return load.a["lost"] + load.b["lost"]


def alive(t, what):
    bad, _ = lab.ping(*t.inner, [40, 1000, 0])
    check(not bad, "no traffic after %s" % what)


def check_ivs(t, wire, also=()):
    """No IV twice, and numbers in order, over everything that was sent."""
    seen = wire.esp()
    for spi in (t.out,) + tuple(also):
        mine = [p for p in seen if p[0] == spi]
        check(len(mine) > 20, "only %d packets seen" % len(mine))
        ivs = [p[2][:8] for p in mine]
        check(len(set(ivs)) == len(ivs), "an IV came twice on SA 0x%x" % spi)
        seqs = [p[1] for p in mine]
        wrong = [(x, y) for x, y in zip(seqs, seqs[1:]) if x >= y]
        check(not wrong, "sequence numbers go back: %r" % wrong[:5])
