"""Fuzzes every target and counts: `python -m tests.fuzz.run [--seconds N | --runs N] [TARGET...]`.

With atheris (x86-64 Linux) inputs are grown by the coverage they reach; two targets at a time, each
in a process of its own, so that one that hangs or dies takes nothing with it. Anywhere else, and
with `--engine seeds`, only the seeds and finds are replayed: a stated lesser thing, named in the
result. What is found is written to `tests/fuzz/finds/`, to be checked in with its mending.
"""

import argparse
import importlib.util
import json
import os
import queue
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.fuzz.targets import FINDS, MAX_INPUT, SEEDS, TARGETS, inputs

ENGINE = "atheris" if importlib.util.find_spec("atheris") else "seeds"
AT_ONCE = 2
SLOW = 20
"""Seconds for one input, on a machine that does much else, until it is a find."""
MEMORY = 1024
"""MiB of a target's process until it is a find."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one target."""

    target: str
    engine: str
    seconds: float
    executions: int
    coverage: int
    """Edges reached; 0 where nothing counts them."""
    grown: int
    """Inputs kept because they reached something new."""
    finds: list[str]


def main(words: Sequence[str] | None = None) -> int:
    """Run; exit code 1: something was found."""
    asked = _parser().parse_args(words)
    names = asked.targets or list(TARGETS)
    began = time.time()
    fuzzed = fuzz(names, asked) if asked.engine == "atheris" else map(replay, names)
    results = sorted(fuzzed, key=lambda result: names.index(result.target))
    text = json.dumps(_summary(results, began), indent=1)
    if asked.output:
        asked.output.parent.mkdir(parents=True, exist_ok=True)
        asked.output.write_text(text + "\n")
    print(text)
    return int(any(result.finds for result in results))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.run", description=__doc__)
    parser.add_argument("targets", nargs="*", help="default: all")
    parser.add_argument("--seconds", type=float, help="wall time, shared by all targets")
    parser.add_argument("--runs", type=int, default=2000, help="inputs a target, without --seconds")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engine", choices=("atheris", "seeds"), default=ENGINE)
    parser.add_argument("--output", type=Path, help="write the counts there too, as JSON")
    parser.add_argument("--corpus", type=Path, help="keep what was grown there, for the next run")
    parser.add_argument("--finds", type=Path, default=FINDS, help="where finds are written")
    return parser


def replay(name: str) -> Result:
    """Give a target its seeds and finds; what escapes it escapes here."""
    began, count = time.time(), 0
    for _, data in inputs(name):
        TARGETS[name](data)
        count += 1
    return Result(name, "seeds", round(time.time() - began, 1), count, 0, 0, [])


def fuzz(names: Sequence[str], asked: argparse.Namespace) -> list[Result]:
    """Fuzz the targets, two at a time."""
    left: queue.SimpleQueue[str] = queue.SimpleQueue()
    for name in names:
        left.put(name)
    results: list[Result] = []
    seconds = asked.seconds * AT_ONCE / len(names) if asked.seconds else 0.0

    def work() -> None:
        command = [sys.executable, "-m", "tests.fuzz.child"]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as child:
            while True:
                try:
                    name = left.get_nowait()
                except queue.Empty:
                    break
                results.append(_one(child, name, asked, seconds))

    workers = [threading.Thread(target=work) for _ in range(min(AT_ONCE, len(names)))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if len(results) != len(names):
        raise RuntimeError("a fuzzing process ended early; see what it said above")
    return results


def _one(
    child: "subprocess.Popen[str]", name: str, asked: argparse.Namespace, seconds: float
) -> Result:
    assert child.stdin is not None and child.stdout is not None
    finds = asked.finds / name
    finds.mkdir(parents=True, exist_ok=True)
    before, began = set(finds.iterdir()), time.time()
    with tempfile.TemporaryDirectory(prefix="admit-corpus-") as directory:
        corpus = asked.corpus / name if asked.corpus else Path(directory) / "grown"
        corpus.mkdir(parents=True, exist_ok=True)
        options = [str(corpus), *map(str, (SEEDS / name, finds)), f"-max_len={MAX_INPUT}"]
        options += [f"-seed={asked.seed}", f"-timeout={SLOW}", f"-rss_limit_mb={MEMORY}"]
        options += [f"-artifact_prefix={finds}/", "-print_final_stats=1"]
        options.append(f"-max_total_time={int(seconds) or 1}" if seconds else f"-runs={asked.runs}")
        log = Path(directory) / "log"
        job = {"target": name, "options": options, "finds": str(finds), "log": str(log)}
        print(json.dumps(job), file=child.stdin)
        child.stdin.flush()
        code = int(child.stdout.readline())
        told = log.read_text(errors="replace")
    found = sorted(path.name for path in set(finds.iterdir()) - before)
    if code and not found:
        found = [f"ended with {code}: {told[-2000:]}"]
    if not any(finds.iterdir()):
        finds.rmdir()
    return Result(name, "atheris", round(time.time() - began, 1), *_counts(told), found)


def _counts(told: str) -> tuple[int, int, int]:
    """Executions, edges and inputs kept, from libFuzzer's own words."""
    executed = re.findall(r"stat::number_of_executed_units:\s+(\d+)", told)
    edges = re.findall(r" cov: (\d+)", told)
    grown = re.findall(r"stat::new_units_added:\s+(\d+)", told)
    executions, coverage, kept = (int(n[-1]) if n else 0 for n in (executed, edges, grown))
    return executions, coverage, kept


def _summary(results: list[Result], began: float) -> dict[str, object]:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return {
        "commit": commit.stdout.strip(),
        "began": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(began)),
        "seconds": round(time.time() - began),
        "machine": f"{os.uname().machine}, {os.cpu_count()} cores",
        "engine": results[0].engine,
        "targets": len(results),
        "executions": sum(result.executions for result in results),
        "finds": sum(len(result.finds) for result in results),
        "results": [asdict(result) for result in results],
    }


if __name__ == "__main__":
    sys.exit(main())
