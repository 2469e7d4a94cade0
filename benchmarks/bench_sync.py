"""A large list on its way: CSV -> central -> sync -> scanner admits from it; then scanner's starts.

Everything is a real process on loopback: server, sync, scanner with one reader.
"""

import itertools
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.bench_lists import LARGE
from benchmarks.figures import ROOT, Figures, peak_mb
from central.imports import import_tickets
from scanner.clock import SystemClock, boot_id
from scanner.showing import Stamp
from store.journal import Journal
from store.listfile import list_serials
from store.records import Kind
from tests.rigs.central_rig import EVENT, CentralRig, make_event
from tests.rigs.real_gate import RealGate
from tickets.errors import GateError

SYNC_TARGET = {"seconds": 60, "peak_mb": 150}
READY_TARGET = 2.0
"""Seconds from exec to READY=1."""
RECORDS = 100_000
STARTS = 5
WITHIN = 600.0
"""Seconds after which a measurement is given up as broken."""
LOOK_EVERY = 0.02


def measure(directory: Path, rows: int = LARGE, records: int = RECORDS) -> Figures:
    """Import and sync a list of `rows`, then start scanner with journals of 0 and `records`."""
    (directory / "central").mkdir(parents=True)
    event = make_event(directory / "central", csv=None)
    imported = _import(event, rows)
    event.start()
    try:
        gate = RealGate(directory, "north", event, event.url)
        with gate:
            synced = _sync(gate, rows)
        return {
            "rows": rows,
            "import_rows_per_second": round(rows / imported),
            "central_peak_mb": peak_mb(event.process.pid) if event.process else None,
            "sync": synced | {"target": SYNC_TARGET},
            "start": _starts(gate, records) | {"target_s": READY_TARGET},
        }
    finally:
        event.kill()


def _import(event: CentralRig, rows: int) -> float:
    lines = (b"T%d,1,1,valid\n" % number for number in range(rows))
    began = time.monotonic()
    bad: list[object] = []
    header = b"id,product,entries,status\n"
    import_tickets(event.central, itertools.chain([header], lines), bad.append)
    if bad:
        raise AssertionError(f"{len(bad)} rows of the CSV were refused: {bad[0]}")
    return time.monotonic() - began


def _sync(gate: RealGate, rows: int) -> Figures:
    """Seconds from the start of sync until the list file is in place, and until it is in use."""
    gate.start("scanner")
    _until(gate, lambda: gate.run.joinpath("events.sock").exists())
    began = time.monotonic()
    gate.start("sync")
    _until(gate, lambda: bool(list_serials(gate.state / "sync")))
    fetched = time.monotonic() - began
    _until(gate, lambda: _in_use(gate) == rows)
    return {
        "fetched_s": round(fetched, 2),
        "in_use_s": round(time.monotonic() - began, 2),
        "peak_mb": peak_mb(gate.parts["sync"].pid),
        "scanner_peak_mb": peak_mb(gate.parts["scanner"].pid),
    }


def _in_use(gate: RealGate) -> int:
    try:
        return int(gate.status()["list"]["rows"])
    except GateError:  # scanner is not ready to answer yet
        return -1


def _until(gate: RealGate, met: Callable[[], bool]) -> None:
    end = time.monotonic() + WITHIN
    while not met():
        for name, part in gate.parts.items():
            if part.poll() is not None:
                raise AssertionError(f"{name} ended: {gate.log(name)[-500:]}")
        if time.monotonic() > end:
            raise AssertionError(f"not within {WITHIN:.0f} s")
        time.sleep(LOOK_EVERY)


def _starts(gate: RealGate, records: int) -> Figures:
    """Seconds from exec to READY=1: with the list, with a long journal, with neither."""
    own, lists = gate.state / "scanner", gate.state / "sync"
    found: Figures = {"imports": _imports(), "list": _ready(gate)}
    small = own.with_name("small")
    small.mkdir()
    for path in own.glob("journal*"):  # scanner's copy of the list stays: that is how gates start
        path.rename(small / path.name)
    fill_journal(own / "journal.db", records)
    found["both"] = _ready(gate)
    lists.rename(lists.with_name("away"))
    found["journal"] = _ready(gate)
    own.rename(own.with_name("full"))
    found["bare"] = _ready(gate)
    return found


def fill_journal(path: Path, records: int) -> None:
    """Write a journal of `records`, half of them admissions and half their passages."""
    journal, stamp = Journal(path, EVENT), Stamp(SystemClock(trust_system=True), EVENT, boot_id())
    about = {"lane": "entry", "list": "main", "direction": "entry", "medium": "qr"}
    numbers = iter(range(records // 2))
    while batch := list(itertools.islice(numbers, 5000)):
        with journal.transaction():
            for number in batch:
                name = number.to_bytes(16, "big")
                one: dict[str, Any] = about | {"presentation": name, "ticket_key": name}
                journal.append(stamp.record(Kind.SCAN, **one, verdict="admitted"))
                journal.append(stamp.record(Kind.PASSAGE, **one))
    journal.close()


def _ready(gate: RealGate) -> Figures:
    """`STARTS` starts of scanner, each killed at READY=1."""
    times = []
    address = gate.directory / "notify"
    for _ in range(STARTS):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.bind(str(address))
            channel.settimeout(1.0)
            command = [sys.executable, "-P", "-m", "scanner", "--config", str(gate.config)]
            began = time.monotonic()
            process = subprocess.Popen(
                [*command, "--run", str(gate.run), "--state", str(gate.state)],
                env=os.environ | {"PYTHONPATH": str(ROOT), "NOTIFY_SOCKET": str(address)},
                stderr=subprocess.DEVNULL,
            )
            try:
                _hear_ready(channel, process)
                times.append(time.monotonic() - began)
            finally:
                process.kill()
                process.wait()
        address.unlink()
    return _summary(times)


def _hear_ready(channel: socket.socket, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + WITHIN
    while True:
        try:
            if channel.recv(256) == b"READY=1":
                return
        except TimeoutError:
            if process.poll() is not None:
                raise AssertionError(f"scanner ended with code {process.returncode}") from None
            if time.monotonic() > end:
                raise


def _imports() -> Figures:
    """How long scanner's modules take to load, and how many there are."""
    code = "import sys, scanner.__main__; print(len(sys.modules))"
    times, modules = [], 0
    for _ in range(STARTS):
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-P", "-c", code],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            check=True,
            capture_output=True,
        )
        times.append(time.monotonic() - began)
        modules = int(done.stdout)
    return _summary(times) | {"modules": modules}


def _summary(times: list[float]) -> Figures:
    median, most = statistics.median(times), max(times)
    return {"n": len(times), "median_s": round(median, 3), "max_s": round(most, 3)}
