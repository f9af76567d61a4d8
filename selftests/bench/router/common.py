# SPDX-License-Identifier: GPL-2.0-only
"""What host, guest and report of the router's benchmark agree on.

    host 10.1.0.2 --- lan1 10.1.0.1 router 192.0.2.1 wan --- 192.0.2.2 peer --- 10.2.0.2
"""

OUR_LAN, LAN_HOST = "10.1.0.1", "10.1.0.2"
OUR_WAN, PEER_WAN = "192.0.2.1", "192.0.2.2"
FAR_HOST = "10.2.0.2"
LAN_NET, FAR_NET = "10.1.0.0/24", "10.2.0.0/24"
OUR_WAN_MAC, OUR_LAN_MAC = "52:54:00:e5:71:00", "52:54:00:e5:71:01"
WAN_MAC, LAN_MAC = "02:00:00:00:00:02", "02:00:00:00:00:07"
SPI_OUT, SPI_IN = 0x1000, 0x2000
DONE_PORT = 8888

SIZES = (64, 256, 512, 1024, 1400, "imix")
# 7 of 64, 4 of 576, 1 of 1400
IMIX = (64, 576, 64, 64, 576, 64, 64, 1400, 64, 576, 64, 576)
WAYS = ("enc", "dec", "both")
WAY_NAMES = {"enc": "LAN to WAN", "dec": "WAN to LAN", "both": "both at once"}
# What follows a + is the same with something changed, see guest.py.
VARIANTS = ("none", "software", "intree", "ring")
MORE = ("none+wire", "none+gro", "ring+gro", "none+flowtable", "none+paced", "ring+flowtable", "ring+hthresh", "ring+tuned",
        "ring+paced")

# With two CPUs: where encrypt and decrypt queue are finished.
PLACES = ("on00", "on11", "on01", "on10")

# under way: one way; with both ways half of it each
WINDOW = 64
# as many, and those that are under way then. Software does the same each time.
PACKETS = {"none": 1440, "software": 288, "intree": 1440, "ring": 1440}
# An instruction takes 1 ns in the model and 1/0.88 ns in a CPU of 880 MHz that does
# one each clock, so the model has all else faster by as much: wires of 1 Gbit/s, and
# the engine, see run.sh.
GHZ = 0.88
WIRE_KBIT_S = round(1000000 / GHZ)
# plain frames a second that "paced" sends
PACE = 25000
NUMBERED = max(PACKETS.values()) + WINDOW


def number(size):
    """As a case has it, as SIZES has it."""
    return int(size) if size.isdigit() else size


def mean(size):
    """Bytes of a packet of this size."""
    return sum(IMIX) / len(IMIX) if size == "imix" else size
