#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# What nobody should send: the offloaded SA must do what software does.
#
# timeout: 360
# group: badinput
# damaged on purpose: not for tshark
export ESP_SA=/dev/null
exec python3 "$LIB/../tools/badinput.py"
