#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Another kernel is started by kexec while the EIP-93 works. The board's interrupt
# controller keeps tables in memory that a kernel without EFI cannot hand over to the
# next one: it is used without them.
#
# systems: en7581
# timeout: 150
# group: eip93kexec
# needs: kexec
# qemu: -machine its=off
exec python3 "$LIB/../tools/eip93kexec.py"
