#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Proof that the model of the EIP-93 is true: the in-tree driver, which knows
# nothing of it, and the kernel's crypto self-tests with their fuzz tests.
#
# One CPU and a slow engine by a clock that counts instructions: the driver looks at
# what it has queued after the engine was told, and a completion in between frees it.
#
# systems: mt7621
# timeout: 400
# cpus: 1
# group: intree
# qemu: -icount shift=1 -global eip93.desc-ns=20000
exec python3 "$LIB/../tools/intree.py"
