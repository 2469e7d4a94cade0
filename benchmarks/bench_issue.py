"""Tickets issued and imported, by an organiser's own commands: time and memory of each."""

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.figures import ROOT, Figures, peak_mb
from cli.__main__ import main as admit

SIZES = (1_000, 100_000)
"""Tickets of a small event and of a large one."""
NAMES = ("Zoë Müller", "Ελένη Παπαδοπούλου", "Юлия Щукина", "Đặng Thị Hương", "Ada Lovelace")


def measure(directory: Path, sizes: tuple[int, int] = SIZES) -> Figures:
    """Issue and import a CSV file of each size; a file for each ticket of the small one alone."""
    _admit("keys", "new", "--out", directory / "keys", "--event", "BENCH")
    found: Figures = {}
    for name, size in zip(("few", "many"), sizes, strict=True):
        csv = directory / f"{size}.csv"
        csv.write_text("id,name\n" + "".join(_row(number) for number in range(size)), "utf-8")
        issue = ("issue", csv, "--keys", directory / "keys", "--out", directory / f"out-{size}")
        figures: Figures = {"book": _admit(*issue, "--make", "book", "--paper", "a4")}
        if name == "few":
            figures["each"] = _admit(*issue, "--make", "png", "--make", "pdf")
        figures["import"] = _imported(directory, csv)
        found[name] = figures | {"tickets": size}
    return found


def _row(number: int) -> str:
    return f"T-{number:06d},{NAMES[number % len(NAMES)]}\n"


def _imported(directory: Path, csv: Path) -> Figures:
    where = ("--db", f"sqlite:///{csv.with_suffix('.db')}", "--keys", directory / "keys")
    _admit("central", "init", *where)
    return _admit("central", "import", csv, *where)


def _admit(*words: object) -> Figures:
    """Run one command; its wall-clock time, its processor time and the most memory it had."""
    command = [sys.executable, "-P", "-m", "benchmarks.bench_issue", *map(str, words)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    began = time.monotonic()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    took = time.monotonic() - began
    if done.returncode:
        raise AssertionError(f"admit {words[0]} ended with {done.returncode}: {done.stderr}")
    found: Figures = json.loads(done.stdout.splitlines()[-1])
    return {"seconds": round(took, 2)} | found


def main() -> None:
    """Be `admit` with these words, then say what it took: a child's rusage has its parent's."""
    try:
        admit()
    except SystemExit as end:
        if end.code:
            raise
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = round(used.ru_utime + used.ru_stime, 2)
    sys.stdout.write(json.dumps({"cpu_seconds": cpu, "peak_mb": peak_mb()}) + "\n")


if __name__ == "__main__":
    main()
