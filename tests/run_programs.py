#!/usr/bin/env python3
"""Runs the test programs of one build folder, each in bounded time, and sums up what GoogleTest reports.

Called by tests/run. What a program leaves running is ended, by its id, and counts as a failure of that program: this process is the
one that orphans fall to (PR_SET_CHILD_SUBREAPER), so nothing escapes it by leaving its session.
"""
import argparse
import ctypes
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as xml

PR_SET_CHILD_SUBREAPER = 36

# Seconds. Real servers and real processes take their time on two busy cores.
LIMIT = {"datacenter_tests": 420, "faults_tests": 420, "simulation_tests": 1200, "gitsync_tests": 300, "local_tests": 300, "haproxy_tests": 300, "domains_tests": 300, "loop_tests": 300}
SANITIZED_FACTOR = 2

# Programs at once, on two cores. Most of a test's time is waiting; with three, four fifths of the processors are in use, and the longest program
# of all sets the time. A sanitized one computes more than it waits.
SIDE_BY_SIDE = {"default": 3}
SHARDS = {"datacenter_tests": 2}  # GoogleTest's; what waits longest is shared out

# What a sanitized flavour neither builds nor runs, and why.
REAL_PACE = "it runs the real program at its real pace; what that consists of is run here by the other programs"
ONE_THREAD = "its code runs in one thread"
LEFT_OUT = {
    "address": {"datacenter_tests": REAL_PACE, "faults_tests": REAL_PACE, "checks_tests": "it reads the sources",
                "simulation_tests": ONE_THREAD + " and no other's bytes"},
    "thread": {"datacenter_tests": REAL_PACE, "faults_tests": REAL_PACE, "cli_tests": REAL_PACE, "checks_tests": "it reads the sources",
               "model_tests": ONE_THREAD, "reconcilers_tests": ONE_THREAD, "base_tests": ONE_THREAD, "fuzz_tests": ONE_THREAD,
               "simulation_tests": ONE_THREAD},
}


def programs_of(build):
    listing = subprocess.run(["ctest", "--test-dir", build, "-N"], check=True, capture_output=True, text=True).stdout
    return [line.split(": ", 1)[1].strip() for line in listing.splitlines() if line.lstrip().startswith("Test ") and ": " in line]


def children(zombies=False):
    """(process id, command line) of what has this process as its parent: what lives, or only what has ended and was not waited for."""
    me, found = os.getpid(), []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat") as stat:
                state, parent = stat.read().rsplit(")", 1)[1].split()[:2]
            if int(parent) == me and (state == "Z") == zombies:
                with open(f"/proc/{entry}/cmdline") as cmdline:
                    found.append((int(entry), cmdline.read().replace("\0", " ").strip()))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def reap():
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                return
        except ChildProcessError:
            return


def wait_reaping(process, limit):
    """Waits for `process`, and meanwhile for orphans, as an init does: tests look whether a process is gone. None when the time is up."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        try:
            return process.wait(0.3)
        except subprocess.TimeoutExpired:
            for pid, _ in children(zombies=True):
                if pid != process.pid:
                    os.waitpid(pid, os.WNOHANG)
    return None


def end_leftovers():
    """Ends what was left running and tells what it was. A killed parent hands its children to us, hence the rounds."""
    told, grace = [], time.monotonic() + 3
    while time.monotonic() < grace and children():  # what was told to end may be about to
        time.sleep(0.05)
        reap()
    for _ in range(50):
        left = children()
        if not left:
            break
        for pid, command in left:
            told.append(command)
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
        reap()
    return told


def read_report(path):
    """(passed, [failed], [(skipped, reason)]) of GoogleTest's XML."""
    passed, failed, skipped = 0, [], []
    for case in xml.parse(path).getroot().iter("testcase"):
        name = f'{case.get("classname")}.{case.get("name")}'
        skip = case.find("skipped")
        if case.find("failure") is not None:
            failed.append(name)
        elif skip is not None:
            # "file:line\nreason": the place is of no use to who reads a summary
            reason = (skip.get("message") or "").strip().split("\n")
            skipped.append((name, " ".join(reason[1:] or reason).strip() or "no reason given"))
        elif case.get("status") == "run" and case.get("result", "completed") == "completed":
            passed += 1
    return passed, failed, skipped


def read_output(path):
    """What can still be counted of a program that ended without its report."""
    passed, failed, skipped = 0, [], []
    with open(path, errors="replace") as output:
        for line in output:
            if line.startswith("[       OK ]"):
                passed += 1
            elif line.startswith("[  FAILED  ]") and line.rstrip().endswith("ms)"):
                failed.append(line[12:].split("(")[0].strip())
            elif line.startswith("[  SKIPPED ]") and line.rstrip().endswith("ms)"):
                skipped.append((line[12:].split("(")[0].strip(), "see its output"))
    return passed, failed, skipped


def said_by(names, log):
    """What these tests printed, so that a failure can be understood where only this output is kept; without names the end of the log."""
    with open(log, errors="replace") as output:
        lines = output.readlines()
    said = []
    for name in names[:10]:
        begin = next((i for i, line in enumerate(lines) if line.rstrip() == f"[ RUN      ] {name}"), None)
        if begin is not None:
            end = next((i for i in range(begin, len(lines)) if lines[i].startswith(f"[  FAILED  ] {name}")), len(lines) - 1)
            own = lines[begin : end + 1]
            said += own if len(own) <= 120 else own[:60] + [f"({len(own) - 120} lines more)\n"] + own[-60:]
    return said or lines[-200:]


def attempt(program, build, flavour, pattern, folder, shard):
    name = f"{program}.{shard}" if shard else program
    report, log = f"{folder}/{name}.xml", f"{build}/{name}.log"
    environment = dict(os.environ)
    if shard:
        environment.update(GTEST_SHARD_INDEX=str(int(shard) - 1), GTEST_TOTAL_SHARDS=str(SHARDS[program]))
    command = [f"{build}/{program}", f"--gtest_output=xml:{report}", f"--gtest_filter={pattern}", "--gtest_color=no"]
    if flavour == "thread":  # clang 14's ThreadSanitizer cannot map its shadow where addresses are widely randomized
        command = ["setarch", "-R"] + command
    limit = LIMIT.get(program, 180) * (SANITIZED_FACTOR if flavour in ("address", "thread") else 1)
    started, trouble = time.monotonic(), []
    with open(log, "wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=environment)
        status = wait_reaping(process, limit)
        if status is None:
            process.kill()
            process.wait()
            trouble.append(f"was ended after its limit of {limit} s")
    seconds = time.monotonic() - started
    for command_line in end_leftovers():
        trouble.append(f"left running: {command_line}")
    try:
        passed, failed, skipped = read_report(report)
        if status != 0 and not failed:
            trouble.append(f"exit status {status}")
    except (FileNotFoundError, xml.ParseError):
        passed, failed, skipped = read_output(log)
        if status is not None:
            trouble.append(f"ended without a report, status {status}")
    if passed + len(failed) + len(skipped) == 0 and pattern == "*" and not trouble:
        trouble.append("has no test")
    print(f"{'ok  ' if not failed and not trouble else 'FAIL'} {name:<18} {passed:5} passed {len(failed):3} failed {len(skipped):3} skipped {seconds:7.1f} s", flush=True)
    if failed or trouble:
        print(f"---- from {log}")
        sys.stdout.write("".join(said_by([] if trouble else failed, log)))
        print("----", flush=True)
    return passed, failed, skipped, trouble


class Attempt:
    """One program, in a process of its own that is the one its orphans fall to, so that two can run side by side."""

    def __init__(self, program, pattern, options, folder, shard=""):
        self.program, self.report = program, f"{folder}/{program}{shard}.json"
        self.output = tempfile.TemporaryFile(dir=folder)
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--build", options.build, "--flavour", options.flavour, "--filter", pattern, "--alone", program,
             "--shard", shard, "--report", self.report], stdin=subprocess.DEVNULL, stdout=self.output, stderr=subprocess.STDOUT)

    def result(self):
        """What attempt() returned; its output is printed."""
        self.process.wait()
        self.output.seek(0)
        sys.stdout.write(self.output.read().decode(errors="replace"))
        sys.stdout.flush()
        try:
            with open(self.report) as report:
                return json.load(report)
        except (FileNotFoundError, ValueError):
            return 0, [], [], [f"could not be run, status {self.process.returncode}"]


def run_all(programs, options, folder):
    """Several at a time, the longest first. What failed, and only that, runs a second time afterwards, alone: a busy machine
    stretches any deadline. A second try is told, never hidden."""
    passed, failed, skipped, again, retry = 0, [], [], [], []
    parts = [(program, str(i + 1)) for program in programs for i in range(SHARDS.get(program, 0))]
    parts += [(program, "") for program in programs if program not in SHARDS]
    waiting, running = sorted(parts, key=lambda part: -LIMIT.get(part[0], 0)), []
    try:
        while waiting or running:
            while waiting and len(running) < SIDE_BY_SIDE.get(options.flavour, 2):
                program, shard = waiting.pop(0)
                running.append(Attempt(program, options.filter, options, folder, shard))
            time.sleep(0.1)
            for one in [one for one in running if one.process.poll() is not None]:
                running.remove(one)
                good, bad, out, trouble = one.result()
                passed, skipped = passed + good, skipped + [tuple(item) for item in out]
                failed += [f"{one.program} {what}" for what in trouble]
                if trouble:
                    failed += [f"{one.program}: {name}" for name in bad]
                elif bad:
                    retry.append((one.program, bad))
        for program, names in retry:
            running.append(Attempt(program, ":".join(names), options, folder))
            _, still, _, trouble = running.pop().result()
            good = [] if trouble else [name for name in names if name not in still]
            passed += len(good)
            again += [f"{program}: {name}" for name in good]
            failed += [f"{program}: {name}" for name in names if name not in good] + [f"{program} {what}" for what in trouble]
    finally:
        for one in running:
            one.process.terminate()
        for one in running:
            one.process.wait()
    return passed, failed, skipped, again


def main():
    arguments = argparse.ArgumentParser()
    for name in ("--build", "--flavour", "--only", "--alone", "--shard", "--report"):
        arguments.add_argument(name, default="")
    arguments.add_argument("--filter", default="*")
    arguments.add_argument("--targets", action="store_true")
    options = arguments.parse_args()
    if options.targets:  # what to build for it
        print("nelson", *[program for program in programs_of(options.build) if program not in LEFT_OUT.get(options.flavour, {})])
        return 0
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    os.environ.setdefault("ASAN_OPTIONS", "detect_leaks=1:abort_on_error=0:detect_stack_use_after_return=0")
    os.environ.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
    suppressions = os.path.abspath("tests/tsan.supp")
    os.environ.setdefault("TSAN_OPTIONS", f"suppressions={suppressions}:halt_on_error=0")
    try:
        with tempfile.TemporaryDirectory() as folder:
            if options.alone:
                result = attempt(options.alone, options.build, options.flavour, options.filter, folder, options.shard)
                with open(options.report, "w") as report:
                    json.dump(result, report)
                return 0
            programs = [program for program in programs_of(options.build) if options.only in ("", program)]
            left_out = {} if options.only else LEFT_OUT.get(options.flavour, {})
            passed, failed, skipped, again = run_all([program for program in programs if program not in left_out], options, folder)
    finally:
        end_leftovers()
    if not programs:
        failed.append(f"no test program {options.only!r} in {options.build}")
    skipped += [(program, f"not in the {options.flavour} flavour: {reason}") for program, reason in left_out.items()]
    for name, reason in skipped:
        print(f"skipped: {name}: {reason}")
    for name in again:
        print(f"passed only at the second try: {name}")
    for what in failed:
        print(f"failed: {what}")
    print(f"{passed} passed, {len(failed)} failed, {len(skipped)} skipped", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
