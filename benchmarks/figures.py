"""Percentiles, ratios, and what the figures were measured on."""

import os
import platform
import sqlite3
import statistics
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from nacl.signing import SigningKey

Figures = dict[str, object]
"""Plain JSON: numbers, texts, lists and objects of them."""

ROOT = Path(__file__).parents[1]
PROBES = 400


def summary(seconds: Sequence[float]) -> Figures:
    """p50, p99 and the largest of some times, in milliseconds."""
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    named = {"p50": cuts[49], "p99": cuts[98], "max": max(seconds)}
    return {"n": len(seconds)} | {name: round(1000 * value, 4) for name, value in named.items()}


def ratio(ours: Figures, theirs: Figures, at: str = "p50") -> float:
    """How many times `theirs` `ours` is, at one percentile of two summaries."""
    return round(float(str(ours[at])) / float(str(theirs[at])), 3)


def machine() -> Figures:
    """Processor, memory and versions."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20,
        "kernel": platform.release(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "verify_us": _verify_us(),
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }


def storage_probe(directory: Path, probes: int = PROBES) -> Figures:
    """What this storage takes to make 4 kB durable: write + fdatasync, each appended.

    Every time in this report that ends with a commit has one of these in it.
    """
    path, block, times = directory / "probe", bytes(4096), []
    handle = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        for _ in range(probes):
            began = time.perf_counter()
            os.write(handle, block)
            os.fdatasync(handle)
            times.append(time.perf_counter() - began)
    finally:
        os.close(handle)
        path.unlink()
    return {"filesystem": _filesystem(directory), "fdatasync_4k_ms": summary(times)}


def peak_mb(pid: int | str = "self") -> float:
    """The most memory a process had in use so far, MB. Source: proc(5), VmHWM."""
    for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines():
        if line.startswith("VmHWM:"):
            return round(int(line.split()[1]) / 1024, 1)
    raise ProcessLookupError(f"process {pid} has ended")


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
        if line.startswith(("model name", "Model")):
            return line.partition(":")[2].strip()
    return platform.machine()


def _filesystem(directory: Path) -> str:
    command = ["df", "--output=fstype", str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.split()[-1] if done.returncode == 0 else "unknown"


def _verify_us() -> float:
    key = SigningKey(bytes(32))
    signed, times = key.sign(bytes(100)), []
    for _ in range(300):
        began = time.perf_counter()
        key.verify_key.verify(signed.message, signed.signature)
        times.append(time.perf_counter() - began)
    return round(1e6 * statistics.median(times), 1)
