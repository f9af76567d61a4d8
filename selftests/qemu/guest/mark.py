#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Marks for plugins/insnprof.c, in the guest: mark.py start|stop

As a module: mark.run("start"). The instruction is put into a page of its own
and called, so that no compiler is needed.
"""
import ctypes
import mmap
import platform
import sys

MARKS = {"start": 1, "stop": 2}


def code(n):
    """The mark, and a return."""
    if platform.machine().startswith("mips"):
        # sltiu $0, $0, 0xe500 + n; jr $ra; nop
        words = (0x2c00e500 + n, 0x03e00008, 0)
    elif platform.machine() == "aarch64":
        # movz xzr, #0xe500 + n; ret
        words = (0xd280001f | (0xe500 + n) << 5, 0xd65f03c0)
    else:
        sys.exit(f"error: no mark for {platform.machine()}")
    return b"".join(w.to_bytes(4, "little") for w in words)


def prepare(name):
    """A function that executes a mark, and the page that it is in."""
    page = mmap.mmap(-1, mmap.PAGESIZE,
                     prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code(MARKS[name]))
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    return ctypes.CFUNCTYPE(None)(address), page


READY = {}


def run(name):
    """Execute a mark; prepared before, it costs nothing beside it."""
    if name not in READY:
        READY[name] = prepare(name)
    READY[name][0]()


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in MARKS:
        sys.exit("usage: mark.py start|stop")
    run(sys.argv[1])
