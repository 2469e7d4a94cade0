"""Tickets issued and imported, by an organiser's own commands: time and memory of each."""

import os
import sys
import time
from pathlib import Path

from benchmarks.figures import ROOT, Figures

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
    command = [sys.executable, "-P", "-m", "cli", *map(str, words)]
    began = time.monotonic()
    child = os.posix_spawn(
        sys.executable,
        command,
        {**os.environ, "PYTHONPATH": str(ROOT)},
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
    )
    _, status, used = os.wait4(child, 0)
    if status:
        raise AssertionError(f"admit {words[0]} ended with status {status}")
    return {
        "seconds": round(time.monotonic() - began, 2),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 2),
        "peak_mb": round(used.ru_maxrss / 1024, 1),
    }
