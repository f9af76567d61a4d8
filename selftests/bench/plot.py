# SPDX-License-Identifier: GPL-2.0-only
"""Two kinds of plot as SVG, with nothing but the standard library."""
import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 900, 430
LEFT, RIGHT, TOP, BOTTOM = 74, 24, 84, 56
COLOURS = {"none": "#9aa0a6", "plain": "#4c78a8", "pcrypt": "#f2a541",
           "soft1": "#72b79e", "soft2": "#1b7f5c",
           "software": "#4c78a8", "intree": "#f2a541", "ring": "#72b79e",
           "ring+gro": "#1b7f5c"}
STYLE = ("text{font:13px system-ui,'DejaVu Sans',sans-serif;fill:#30343a}"
         ".t{font-size:16px;font-weight:600}.s{font-size:12px}.v{font-size:10px}"
         ".g{stroke:#e3e6ea}.a{stroke:#8a9099}")


def text(x, y, s, cls="", anchor="start", turn=False):
    return '<text x="%.1f" y="%.1f" class="%s" text-anchor="%s"%s>%s</text>' % (
        x, y, cls, anchor,
        ' transform="rotate(-90 %.1f %.1f)"' % (x, y) if turn else "", escape(s))


def line(x1, y1, x2, y2, cls):
    return '<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" class="%s"/>' % (
        x1, y1, x2, y2, cls)


def ticks(top):
    """Round numbers from 0 to a little above top."""
    step = 10 ** math.floor(math.log10(top / 4))
    step *= next(m for m in (1, 2, 2.5, 5, 10) if step * m * 5 >= top)
    return [i * step for i in range(int(math.ceil(top * 1.04 / step)) + 1)]


class Canvas:
    """A frame with title, legend and a vertical axis; y() places values."""

    def __init__(self, title, ylabel, top, legend):
        self.marks = ticks(top)
        self.parts = [text(LEFT - 50, 28, title, "t")]
        x = LEFT
        for colour, label in legend:
            self.parts.append('<rect x="%.1f" y="48" width="12" height="12" '
                              'rx="2" fill="%s"/>' % (x, COLOURS[colour]))
            self.parts.append(text(x + 18, 59, label, "s"))
            x += 40 + 7 * len(label)
        for m in self.marks:
            y = self.y(m)
            self.parts.append(line(LEFT, y, WIDTH - RIGHT, y, "g" if m else "a"))
            self.parts.append(text(LEFT - 8, y + 4, "%g" % m, "s", "end"))
        self.parts.append(text(20, (TOP + HEIGHT - BOTTOM) / 2, ylabel, "s",
                               "middle", True))

    def y(self, value):
        return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * value / self.marks[-1]

    def save(self, path):
        with open(path, "w", encoding="utf-8") as f:
            f.write('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" '
                    'width="%d" height="%d"><style>%s</style>'
                    '<rect width="100%%" height="100%%" fill="#fff"/>\n%s\n</svg>\n'
                    % (WIDTH, HEIGHT, WIDTH, HEIGHT, STYLE,
                       "\n".join(self.parts)))


def lines(path, title, xlabel, ylabel, series):
    """series: (colour, label, [(x, y), ...]), the same scale for all."""
    xs = sorted({x for _, _, pts in series for x, _ in pts})
    c = Canvas(title, ylabel, max(y for _, _, pts in series for _, y in pts),
               [s[:2] for s in series])

    def px(x):
        return LEFT + 20 + (WIDTH - RIGHT - LEFT - 50) * x / xs[-1]

    for x in xs:
        c.parts.append(line(px(x), HEIGHT - BOTTOM, px(x), HEIGHT - BOTTOM + 5, "a"))
        c.parts.append(text(px(x), HEIGHT - BOTTOM + 20, "%g" % x, "s", "middle"))
    c.parts.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, xlabel, "s",
                        "middle"))
    for colour, _, pts in series:
        c.parts.append('<polyline fill="none" stroke="%s" stroke-width="2.5" '
                       'stroke-linejoin="round" points="%s"/>' % (
                           COLOURS[colour],
                           " ".join("%.1f,%.1f" % (px(x), c.y(y)) for x, y in pts)))
        for x, y in pts:
            c.parts.append('<circle cx="%.1f" cy="%.1f" r="3.5" fill="%s" '
                           'stroke="#fff"/>' % (px(x), c.y(y), COLOURS[colour]))
    c.save(path)


def bars(path, title, ylabel, groups):
    """groups: (label, [(colour, label, value), ...])."""
    legend = []
    for _, values in groups:
        legend += [v[:2] for v in values if v[:2] not in legend]
    c = Canvas(title, ylabel, max(v[2] for _, vs in groups for v in vs), legend)
    wide = (WIDTH - RIGHT - LEFT) / len(groups)
    for i, (label, values) in enumerate(groups):
        w = min(wide * 0.8 / len(values), 46)
        x = LEFT + wide * (i + 0.5) - w * len(values) / 2
        for colour, _, value in values:
            c.parts.append('<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" '
                           'rx="2" fill="%s"/>' % (
                               x + 1, c.y(value), w - 2, c.y(0) - c.y(value),
                               COLOURS[colour]))
            c.parts.append(text(x + w / 2, c.y(value) - 5, "%.0f" % value, "v",
                                "middle"))
            x += w
        c.parts.append(text(LEFT + wide * (i + 0.5), HEIGHT - BOTTOM + 22, label,
                            "s", "middle"))
    c.save(path)
