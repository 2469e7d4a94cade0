"""Whole admissions over lists of different sizes, and while a million rows are loaded.

Sizes take turns within one run. A load is what sync does with a new list (rows to a list file,
in a process of its own) and what scanner does then (a child at low priority copies the rows).
"""

import argparse
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from hashlib import blake2b
from pathlib import Path

from benchmarks.figures import ROOT, Figures, peak_mb, ratio, summary
from benchmarks.gate import TimedGate, make_list
from benchmarks.tickets import code, write_rows
from store.listfile import build_list
from tickets.rows import ROW_BYTES

SMALL = 10_000
LARGE = 1_000_000
ROUNDS = 1000
SIZE_TARGET = 1.2
"""Most that an admission with the largest list may cost, in admissions with the smallest."""
LOAD_TARGET = 2.0
"""Most that the p99 during a load may be, in p99s of an idle gate."""
EVERY = 0.02
"""Seconds between two admissions while a list is loaded: many times as often as a lane admits."""
LOADS = 5


def measure_sizes(directory: Path, sizes: list[int], rounds: int = ROUNDS) -> Figures:
    """Time admissions over lists of several `sizes`, in turns, the tickets spread over the list."""
    presented = range(rounds)
    gates = {}
    for size in sizes:
        listed = make_list(directory / str(size), 1, max(size, rounds), presented)
        gates[size] = TimedGate(directory / str(size) / "gate", listed)
    times: dict[int, list[float]] = {size: [] for size in sizes}
    for number in presented:
        payload = code(number)
        for size in random.sample(sizes, len(sizes)):  # none always follows the same other
            times[size].append(gates[size].admit(payload).seconds)
            gates[size].walk()
    for gate in gates.values():
        gate.close()
    found = {size: summary(times[size]) for size in sizes}
    return {
        "admission_ms": {str(size): found[size] for size in sizes},
        "ratio_p50": {str(size): ratio(found[size], found[sizes[0]]) for size in sizes[1:]},
        "ratio_p99": {str(size): ratio(found[size], found[sizes[0]], "p99") for size in sizes[1:]},
        "target": SIZE_TARGET,
    }


def measure_load(directory: Path, rows: int = LARGE, loads: int = LOADS) -> Figures:
    """Time admissions while lists of `rows` are loaded and copied, and as long without."""
    wanted = range(20_000)
    gate = TimedGate(directory / "gate", make_list(directory, 1, SMALL + len(wanted), wanted))
    numbers = iter(wanted)
    packed = directory / "rows"
    write_rows(packed, rows, range(0))
    idle: list[float] = []
    busy: list[float] = []
    loaded: list[Figures] = []
    for serial in range(2, 2 + loads):
        began = time.monotonic()
        with _loading(directory, serial, packed) as (running, figures):
            busy += _admit_while(gate, numbers, running)
        took = time.monotonic() - began
        loaded.append(figures)
        idle += _admit_while(gate, numbers, partial(_before, time.monotonic() + took))
    gate.close()
    during, alone = summary(busy), summary(idle)
    return {
        "rows": rows,
        "rows_per_second": round(max(float(str(load["rows_per_second"])) for load in loaded)),
        "loader_peak_mb": max(float(str(load["peak_mb"])) for load in loaded),
        "admission_every_ms": 1000 * EVERY,
        "idle_ms": alone,
        "loading_ms": during,
        "ratio_p50": ratio(during, alone),
        "ratio_p99": ratio(during, alone, "p99"),
        "target": LOAD_TARGET,
    }


def _before(end: float) -> bool:
    return time.monotonic() < end


def _admit_while(
    gate: TimedGate, numbers: Iterator[int], goes_on: Callable[[], bool]
) -> list[float]:
    """Admissions `EVERY` seconds as long as it `goes_on`; seconds of each."""
    times = []
    due = time.monotonic()
    while goes_on():
        payload = code(next(numbers))
        due = max(due + EVERY, time.monotonic())
        time.sleep(max(0.0, due - time.monotonic()))
        times.append(gate.admit(payload).seconds)
        gate.walk()
    return times


@contextmanager
def _loading(
    directory: Path, serial: int, rows: Path
) -> Iterator[tuple[Callable[[], bool], Figures]]:
    """A loader at work: (is it still?, what it says in the end)."""
    command = [sys.executable, "-m", "benchmarks.bench_lists", str(directory), str(serial)]
    loader = subprocess.Popen([*command, str(rows)], stdout=subprocess.PIPE, cwd=ROOT)
    figures: Figures = {}
    yield (lambda: loader.poll() is None), figures
    output, _ = loader.communicate()
    if loader.returncode:
        raise AssertionError(f"the loader ended with code {loader.returncode}")
    figures |= json.loads(output)


def main() -> None:
    """The loader: build list SERIAL in DIRECTORY from ROWS, then have it copied; print JSON."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("serial", type=int)
    parser.add_argument("rows", type=Path)
    given = parser.parse_args()
    began = time.monotonic()
    with given.rows.open("rb") as rows:
        path = build_list(given.directory, given.serial, rows, in_use=1)
    took = time.monotonic() - began
    listed = given.rows.stat().st_size // ROW_BYTES
    json.dump({"rows_per_second": listed / took, "peak_mb": peak_mb()}, sys.stdout)
    signed = blake2b(given.rows.read_bytes(), digest_size=32).hexdigest()
    own = given.directory / "own"
    own.mkdir(exist_ok=True)
    copying = ["nice", "-n", "19", sys.executable, "-P", "-m", "store.listfile", "copy", str(path)]
    subprocess.run(
        [*copying, str(own), str(given.serial), str(listed), signed],
        check=True,
        stdout=subprocess.DEVNULL,
    )


if __name__ == "__main__":
    main()
