#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Interrupts of an EIP-93 that is faster than the CPU.
#
# systems: mt7621 en7581
# also: mt7621-6.12
# cpus: 1
# timeout: 120
# group: eip93irq
# qemu: -icount shift=0
# made of zeros, thrown away unread, and much of it: not for tshark
export ESP_SA=/dev/null
exec python3 "$LIB/../tools/eip93irq.py"
