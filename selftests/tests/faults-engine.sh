#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# An engine that fails in every way esp_ring_faulty can.
#
# timeout: 240
# group: faults
# some packets of these SAs are damaged on purpose: not for tshark
export ESP_SA=/dev/null
exec python3 "$LIB/../tools/faults.py" engines
