"""Our statements beside python-tuf, in one run: python -m benchmarks.against_tuf

Run by hand; docs/adr/0020 keeps the last table. python-tuf gets an environment of its own, from
tuf.lock, in the user's cache.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from unittest import mock

from scanner.admissions import NotReady
from scanner.clock import SystemClock
from tests.rigs.books_rig import ISSUED, Bench
from tests.rigs.gate_rig import key_of, row
from tickets.bodies import Delta
from tickets.rows import Status, pack

HERE = Path(__file__).parent
LOCK = HERE / "tuf.lock"
DELTAS = (10, 100, 1000)
DAY = 86_400.0


def interpreter() -> Path:
    """The Python of an environment with exactly the packages of tuf.lock."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "admit"
    place = cache / f"tuf-{blake2b(LOCK.read_bytes(), digest_size=6).hexdigest()}"
    python = place / "bin" / "python"
    if not (place / "whole").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(place)], check=True)
        install = ["-m", "pip", "-q", "install", "--require-hashes", "--only-binary", ":all:"]
        subprocess.run([str(python), *install, "-r", str(LOCK)], check=True)
        (place / "whole").touch()
    return python


def bench(place: Path) -> Bench:
    """A gate's books with a list of one ticket, which is cancelled."""
    made = Bench(place)
    made.publish(row("anna"))
    made.put(Delta(1, pack(row("anna", flags=Status.CANCELLED)), b""), 2, previous=made.last)
    return made


def is_cancelled(made: Bench) -> bool:
    """Whether the gate knows."""
    try:
        anna = made.keeper.books().ticket(key_of("anna"))
    except NotReady:  # no books at all: nobody is admitted by an older list
        return True
    return anna is not None and bool(anna.flags & Status.CANCELLED)


def fsyncs(place: Path) -> int:
    """How often one update is made durable by scanner."""
    made = bench(place)
    with mock.patch("os.fsync", wraps=os.fsync) as fsync:
        made.poll()
        return int(fsync.call_count)


def rolled_back(place: Path) -> bool:
    """One file after the other is emptied, and sync hands out what was current before."""
    made = bench(place)
    made.poll()
    made.forget(newer_than=3)
    kept = {path: path.read_bytes() for path in (made.own / "statements").iterdir()}
    for path in kept:
        for other, data in kept.items():
            other.write_bytes(b"" if other == path else data)
        made.restart()
        if not is_cancelled(made):
            return True
    return False


def usable_when_expired(place: Path) -> bool:
    """What was verified is used on, and said to be old."""
    made = bench(place)
    made.poll()
    made.clock.at += 40 * 365 * DAY
    made.restart()
    return is_cancelled(made) and "expired" in made.faults


def believes_the_host_clock(place: Path) -> bool:
    """A list held back for ten days, at a board whose clock is three days behind: is it hidden?

    The time of the gate is the server's, signed in answer to a nonce; the board's is not asked.
    """
    made = bench(place)
    behind = ISSUED - 3 * DAY
    clock = SystemClock(trust_system=False, last_record=lambda: 0.0, wall=lambda: behind)
    now = clock.monotonic()
    clock.pin(ISSUED + 10 * DAY, now, now)
    made.clock = clock  # type: ignore[assignment]
    made.start()
    made.poll()
    made.keeper.contacted(0.0)
    made.poll()
    return "freeze" not in made.faults


def cost(place: Path, deltas: int) -> dict[str, float]:
    """Bytes and seconds to learn of one delta more after so many."""
    made = Bench(place)
    made.publish(row("anna"))
    for number in range(deltas):
        made.put(Delta(1, pack(row(f"t{number}")), b""), 2 + number, previous=made.last)
    made.poll()
    wire = made.put(Delta(1, pack(row("more")), b""), 2 + deltas, previous=made.last)
    start = time.perf_counter()
    made.poll()
    return {"bytes": len(wire), "seconds": time.perf_counter() - start}


def ours(base: Path) -> dict[str, object]:
    """The same questions as tuf_side.py asks."""

    def place(name: str) -> Path:
        (base / name).mkdir()
        return base / name

    questions: dict[str, Callable[[Path], object]] = {
        "fsyncs": fsyncs,
        "rolled_back": rolled_back,
        "usable_when_expired": usable_when_expired,
        "host_clock": believes_the_host_clock,
    }
    told = {name: ask(place(name)) for name, ask in questions.items()}
    return told | {"cost": {str(n): cost(place(f"c{n}"), n) for n in DELTAS}}


def main() -> None:
    """Print the table."""
    side = [str(interpreter()), str(HERE / "tuf_side.py"), *map(str, DELTAS)]
    theirs = json.loads(subprocess.run(side, check=True, capture_output=True).stdout)
    with tempfile.TemporaryDirectory() as base:
        mine = ours(Path(base))
    rows = [
        ("fsync of one update", "fsyncs"),
        ("older news taken after torn files", "rolled_back"),
        ("what was verified is usable when expired", "usable_when_expired"),
        ("a wrong clock hides a freeze", "host_clock"),
    ]
    print(f"| {'':42} | python-tuf | Admit |\n|---|---|---|")  # noqa: T201
    for words, name in rows:
        print(f"| {words:42} | {theirs[name]!s:10} | {mine[name]!s:5} |")  # noqa: T201
    for number in map(str, DELTAS):
        cells = [
            f"{c['bytes']} B, {1000 * c['seconds']:.1f} ms"
            for c in (theirs["cost"][number], mine["cost"][number])  # type: ignore[index]
        ]
        print(f"| one delta more after {number:21} | {cells[0]} | {cells[1]} |")  # noqa: T201


if __name__ == "__main__":
    main()
