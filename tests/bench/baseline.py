"""What may not be lost: the ratios of an accepted run, in baseline.txt, and the rule by which a later run is worse."""
import os

FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "baseline.txt")


def read():
    known = {}
    if os.path.exists(FILE):
        for line in open(FILE):
            if line.strip() and not line.startswith("#"):
                name, ratio, spread = line.split()[:3]
                known[name] = (float(ratio), float(spread))
    return known


def comparable(rows):
    return [row for row in rows if row.reference != "-"]


def worse(rows):
    """Ratios worse than the accepted ones by more than 15 percent and by more than three times the larger spread."""
    known, out = read(), []
    for row in comparable(rows):
        if row.id not in known:
            continue
        ratio, spread = known[row.id]
        by = (ratio - row.ratio) if row.goal.startswith(">=") else (row.ratio - ratio)
        if by > 0.15 * ratio and by > 3 * max(spread, row.spread):
            out.append("%s: ratio %.3g (spread %.2g), was %.3g (spread %.2g)" % (row.id, row.ratio, row.spread, ratio, spread))
    return out


def unknown(rows):
    """Those that nothing was accepted for, so that nothing can be worse."""
    known = read()
    return [row.id for row in comparable(rows) if row.id not in known]


def accept(rows, machine):
    known = read()
    known.update((row.id, (row.ratio, row.spread)) for row in comparable(rows))
    with open(FILE, "w") as out:
        out.write("# id, ratio, spread: of tests/bench/run --accept on %s\n" % machine)
        for name, (ratio, spread) in known.items():
            out.write("%s %.4g %.3g\n" % (name, ratio, spread))
