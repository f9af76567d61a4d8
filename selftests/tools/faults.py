#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Faults under load: engines, SAs, links and devices go away while packets flow.

    faults.py removal|devices|engines [pattern]

After each: traffic goes on, or stops cleanly; what is lost is counted; nothing
is doubled, damaged or out of order.
"""
import sys

import esplab as lab
import faults_devices
import faults_engine
import faults_removal


def main():
    tests = {"removal": faults_removal, "devices": faults_devices,
             "engines": faults_engine}[sys.argv.pop(1)].TESTS
    lab.run_on_hosts(tests, ("esp_ring_faulty", "esp_ring_soft", "esp_ring"), before=lab.load)


main()
