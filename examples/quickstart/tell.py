"""Reads what nelson says as JSON, and counts the record that load.py writes.

  tell.py stack UNIT VERSION           the name of the living stack of that version
  tell.py field STACK NAME             one field of what /v1/status says of it: percent, status, arrived, wanted, ...
  tell.py healthy STACK                how many of its instances are healthy
  tell.py troubles                     what is wrong, a line each; exit 1 when something is
  tell.py pids RECORD STACK SINCE      process ids of that stack that answered since then
  tell.py share RECORD STACK FROM TO   "PERCENT COUNT": its share of the answers between the two instants, and their number
  tell.py count RECORD SINCE           how many answers there were
  tell.py failures RECORD              those that failed, a line each
  tell.py diff FILE EFFECT STACK       whether `nelson diff -o json` foretold that effect on that stack, now or later

Exit 1: there is no such thing. Instants are seconds since the epoch. NELSON names the program.
"""
import json
import os
import re
import subprocess
import sys


def status():
    ran = subprocess.run([os.environ["NELSON"], "status", "-o", "json"], capture_output=True, text=True, check=False)
    if not ran.stdout.startswith("{"):
        sys.exit(ran.stderr.strip() or "nelson status says nothing")
    return json.loads(ran.stdout)


def stacks():
    return [stack | {"unit": service["unit"]} for service in status()["services"] for stack in service["stacks"]]


def stack_named(name):
    for stack in stacks():
        if stack["stack"] == name:
            return stack
    sys.exit(f"no stack {name}")


def answers(path, since=0.0, until=float("inf")):
    """(seconds, status, body) of the whole lines of a record."""
    with open(path) as record:
        for line in record:
            if not line.endswith("\n"):
                return
            seconds, code, body = line.rstrip("\n").split(" ", 2)
            if since <= float(seconds) <= until:
                yield float(seconds), int(code), body


def value_in(body, name):
    found = re.search(rf"\b{name}=(\S+)", body)
    return found.group(1) if found else ""


def tell_stack(unit, version):
    for stack in stacks():
        if (stack["unit"], stack["version"]) == (unit, version):
            return stack["stack"]
    sys.exit(f"no stack of {unit} {version}")


def tell_field(name, field):
    value = stack_named(name).get(field)
    return json.dumps(value) if isinstance(value, (bool, type(None))) else str(value)


def tell_healthy(name):
    return str(stack_named(name)["instances"]["healthy"])


def tell_troubles():
    found = [f'{one["what"]}: {one["cause"]}; {one["way_out"]}' for one in status()["trouble"] if one["level"] == "error"]
    if found:
        print("\n".join(found))
        sys.exit(1)
    return "nothing is wrong"


def tell_pids(path, name, since):
    pids = {value_in(body, "pid") for _, _, body in answers(path, float(since)) if value_in(body, "stack") == name}
    return " ".join(sorted(pids, key=int))


def tell_share(path, name, since, until):
    bodies = [body for _, code, body in answers(path, float(since), float(until)) if code == 200]
    mine = sum(value_in(body, "stack") == name for body in bodies)
    return f"{100 * mine / max(1, len(bodies)):.1f} {len(bodies)}"


def tell_count(path, since):
    return str(sum(1 for _ in answers(path, float(since))))


def tell_failures(path):
    return "\n".join(f"{seconds} {code} {body}" for seconds, code, body in answers(path) if code != 200)


def tell_diff(path, effect, name):
    with open(path) as file:
        text = json.load(file)
    found = []

    def walk(value):
        if isinstance(value, dict):
            if value.get("effect") == effect:
                found.append(json.dumps(value))
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    walk(text)
    if not any(name in one for one in found):
        sys.exit(f"{path} foretells no {effect} of {name}")
    return "foretold"


TELL = {
    "stack": tell_stack,
    "field": tell_field,
    "healthy": tell_healthy,
    "troubles": tell_troubles,
    "pids": tell_pids,
    "share": tell_share,
    "count": tell_count,
    "failures": tell_failures,
    "diff": tell_diff,
}

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in TELL:
        sys.exit(__doc__)
    text = TELL[sys.argv[1]](*sys.argv[2:])
    if text:
        print(text)
