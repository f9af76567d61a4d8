# SPDX-License-Identifier: GPL-2.0-only
"""What the tests have in common: the two hosts, their tunnels, traffic, counters,
and TAP.

Host A is the name space one starts in, with our modules; host B is "peer",
with the kernel's own ESP.  Both are reached from one process.
"""
# pylint: disable=wildcard-import,unused-wildcard-import,unused-import
from xfrmnl import NlError
from labbase import *
from labsa import *
from labtraffic import *
