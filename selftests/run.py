#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Run the selftests in virtual machines.

    run.py [-j N] [-s SYSTEM]... [--minutes N] [--once] [PATTERN]

PATTERN (a shell pattern or a regular expression) chooses among "system/file".
Without it and -s, a file's systems after "also:" are left out.
Test files of one group share a machine; after each the machine is put back.
When all have run, the host looks at the kernel's log and at every packet of
the wires.  A few cases that failed have a second run, alone (second_run()).
Ends with "N passed, N failed, N skipped".
"""
import argparse
import collections
import concurrent.futures
import dataclasses
import fnmatch
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(HERE)
sys.path.insert(0, os.path.join(HERE, "vm"))
import boot      # noqa: E402  pylint: disable=wrong-import-position
import clock as clocks  # noqa: E402  pylint: disable=wrong-import-position
import wire      # noqa: E402  pylint: disable=wrong-import-position

# what a test runs on if it does not say: 6.1, 7.x, and debug, which is a 6.12
DEFAULT = ("bookworm", "bpo", "debug")
# and if asked for: the same 6.12 without debugging
ALSO = ("trixie",)
# QEMU's boards with an EIP-93
BOARDS = ("mt7621", "en7581")
# and for test files that name them: bpo with the strongSwan of Debian's sid, and
# boards that have not run a test yet
SYSTEMS = DEFAULT + ALSO + BOARDS + ("sid", "mt7621-6.12", "mt7621-native", "en7581-debug")
BUILD = os.path.join(TOP, "build", "test")
# the debug kernel checks every access to memory
SLOW = {"debug": 5, "mt7621": 3, "mt7621-6.12": 3, "mt7621-native": 3, "en7581": 2,
        "en7581-debug": 8}
MEM = {"debug": 2048}
BOOT_SECONDS = 90
# variables of the environment that tests get: longer forms, seeds to replay
PASSED_ON = ("LONG", "EIP93_SOAK", "SEED", "STEPS")
LONG_TIMES = 40
# more files than these are not disturbed, they are wrong
SECOND_RUNS = 6

SPLAT = re.compile(
    r"BUG:|WARNING:|KASAN|UBSAN|possible (circular|recursive|irq|deadlock)|"
    r"inconsistent lock state|suspicious RCU|INFO: (task|rcu|possible|trying)|DMA-API:|"
    r"\bOops\b|[Kk]ernel panic|unreferenced object|refcount_t|ODEBUG|"
    r"scheduling while atomic|sleeping function called|Call Trace|bad: scheduling|"
    r"general protection fault|list_(add|del) corruption|Unable to handle|"
    r"unregister_netdevice: waiting|soft lockup|stall(s|ed)? on CPU|workqueue lockup|"
    r"Bad page|slab.*(Poison|Redzone|Objects remaining)|leaked reference")


@dataclasses.dataclass
class Test:
    """One file of selftests/tests/, with what its header says."""
    file: str
    systems: tuple = DEFAULT
    also: tuple = ALSO          # only if asked for
    timeout: int = 120
    cpus: int = 2
    mem: int = 1024
    group: str = "main"
    ports: int = 0
    qemu: str = ""
    needs: str = ""             # more in the share, made by vm/WORD

    @property
    def name(self):
        return os.path.splitext(self.file)[0]


@dataclasses.dataclass
class Result:
    """A line of the report."""
    name: str
    kind: str           # passed, failed, skipped
    why: str = ""
    case: tuple = ()    # (system, file), if a test said it and not the host


class Report:
    """Prints results as they come, from several machines."""

    def __init__(self):
        self.lock = threading.Lock()
        self.results = []

    def add(self, name, kind, why="", secs=None, log=None, case=()):
        with self.lock:
            self.results.append(Result(name, kind, why, case))
            word = {"passed": "ok", "failed": "not ok", "skipped": "skip"}[kind]
            took = "%7.1f s" % secs if secs is not None else " " * 9
            print("%-6s %s  %s%s" % (word, took, name,
                                     " # " + why if kind == "skipped" else ""), flush=True)
            if kind == "failed":
                for line in why.splitlines()[:30]:
                    print("         | " + line, flush=True)
                if log:
                    print("         | log: " + os.path.relpath(log, TOP), flush=True)

    def say(self, text):
        with self.lock:
            print("# " + text, flush=True)

    def count(self, kind):
        return sum(r.kind == kind for r in self.results)


def several(file, words):
    """Names of systems; 'usual' and 'boards' stand for several, 'none' for a test not
    seen to pass yet."""
    names = tuple(s for w in words.replace(",", " ").split() for s in
                  {"usual": DEFAULT, "boards": BOARDS, "none": ()}.get(w, (w,)))
    unknown = set(names) - set(SYSTEMS)
    if unknown:
        sys.exit(f"error: {file}: unknown systems {' '.join(unknown)}")
    return names


def read_header(file):
    """'# key: value' lines at the top of a test file."""
    t = Test(file)
    with open(os.path.join(HERE, "tests", file), encoding="utf-8") as f:
        for line in f:
            if not line.startswith("#") and line.strip():
                break
            m = re.match(r"#\s*(systems|also|timeout|cpus|mem|group|ports|qemu|needs):\s*(.+?)\s*$", line)
            if not m:
                continue
            key, value = m.groups()
            if key in ("systems", "also"):
                setattr(t, key, several(file, value))
                if key == "systems" and "usual" not in value:
                    t.also = ()
            elif key in ("group", "qemu", "needs"):
                setattr(t, key, value)
            else:
                setattr(t, key, int(value))
    if os.environ.get("LONG") or os.environ.get("EIP93_SOAK"):
        t.timeout *= LONG_TIMES
    return t


def all_tests():
    d = os.path.join(HERE, "tests")
    files = sorted(f for f in os.listdir(d) if f.endswith((".sh", ".py")))
    return [read_header(f) for f in files]


def chosen(o, system):
    """The test files that are wanted on a system"""
    some = o.pattern or o.s
    return [t for t in all_tests()
            if system in t.systems + (t.also if some else ()) and
            matches(o.pattern, f"{system}/{t.name}")]


def matches(pattern, name):
    if not pattern or fnmatch.fnmatchcase(name, pattern):
        return True
    try:
        return re.search(pattern, name) is not None
    except re.error:
        return False


def made_by(script, system):
    """The directory that a script of vm/ makes and prints, or None."""
    r = subprocess.run([os.path.join(HERE, "vm", script), system],
                       stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, check=False)
    return None if r.returncode else r.stdout.strip()


def prepare(system, needs=()):
    """The share of a system's machines: tests, library, built modules, and what
    the scripts of vm/ make that tests need beside: where one fails, its test will.
    Returns its path, or None where the modules do not build."""
    share = os.path.join(BUILD, "share-" + system)
    modules = made_by("modules", system)
    more = {n: made_by(n, system) for n in needs}
    if not modules:
        return None
    shutil.rmtree(share, ignore_errors=True)
    os.makedirs(share)
    shutil.copytree(HERE, os.path.join(share, "selftests"), symlinks=True,
                    ignore=shutil.ignore_patterns("__pycache__", "*.o", "*.ko", "*.cmd"))
    shutil.copytree(modules, os.path.join(share, "modules"))
    for name in ("strongswan-conf", "tools"):
        if os.path.isdir(os.path.join(TOP, name)):
            shutil.copytree(os.path.join(TOP, name), os.path.join(share, name))
    for name, directory in more.items():
        if directory:
            shutil.copytree(directory, os.path.join(share, name), symlinks=True)
    for key, value in (("system", system), ("slow", SLOW.get(system, 1))):
        with open(os.path.join(share, key), "w", encoding="ascii") as f:
            f.write(f"{value}\n")
    with open(os.path.join(share, "env"), "w", encoding="ascii") as f:
        for key in PASSED_ON:
            if os.environ.get(key):
                f.write(f"export {key}={shlex.quote(os.environ[key])}\n")
    return share


class LogReader:
    """Follows what guest-run.sh prints and turns it into results."""

    def __init__(self, report, system, path):
        self.report, self.system, self.path = report, system, path
        self.pos, self.rest = 0, ""
        self.current, self.done = None, []
        self.windows = []       # [test, begin, end] in seconds of the day's clock
        self.broken = False
        self.lines, self.n, self.plan, self.failed = [], 0, None, 0
        self.pending, self.last = None, 0.0

    def poll(self):
        try:
            with open(self.path, "rb") as f:
                f.seek(self.pos)
                data = f.read()
        except OSError:
            return
        self.pos += len(data)
        *lines, self.rest = (self.rest + data.decode("utf-8", "replace")).split("\n")
        for line in lines:
            self.line(line)

    def name(self, text):
        return f"{self.system}/{self.current}: {text}"

    def flush(self):
        """Give the last test point, with the comments that followed it."""
        if not self.pending:
            return
        bad, what, why, secs = self.pending
        self.pending = None
        if bad:
            self.report.add(self.name(what), "failed", "\n".join(self.lines), secs, self.path,
                            (self.system, self.current))
            self.failed += 1
        elif why is not None:
            self.report.add(self.name(what), "skipped", why, secs)
        else:
            self.report.add(self.name(what), "passed", secs=secs)
        self.lines = []

    def line(self, line):
        m = re.match(r"## (begin|end|reset failed) (\S+) ?(\S*)", line)
        if m:
            getattr(self, m.group(1).replace(" ", "_"))(m.group(2), m.group(3))
            return
        if self.current is None:
            return
        m = re.match(r"(not )?ok\s+(\d+)?[\s-]*(.*)", line)
        if m:
            self.flush()
            self.lines = []
            now = time.monotonic()
            what, _, directive = m.group(3).partition(" # ")
            skip = re.match(r"SKIP\b\s*(.*)", directive, re.I)
            self.n += 1
            self.pending = (bool(m.group(1)), what, skip.group(1) if skip else None,
                            now - self.last)
            self.last = now
        elif re.match(r"1\.\.\d+", line):
            self.flush()
            self.plan = int(line[3:].split()[0])
        elif line.startswith("#"):
            self.lines.append(line[1:].strip())
        else:
            self.lines.append(line)

    def begin(self, name, _):
        self.current, self.last = name, time.monotonic()
        self.windows.append([name, time.time(), None])
        self.lines, self.n, self.plan, self.failed = [], 0, None, 0

    def end(self, name, status):
        self.flush()
        why = None
        if status in ("124", "137"):
            why = "it took too long"
        elif self.plan is None:
            why = f"no plan: it ended early, with status {status}"
        elif self.plan != self.n:
            why = f"the plan says {self.plan}, {self.n} came"
        elif status != "0" and not self.failed:
            why = f"status {status}, and nothing failed"
        elif self.n == 0:
            why = "it tested nothing"
        if why:
            why += "".join("\n" + x for x in self.lines[-15:])
            self.report.add(self.name("comes to its end"), "failed", why, log=self.path)
        self.done.append(name)
        self.windows[-1][2] = time.time()
        self.current = None

    def where(self, when):
        """Which test ran when a packet was captured, as well as clocks agree."""
        for name, begin, end in reversed(self.windows):
            if when >= begin - 0.2:
                return ("in " if not end or when <= end else "after ") + name + ": "
        return ""

    def reset_failed(self, name, _):
        self.broken = True
        self.current = name
        self.report.add(self.name("leaves the machine as it was"), "failed",
                        f"see out/{name}/reset.log", log=self.path)
        self.current = None

    def died(self, why):
        """The machine is gone while a test ran."""
        self.flush()
        if self.current:
            tail = "".join("\n" + x for x in self.lines[-15:])
            self.report.add(self.name("comes to its end"), "failed", why + tail, log=self.path)
            self.done.append(self.current)
            self.current = None


def run_machine(report, system, group, tests, share, number, clock):
    """Boot once, run tests until all are done or the machine dies; return those
    that were not run."""
    top = os.path.join(BUILD, f"{system}-{group}" + (f".{number}" if number else ""))
    shutil.rmtree(top, ignore_errors=True)
    out = os.path.join(top, "out")
    os.makedirs(out)
    slow = SLOW.get(system, 1)
    with open(os.path.join(out, "tests"), "w", encoding="ascii") as f:
        for t in tests:
            f.write(f"{t.file} {t.timeout * slow}\n")
    with open(os.path.join(out, "cmd"), "w", encoding="ascii") as f:
        f.write("exec sh /share/selftests/lib/guest-run.sh\n")
    m = boot.Machine(system, share, out, cpus=max(t.cpus for t in tests),
                     mem=max([MEM.get(system, 0)] + [t.mem for t in tests]),
                     timeout=sum((t.timeout + 35) * slow for t in tests) + BOOT_SECONDS * slow,
                     ports=max(t.ports for t in tests),
                     more=tuple(" ".join(t.qemu for t in tests).split()))
    reader = LogReader(report, system, os.path.join(out, "log"))
    with boot.Running(m) as r:
        while r.poll():
            reader.poll()
            time.sleep(0.1)
        secs = time.monotonic() - r.start
    reader.poll()
    why = ("the machine was stopped, it took too long" if r.timed_out else
           "the machine ended, see console.log")
    reader.died(why)
    if not any(os.environ.get(k) for k in PASSED_ON):
        clock.took({f"{system}/{name}": round(end - begin)
                    for name, begin, end in reader.windows if end})
    label = f"{system}/{group}"
    if r.status() is None:
        tail = boot.read(boot.console(m)).splitlines()[-12:]
        if not reader.done and not reader.broken:
            tail += boot.read(boot.host_file(m, "qemu.log")).splitlines()
        report.add(f"{label}: the machine comes to its end", "failed",
                   "\n".join([why] + tail), log=boot.console(m))
    report.say(f"{label}: machine ran for {secs:.1f} s, "
               f"{len(reader.done)} of {len(tests)} test files")
    left = [t for t in tests if t.name not in reader.done]
    if left and not reader.done and not reader.broken:
        # it did not get to the first: it will not the next time either
        report.add(f"{system}/{left[0].name}: starts", "failed", why, log=boot.console(m))
        left = left[1:]
    host_checks(report, label, m, reader.where)
    return left


def allowed():
    with open(os.path.join(HERE, "splats.allow"), encoding="utf-8") as f:
        return [re.compile(x.strip()) for x in f if x.strip() and not x.startswith("#")]


def splats(m):
    """Suspicious lines of the kernel's log, each with the test it was in.  An
    allowed warning covers the registers and the trace that come with it."""
    ok, found, where, covered = allowed(), [], "boot", False
    text = boot.read(boot.console(m)) + "\n" + boot.read(os.path.join(m.out, "kmemleak"))
    for line in text.splitlines():
        mark = re.search(r"selftest: (begin|end) (\S+)", line)
        if mark:
            where = ("in " if mark.group(1) == "begin" else "after ") + mark.group(2)
            covered = False
        elif "---[ end trace" in line:
            covered = False
        elif SPLAT.search(line) and not covered:
            line = f"{where}: {line.strip()}"
            if any(a.search(line) for a in ok):
                covered = "WARNING:" in line
            else:
                found.append(line)
    return found


def host_checks(report, label, m, where):
    """What is looked at from outside, in the same way for all tests."""
    start = time.monotonic()
    found = splats(m)
    report.add(f"{label}: no splat in the kernel's log", "failed" if found else "passed",
               "\n".join(found), time.monotonic() - start, boot.console(m))

    start = time.monotonic()
    pcaps = [boot.pcap(m, n) for n in ("va", "ea", "wan")]
    pcaps = [p for p in pcaps if os.path.exists(p)]
    bad, seen = wire.clear(pcaps, where)
    if bad:
        bad = [f"{len(bad)} packets"] + bad[:20] + ["captures: " + " ".join(
            os.path.relpath(p, TOP) for p in pcaps)]
    report.add(f"{label}: nothing in clear on the wire", "failed" if bad else "passed",
               "\n".join(bad), time.monotonic() - start, boot.console(m))
    report.say(f"{label}: on the wire: " + ", ".join(
        f"{v} {k}" for k, v in sorted(seen.items())))

    table = os.path.join(m.out, "esp_sa")
    if not os.path.exists(table) or not seen["esp"]:
        return
    start = time.monotonic()
    bad, n = wire.decrypt(table, pcaps)
    report.add(f"{label}: tshark decrypts all and finds every ICV right",
               "failed" if bad else "passed" if n else "skipped",
               "\n".join(bad[:20]) or "no packet of a listed SA",
               time.monotonic() - start, table)
    if n:
        report.say(f"{label}: {n} packets decrypted")


def usual(system, tests, clock):
    """Seconds that a machine is expected to run for."""
    slow = SLOW.get(system, 1)
    return BOOT_SECONDS * slow / 5 + sum(
        clock.usual(f"{system}/{t.name}", t.timeout * slow) for t in tests)


def run_group(report, system, group, tests, share, clock):
    number = 0
    while tests:
        if clock.over(1 - clocks.SECOND_PART, usual(system, tests, clock)):
            out_of_time(report, system, tests, "not begun", clock)
            return
        tests = run_machine(report, system, group, tests, share, number, clock)
        number += 1


def out_of_time(report, system, tests, what, clock):
    clock.left_out(f"{system}/{t.name}" for t in tests)
    for t in tests:
        report.add(f"{system}/{t.name}", "skipped",
                   f"{what} when the time was over (--minutes); what is made is kept")


def jobs(report, o, systems, workers, clock):
    """All groups of all systems, so many machines at a time.  Returns the shares."""
    work = collections.defaultdict(list)
    for s in systems:
        for t in chosen(o, s):
            work[s, t.group].append(t)
    shares = {}
    for s in systems:
        if any(k[0] == s for k in work):
            if clock.over(0.5):
                shares[s] = None
                out_of_time(report, s, sum((work[k] for k in work if k[0] == s), []),
                            "its kernel and root were not made", clock)
                continue
            start = time.monotonic()
            shares[s] = prepare(s, sorted({n for k in work if k[0] == s
                                           for t in work[k] for n in t.needs.split()}))
            if shares[s]:
                boot.accelerator(s)
                report.say(f"{s}: image and modules ready, {time.monotonic() - start:.1f} s")
            else:
                report.add(f"{s}/build: image and modules are made", "failed",
                           "see above")
    order = sorted((k for k in work if shares[k[0]]), key=lambda k: -usual(k[0], work[k], clock))
    late = [k for k in order if any(f"{k[0]}/{t.name}" in clock.left for t in work[k])]
    queues = collections.deque(late), collections.deque(k for k in order if k not in late)

    def take(from_the_longest):
        for todo in queues:
            while True:
                try:
                    system, group = todo.popleft() if from_the_longest else todo.pop()
                except IndexError:
                    break
                run_group(report, system, group, work[system, group], shares[system], clock)

    # Two that are slow do not disturb each other, the end is not one machine alone, and
    # what does not fit in is neither all that is short nor all that is long.
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        for f in [pool.submit(take, n == 0) for n in range(workers)]:
            f.result()
    return shares


def second_run(report, shares, clock):
    """Machines share their host's CPUs, and what one test waits for another may hold up.
    So the files of cases that failed run once more, nothing beside them, and if then
    all is well that is their result; both are told.  This is not for what the host found
    (a splat, a packet in clear, an ICV), for a machine that died, or for many files."""
    failed = [r for r in report.results if r.kind == "failed" and r.case]
    files = sorted({r.case for r in failed})
    if not files or len(files) > SECOND_RUNS:
        return []
    tests, steady = {t.name: t for t in all_tests()}, []
    for system, name in files:
        if clock.over(need=usual(system, [tests[name]], clock)):
            report.say(f"{system}/{name}: no time for a second run")
            continue
        report.say(f"{system}/{name}: second run, alone")
        again = Report()
        again.lock = report.lock
        left = run_machine(again, system, name + ".again", [tests[name]], shares[system], 0,
                           clock)
        if not left and again.count("passed") and not again.count("failed"):
            steady += [r for r in failed if r.case == (system, name)]
    for r in steady:
        r.kind = "passed"
    return steady


def missing_tools():
    need = {"mmdebstrap": "mmdebstrap", boot.PC.program: "qemu-system-x86", "tshark": "tshark",
            "mke2fs": "e2fsprogs", "unshare": "util-linux", "flock": "util-linux"}
    return [(t, p) for t, p in need.items() if not shutil.which(
        t, path=os.environ["PATH"] + ":/usr/sbin:/sbin")]


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    p.add_argument("pattern", nargs="?", default="")
    p.add_argument("-j", type=int, default=int(os.environ.get("JOBS") or 0),
                   help="machines at a time")
    p.add_argument("-s", action="append", choices=SYSTEMS, help="only these systems")
    p.add_argument("-l", action="store_true", help="list the tests")
    p.add_argument("--minutes", type=float, default=0,
                   help="skip what cannot be begun in that time (default: no limit)")
    p.add_argument("--once", action="store_true", help="no second run of what failed")
    p.add_argument("--share", choices=SYSTEMS, metavar="SYSTEM",
                   help="make what that system's machines see as /share, and print where")
    o = p.parse_args()
    if o.share:
        print(prepare(o.share) or "")
        return 0
    systems = o.s or SYSTEMS
    if o.l:
        for s in systems:
            for t in chosen(o, s):
                print(f"{s}/{t.name}")
        return 0
    lost = missing_tools()
    if lost:
        sys.exit("error: missing: " + " ".join(t for t, _ in lost) +
                 "; on Debian: make deps, or apt-get install " +
                 " ".join(sorted({p for _, p in lost})))
    # at once, not when all machines are done; they end with this process
    for s in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(s, lambda number, _: os._exit(128 + number))
    os.makedirs(BUILD, exist_ok=True)
    report, start = Report(), time.monotonic()
    clock = clocks.Clock(o.minutes)
    shares = jobs(report, o, systems, o.j or max(1, (os.cpu_count() or 2) // 2 + 1), clock)
    unsteady = [] if o.once else second_run(report, shares, clock)
    if unsteady:
        print("# failed beside other machines, passed alone:")
        for r in unsteady:
            print(f"#   {r.name}")
    failed = [r for r in report.results if r.kind == "failed"]
    if failed:
        print(f"# failed ({time.monotonic() - start:.0f} s):")
        for r in failed:
            print(f"#   {r.name}")
    elif not report.results:
        print(f"error: no test matches {o.pattern!r}", file=sys.stderr)
    else:
        print(f"# {time.monotonic() - start:.0f} s")
    print(f"{report.count('passed')} passed, {len(failed)} failed, "
          f"{report.count('skipped')} skipped", flush=True)
    return 1 if failed or not report.count("passed") else 0


if __name__ == "__main__":
    sys.exit(main())
