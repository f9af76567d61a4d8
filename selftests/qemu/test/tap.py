# SPDX-License-Identifier: GPL-2.0-only
"""TAP, as the tests of all models print it."""
import os
import subprocess
import sys

RESULTS = []


def is_(got, want, what):
    """One line of it."""
    RESULTS.append(got == want)
    print(f"{'ok' if got == want else 'not ok'} {len(RESULTS)} {what}", flush=True)
    if got != want:
        for name, value in (("got", got), ("want", want)):
            print(f"#   {name} {value.hex() if isinstance(value, bytes) else f'{value!r:.400}'}")


def done():
    """The plan; the status to exit with, which is 1 also if there was no test."""
    print(f"1..{len(RESULTS)}")
    return 0 if RESULTS and all(RESULTS) else 1


def build():
    """The directory with QEMU: as said, or what selftests/qemu/build prints."""
    return sys.argv[1] if len(sys.argv) > 1 else subprocess.run(
        [os.path.join(os.path.dirname(__file__), "../build")], stdout=subprocess.PIPE,
        text=True, check=True).stdout.strip()
