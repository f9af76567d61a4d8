# SPDX-License-Identifier: GPL-2.0-only
"""The file of records that all benchmarks write to."""
import json
import os


def save(new, path, prefix):
    """In place of the records of an earlier run, whose names begin with prefix; those of
    other benchmarks stay."""
    kept = []
    if os.path.exists(path):
        with open(path, encoding="ascii") as f:
            kept = [x for x in f if not json.loads(x)["name"].startswith(prefix)]
    with open(path, "w", encoding="ascii") as f:
        f.writelines(kept)
        for x in new:
            f.write(json.dumps(x) + "\n")
