"""`make bench-central`: 200 simulated gates against one central, on SQLite and on PostgreSQL.

Both databases lie in one directory and are measured in one run. Afterwards everything that the
gates were told is looked up in the database: nothing may be lost or doubled. Server and gates
share the computer, so the times are an upper bound; the server's own CPU time is given as well.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import select

from benchmarks.figures import ROOT, Figures, machine, storage_probe, summary
from central.organiser import overview
from central.schema import redemption
from tests.rigs.central_rig import EVENT, CentralRig, make_event
from tests.rigs.postgres_rig import cluster

OUTPUT = ROOT / "build" / "bench-central.json"
BEGIN, END = "<!-- central figures -->", "<!-- end of central figures -->"
GATES = 200
CONTESTED = 500
"""Tickets that several gates are shown, so that claims are also taken."""


def plan_for(rig: CentralRig, gates: int, quick: bool) -> dict[str, Any]:
    """What the gates will do; tickets are for one entry each."""
    names = [f"g{number}" for number in range(gates)]
    paced, rush, batches = ([2, 0.2], [2, 0], [1, 20]) if quick else ([3, 5.0], [3, 0], [1, 50])
    tickets = 50 if quick else 4 * gates * 12
    rig.import_csv("id\n" + "".join(f"B{number}\n" for number in range(tickets)))
    known = [rig.key(f"B{number}").hex() for number in range(tickets)]
    return {
        "url": rig.url,
        "event": EVENT,
        "gates": [(name, rig.enrol_token(name)) for name in names],
        "tickets": known + known[:CONTESTED] * 4,
        "guests": {"paced": paced, "rush": rush},
        "backlog": batches,
    }


def measure(rig: CentralRig, gates: int = GATES, quick: bool = False) -> Figures:
    """Figures of one database, and proof that it holds what the gates were told.

    Raises:
        AssertionError: something was lost, doubled or refused.
    """
    rig.start()
    try:
        parts = _play(rig, plan_for(rig, gates, quick))
    finally:
        rig.kill()
    verified = _verify(rig, parts)
    figures: Figures = {"gates": gates, "verified": verified}
    for name, part in parts.items():
        figures[name] = _figures(part)
    return figures


def _play(rig: CentralRig, plan: dict[str, Any]) -> dict[str, Any]:
    """Run the gates in a process of their own; read the server's CPU time around each part."""
    script, result = rig.directory / "plan.json", rig.directory / "heard.json"
    script.write_text(json.dumps(plan), "utf-8")
    command = [sys.executable, "-P", "-m", "benchmarks.central_gates", str(script), str(result)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    cpu: list[float] = []
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as gates:
        assert gates.stdout is not None and gates.stdin is not None and rig.process is not None
        for _ in gates.stdout:
            cpu.append(_cpu_seconds(rig.process.pid))
            gates.stdin.write("\n")
            gates.stdin.flush()
    if gates.returncode:
        raise AssertionError(f"the gates ended with {gates.returncode}")
    parts: dict[str, Any] = json.loads(result.read_text("utf-8"))
    for number, part in enumerate(parts.values()):
        part["cpu_s"] = cpu[2 * number + 1] - cpu[2 * number]
    return parts


def _cpu_seconds(pid: int) -> float:
    """CPU time of a process so far. Source: proc(5), /proc/pid/stat, fields 14 and 15."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _figures(part: dict[str, Any]) -> Figures:
    seconds = part["seconds"]
    found: Figures = {"seconds": round(seconds, 2), "server_cpu_s": round(part["cpu_s"], 2)}
    found["records_per_second"] = round(part["records"] / seconds)
    found["upload_ms"] = summary(part["upload_s"])
    found["busy"] = part["busy"]
    if part["claim_s"]:
        claims = len(part["claim_s"])
        found |= {
            "claims_per_second": round(claims / seconds),
            "claim_ms": summary(part["claim_s"]),
        }
    return found


def _verify(rig: CentralRig, parts: dict[str, Any]) -> Figures:
    """Compare what the gates were told with what the database holds."""
    told: dict[str, str] = {}
    for part in parts.values():
        assert not part["refused"], part["refused"][:3]
        assert not part["not_stored"], f"{part['not_stored']} records were refused"
        for ticket, presentations in part["entered"].items():
            assert len(presentations) == 1, f"ticket {ticket} entered {len(presentations)} times"
            told[presentations[0]] = ticket
    tickets = list(told.values())
    assert len(set(tickets)) == len(tickets), "a ticket entered in two parts"
    with rig.central.database.reading() as connection:
        rows = connection.execute(select(redemption).where(redemption.c.stands == 1)).all()
    kept = {bytes(row.presentation).hex(): bytes(row.ticket_key).hex() for row in rows}
    assert kept == told, "the database holds other entries than the gates made"
    counts = overview.counts(rig.central)
    records = sum(part["records"] for part in parts.values())
    assert counts["records"] == records, f"{counts['records']} records, sent were {records}"
    assert not any(counts[name] for name in ("conflicts", "parked", "alarms", "claims_held"))
    return {"records": records, "entries": len(told), "lost": 0, "doubled": 0}


@contextmanager
def both(directory: Path) -> Iterator[dict[str, CentralRig]]:
    """One event on SQLite and one on PostgreSQL, in one directory."""
    with cluster(directory, durable=True) as postgres:
        rigs = {}
        for name, database in (("sqlite", ""), ("postgresql", postgres.new_database())):
            (directory / name).mkdir(exist_ok=True)
            rigs[name] = make_event(directory / name, csv=None, database=database)
        yield rigs
        for rig in rigs.values():
            rig.central.database.close()


def table(figures: dict[str, Any]) -> str:
    """The figures beside each other, in Markdown."""
    lines = (
        ("a guest every 5 s at each gate: claims a second", "paced.claims_per_second"),
        ("… claim, p50, ms", "paced.claim_ms.p50"),
        ("… claim, p99, ms", "paced.claim_ms.p99"),
        ("all gates at once, no pause: claims a second", "rush.claims_per_second"),
        ("… records a second, in uploads of 2", "rush.records_per_second"),
        ("… claim, p99, ms", "rush.claim_ms.p99"),
        ("… server's CPU, s", "rush.server_cpu_s"),
        ("backlog in batches of 50: records a second", "backlog.records_per_second"),
        ("… server's CPU, s", "backlog.server_cpu_s"),
    )
    rows = ["| what | SQLite | PostgreSQL | ratio |", "| --- | ---: | ---: | ---: |"]
    for what, path in lines:
        ours, theirs = (_find(figures[name], path) for name in ("sqlite", "postgresql"))
        rows.append(f"| {what} | {ours:g} | {theirs:g} | {theirs / ours:.2f} |")
    for name in ("sqlite", "postgresql"):
        kept = figures[name]["verified"]
        rows.append(
            f"\n{name}: {kept['records']} records and {kept['entries']} entries looked up, "
            f"{kept['lost']} lost, {kept['doubled']} doubled."
        )
    return "\n".join(rows)


def _find(figures: Any, path: str) -> float:
    for name in path.split("."):
        figures = figures[name]
    return float(figures)


def run(directory: Path, gates: int, quick: bool) -> dict[str, Any]:
    """Measure both databases, one after the other."""
    figures: dict[str, Any] = {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": machine(),
        "storage": storage_probe(directory),
    }
    with both(directory) as rigs:
        for name, rig in rigs.items():
            sys.stderr.write(f"{name} ...\n")
            figures[name] = measure(rig, gates, quick)
    return figures


def main() -> int:
    """Read the command line, measure, write, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_central", description=__doc__)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--directory", type=Path, default=Path("/tmp"), help="open to other users")
    parser.add_argument("--gates", type=int, default=GATES)
    parser.add_argument("--page", type=Path, help="page whose figures are to be replaced")
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    with TemporaryDirectory(prefix="bench-central-", dir=given.directory) as directory:
        Path(directory).chmod(0o755)  # PostgreSQL's own user has to reach its data
        figures = run(Path(directory), given.gates, given.quick)
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    if given.page:
        before, _, rest = given.page.read_text("utf-8").partition(BEGIN)
        setting = {name: figures[name] for name in ("machine", "storage")}
        block = f"Run of {figures['at']}.\n\n```json\n{json.dumps(setting, indent=1)}\n```\n\n"
        text = f"{before}{BEGIN}\n{block}{table(figures)}\n{END}{rest.partition(END)[2]}"
        given.page.write_text(text, "utf-8")
    sys.stdout.write(table(figures) + f"\n\nAll figures: {given.output}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
