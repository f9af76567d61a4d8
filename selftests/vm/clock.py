# SPDX-License-Identifier: GPL-2.0-only
"""How long there is, and what still fits in."""
import json
import os
import threading
import time

import boot

# of test files, by "system/file": the seconds that each took when it last ran, and
# those that there was no time for since
TIMES = os.path.join(boot.CACHE, "times.json")
# of what it may take, where that is not known
USUAL_PART = 0.3
# of all the time, what is kept for second runs
SECOND_PART = 0.1


class Clock:
    """Making what a system is made of can take as long as all tests, so it is not begun
    in the second half.  A machine is not started if it is not expected to end in time;
    its files come first the next time.

    @minutes: for all; 0: no limit"""

    def __init__(self, minutes):
        self.start, self.seconds = time.monotonic(), 60 * minutes
        self.lock = threading.Lock()
        try:
            with open(TIMES, encoding="ascii") as f:
                known = json.load(f)
            self.times, self.left = known["seconds"], set(known["left"])
        except (OSError, ValueError, KeyError):
            self.times, self.left = {}, set()

    def over(self, part=1.0, need=0):
        """Is that part of the time over, or will it be in @need seconds?"""
        return self.seconds and time.monotonic() - self.start + need > part * self.seconds

    def usual(self, label, most):
        """Seconds that a file is expected to take of the @most that it may."""
        return min(most, self.times.get(label, USUAL_PART * most))

    def took(self, seconds):
        """What files took: {label: seconds}."""
        with self.lock:
            self.times.update(seconds)
            self.left -= set(seconds)
            self.keep()

    def left_out(self, labels):
        """There was no time for these files."""
        with self.lock:
            self.left |= set(labels)
            self.keep()

    def keep(self):
        """For the next time.  The lock is held."""
        os.makedirs(boot.CACHE, exist_ok=True)
        new = f"{TIMES}.{os.getpid()}"
        with open(new, "w", encoding="ascii") as f:
            json.dump({"seconds": self.times, "left": sorted(self.left)}, f, indent=1,
                      sort_keys=True)
        os.replace(new, TIMES)
