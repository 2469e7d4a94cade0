"""A sighting until the turnstile is released, beside verify + look-up + commit bare.

Both take turns within one run, on one storage. Target: our own code costs at most a quarter more.
"""

import argparse
import json
import random
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import sd_model
from benchmarks.figures import ROOT, Figures, ratio, storage_probe, summary
from benchmarks.gate import Bare, TimedGate, make_list
from benchmarks.tickets import code

ROUNDS = 2000
LISTED = 10_000
TARGET = 1.25
"""Most that a whole admission may cost, in bare ones."""
WARM_UP = 50


def measure(directory: Path, rounds: int = ROUNDS) -> Figures:
    """Time `rounds` admissions both ways.

    Args:
        directory: An empty one, on the storage that is to be measured.
    """
    presented = range(rounds + WARM_UP)
    gate = TimedGate(
        directory / "gate", make_list(directory, 1, LISTED + len(presented), presented)
    )
    bare = Bare(directory, 1)
    ours, theirs, passages = [], [], []
    try:
        for number in presented:
            payload = code(number)
            admit_barely = bare.prepare(number, payload)
            first_bare = random.random() < 0.5
            if first_bare:
                theirs.append(admit_barely())
            ours.append(gate.admit(payload))
            passages.append(gate.walk())
            if not first_bare:
                theirs.append(admit_barely())
    finally:
        gate.close()
        bare.close()
    admission = summary([spent.seconds for spent in ours[WARM_UP:]])
    needed = summary([spent.seconds for spent in theirs[WARM_UP:]])
    return {
        "storage": storage_probe(directory),
        "admitted": gate.turnstile.releases,
        "faults": gate.faults,
        "admission_ms": admission,
        "bare_ms": needed,
        "admission_cpu_ms": summary([spent.cpu for spent in ours[WARM_UP:]]),
        "bare_cpu_ms": summary([spent.cpu for spent in theirs[WARM_UP:]]),
        "passage_recorded_ms": summary(passages[WARM_UP:]),
        "ratio_p50": ratio(admission, needed),
        "ratio_p99": ratio(admission, needed, "p99"),
        "target": TARGET,
    }


def measure_on_model(directory: Path, rounds: int) -> Figures:
    """The same on the model of a memory card; says so where there is no compiler to make it."""
    environment = sd_model.environment(directory)
    if environment is None:
        return {"not_run": "no C compiler on this computer"}
    where = ["--directory", str(directory), "--rounds", str(rounds)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.bench_admission", *where],
        env=environment,
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
    )
    measured: Figures = json.loads(done.stdout)
    return {"model": f"each fsync and fdatasync +{sd_model.EXTRA_MS} ms"} | measured


def main() -> None:
    """Measure in DIRECTORY and print JSON: a process of its own, to put the model under it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", type=Path, default=None)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    given = parser.parse_args()
    with TemporaryDirectory(prefix="bench-", dir=given.directory) as directory:
        json.dump(measure(Path(directory), given.rounds), sys.stdout, indent=1)


if __name__ == "__main__":
    main()
