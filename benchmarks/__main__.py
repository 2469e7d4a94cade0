"""`make bench`: run every measurement, write the figures as JSON, print them beside the targets.

`--only NAME` runs one; `--quick` proves that all of them run, its figures mean nothing;
`--ten-million` adds a list of that size; `--page FILE` renders the figures into a page.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import (
    bench_admission,
    bench_decode,
    bench_issue,
    bench_lists,
    bench_passages,
    bench_processes,
    bench_screen,
    bench_sync,
    bench_verify,
)
from benchmarks.figures import ROOT, Figures, machine, storage_probe
from benchmarks.report import render, table

OUTPUT = ROOT / "build" / "bench.json"
TEN_MILLION = 10_000_000

Measure = Callable[[Path], Mapping[str, object]]


def measurements(quick: bool, ten_million: bool) -> dict[str, Measure]:
    """Every measurement by name; each gets an empty directory on the storage to be measured."""
    rounds = 20 if quick else None
    sizes = [100, 1000] if quick else [bench_lists.SMALL, bench_lists.LARGE]
    sizes += [TEN_MILLION] if ten_million else []
    rows, records = (500, 100) if quick else (bench_lists.LARGE, bench_sync.RECORDS)
    return {
        "verify": lambda _: bench_verify.measure(rounds or bench_verify.ROUNDS),
        "decode": lambda _: bench_decode.measure(rounds or 300),
        "passages": lambda path: bench_passages.measure(path, 0.02 if quick else 1.0),
        "admission": lambda path: bench_admission.measure(path, rounds or bench_admission.ROUNDS),
        "admission_sd_model": lambda path: bench_admission.measure_on_model(path, rounds or 500),
        "processes": lambda path: bench_processes.measure(path, rounds or bench_processes.ROUNDS),
        "sizes": lambda path: bench_lists.measure_sizes(path, sizes, rounds or bench_lists.ROUNDS),
        "load": lambda path: bench_lists.measure_load(path, rows, 1 if quick else 5),
        "issue": lambda path: bench_issue.measure(path, (20, 50) if quick else bench_issue.SIZES),
        "screen": lambda path: bench_screen.measure(path, 3 if quick else bench_screen.ROUNDS),
        "sync_and_start": lambda path: bench_sync.measure(path, rows, records),
    }


def run(wanted: Mapping[str, Measure], directory: Path) -> Figures:
    """Run the measurements one after the other in `directory`; returns all figures."""
    figures: Figures = {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": machine(),
        "storage": storage_probe(directory),
    }
    for name, measure in wanted.items():
        sys.stderr.write(f"{name} ...\n")
        (directory / name).mkdir()
        figures[name] = measure(directory / name)
    return figures


def main() -> int:
    """Read the command line, measure, write, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--output", type=Path, default=OUTPUT, help=f"default: {OUTPUT.name}")
    parser.add_argument("--directory", type=Path, help="on the storage to be measured")
    parser.add_argument("--page", type=Path, help="page whose figures are to be replaced")
    parser.add_argument("--only", help="one measurement, by its name in the JSON")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--ten-million", action="store_true")
    given = parser.parse_args()
    wanted = measurements(given.quick, given.ten_million)
    if given.only:
        if given.only not in wanted:
            parser.error(f"there is no {given.only!r}; there are {', '.join(wanted)}")
        wanted = {given.only: wanted[given.only]}
    given.output.parent.mkdir(parents=True, exist_ok=True)
    storage = given.directory or given.output.parent
    with TemporaryDirectory(prefix="bench-", dir=storage) as directory:
        figures = run(wanted, Path(directory))
    given.output.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    if given.page:
        given.page.write_text(render(given.page.read_text("utf-8"), figures), "utf-8")
    sys.stdout.write(table(figures) + f"\nAll figures: {given.output}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
