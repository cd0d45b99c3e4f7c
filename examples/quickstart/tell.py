"""Reads what nelson says as JSON, and counts the record that load.py writes.

  tell.py stack UNIT VERSION           the name of the living stack of that version
  tell.py field STACK NAME             one field of what /v1/status says of it: percent, status, arrived, wanted, ...
  tell.py healthy STACK                how many of its instances are healthy
  tell.py recorded FOLDER STACK        its share as the domain itself keeps it, whether a controller runs or not
  tell.py pids RECORD STACK SINCE      process ids of that stack that answered since then
  tell.py share RECORD STACK FROM TO   "PERCENT COUNT": its share of the answers between the two instants, and their number
  tell.py count RECORD SINCE           how many answers there were
  tell.py failures RECORD              those that failed, a line each
  tell.py diff FILE EFFECT STACK       whether `nelson diff -o json` foretold that effect on that stack, now or later

Exit 1: there is no such thing. Instants are seconds since the epoch. NELSON names the program.
"""
import json
import os
import pathlib
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


def tell_recorded(folder, name):
    for path in pathlib.Path(folder, "records", "traffic").glob("*.json"):
        for weight in find_all(json.loads(path.read_text()), "weights")[0]:
            if weight["stack"] == name:
                return str(weight["percent"])
    sys.exit(f"no record names {name}")


def find_all(value, key):
    """Every value under that key, however deep."""
    found = []
    if isinstance(value, dict):
        found += [value[key]] if key in value else []
        value = list(value.values())
    for inner in value if isinstance(value, list) else []:
        found += find_all(inner, key)
    return found


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
    if not any(one["effect"] == effect and name in json.dumps(one) for one in with_key(text, "effect")):
        sys.exit(f"{path} foretells no {effect} of {name}")
    return f"nelson diff had foretold the {effect} of {name}"


def with_key(value, key):
    """Every object that has the key, however deep."""
    found = [value] if isinstance(value, dict) and key in value else []
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else []:
        found += with_key(inner, key)
    return found


TELL = {
    "stack": tell_stack,
    "field": tell_field,
    "healthy": tell_healthy,
    "recorded": tell_recorded,
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
