#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Proof that the model of the EIP-93 is true: the in-tree driver, which knows
# nothing of it, and the kernel's crypto self-tests with their fuzz tests.
#
# systems: mt7621 en7581-debug
# timeout: 400
# group: intree
exec python3 "$LIB/../tools/intree.py"
