# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Everything a test file needs: . "$LIB/lib.sh"
#
# The environment that guest-run.sh gives a test:
#   LIB       this directory        SHARE     what the host gave, read-only
#   MODULES   the built modules     OUT       a directory of the test's own
#   SYSTEM    bookworm, trixie...   ESP_SA    keys for the host's decrypt check
#   SLOW      multiply waits by it: 1, on the debug kernel more

LIB=${LIB:-/share/selftests/lib}
# shellcheck source=selftests/lib/tap.sh
. "$LIB/tap.sh"
# shellcheck source=selftests/lib/hosts.sh
. "$LIB/hosts.sh"
# shellcheck source=selftests/lib/ring.sh
. "$LIB/ring.sh"
# shellcheck source=selftests/lib/sa.sh
. "$LIB/sa.sh"
# shellcheck source=selftests/lib/traffic.sh
. "$LIB/traffic.sh"
# shellcheck source=selftests/lib/swan.sh
. "$LIB/swan.sh"
