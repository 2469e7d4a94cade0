"""Measure the readers: cameras against bare zxing-cpp and pyzbar, NFC against plain nfcpy.

`make bench-readers`: about a quarter of an hour. All figures go to `build/bench-readers.json`;
`--page` renders them into pages, between the marks that a page has.
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import bench_camera, nfc
from benchmarks.figures import ROOT, Figures, machine

OUTPUT = ROOT / "build" / "bench-readers.json"
PARTS = ("camera", "nfc")
DECODERS = ("product", "bare zxing-cpp", "pyzbar")
READ_RATE, WHERE_BARE, STATIC = 97.0, 90.0, 1.3
"""Targets: per cent read on a set of which bare zxing-cpp reads `WHERE_BARE`; ratio of costs."""


def run(parts: tuple[str, ...], quick: bool) -> Figures:
    """Measure; all figures as plain JSON."""
    figures: Figures = {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": machine(),
    }
    if "camera" in parts:
        figures["camera"] = bench_camera.measure(*(1, 40) if quick else ())
    if "nfc" in parts:
        figures["nfc"] = nfc.run(1) if quick else nfc.run()
    return figures


def tables(figures: Figures) -> dict[str, str]:
    """Mark of a page -> what belongs there."""
    camera: Any = figures.get("camera")
    cards: Any = figures.get("nfc")
    found = {} if camera is None else {"eyesight": _eyesight(camera)}
    found |= {"camera": _camera(camera)} if camera and "read" in camera else {}
    found |= {} if cards is None else {"nfc": nfc.table(cards)}
    setting = f"Run of {figures['at']} on {_machine(figures['machine'])}."
    return {mark: f"{setting}\n\n{table}" for mark, table in found.items()}


def render(page: str, figures: Figures) -> str:
    """Put each table between its marks ``<!-- NAME figures -->`` where a page has them."""
    for mark, table in tables(figures).items():
        begin, end = f"<!-- {mark} figures -->", f"<!-- end of {mark} figures -->"
        before, found, rest = page.partition(begin)
        if found:
            page = f"{before}{begin}\n{table}\n{end}{rest.partition(end)[2]}"
    return page


def _machine(machine: Any) -> str:
    return f"{machine['cores']} cores of {machine['processor']}, load {machine['load_average'][0]}"


def _camera(camera: Mapping[str, Any]) -> str:
    read, static, empty = camera["read"], camera["static_empty"], camera["backgrounds"]
    names = [name for name in DECODERS if name in read]
    rows = [f"| | {' | '.join(names)} | target | |", "|---" * (len(names) + 3) + "|"]

    def row(what: str, values: list[str], target: str = "", met: bool | None = None) -> None:
        word = "" if met is None else "met" if met else "**missed**"
        rows.append(f"| {what} | {' | '.join(values)} | {target} | {word} |")

    rate, plain = (read[name]["read_rate"] for name in ("product", "bare zxing-cpp"))
    shown = read["product"]["shown"]
    row(
        f"of {shown} tickets read within {camera['frames_of_a_presentation']} frames",
        [f"{read[name]['read_rate']:g} %" for name in names],
        f"≥ {READ_RATE:g} % where zxing-cpp reads {WHERE_BARE:g} %",
        rate >= READ_RATE and plain <= WHERE_BARE + 1,
    )
    row("of all frames", [f"{read[name]['frames_read_rate']:g} %" for name in names])
    row("frames until read, mean", [f"{read[name]['mean_frames_to_read']:g}" for name in names])
    row("read wrongly", [f"{read[name]['wrong']}" for name in names])
    row("CPU a frame with a ticket, mean", [f"{read[n]['cpu_ms']['mean']:.2f} ms" for n in names])
    row("the same, 95 % below", [f"{read[name]['cpu_ms']['p95']:.2f} ms" for name in names])
    quiet = [f"{static['product_cpu_ms']:.2f} ms", f"{static['bare_cpu_ms']:.2f} ms", ""]
    row("CPU a frame, nothing moves", quiet[: len(names)])
    ratio = [f"{static['ratio']:.2f} x", "1", ""]
    row("the same, of zxing-cpp's", ratio[: len(names)], "≤ 1.3 x", static["ratio"] <= STATIC)
    row(
        "codes read in frames without one",
        [f"{empty[name]['false_reads']} of {empty[name]['frames']}" for name in names],
        "0 of 10000",
        empty["product"]["false_reads"] == 0 and empty["product"]["frames"] >= 10_000,
    )
    row("CPU a frame of moving clutter", [f"{empty[name]['cpu_ms']:.2f} ms" for name in names])
    return "\n".join([*rows, "", *_kinds(read, names)])


def _kinds(read: Mapping[str, Any], names: list[str]) -> list[str]:
    rows = [f"| kind, tickets read | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for kind, (_, shown) in read["product"]["kinds"].items():
        counts = [f"{read[name]['kinds'][kind][0]}" for name in names]
        rows.append(f"| {kind}, {shown} | {' | '.join(counts)} |")
    return rows


def _eyesight(camera: Mapping[str, Any]) -> str:
    rows = ["| scene | level | detail | sharpness |", "| --- | ---: | ---: | ---: |"]
    for scene, seen in camera["eyesight"].items():
        cells = [_range(seen.get(name)) for name in ("level", "detail")]
        sharp = seen.get("sharpness", seen.get("share of its sharpness"))
        rows.append(f"| {scene} | {' | '.join(cells)} | {_range(sharp)} |")
    return "\n".join(rows)


def _range(values: list[float] | None) -> str:
    if values is None:
        return ""
    return "none to judge" if values[1] == 0 else f"{values[0]:g} to {values[1]:g}"


def main() -> int:
    """Read the command line, measure, write, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.readers", description=__doc__)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--page", type=Path, action="append", default=[])
    parser.add_argument("--only", choices=PARTS)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--figures", type=Path, help="render those of an earlier run")
    given = parser.parse_args()
    if given.figures:
        figures: Figures = json.loads(given.figures.read_text("utf-8"))
    else:
        figures = run((given.only,) if given.only else PARTS, given.quick)
        given.output.parent.mkdir(parents=True, exist_ok=True)
        given.output.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    for page in given.page:
        page.write_text(render(page.read_text("utf-8"), figures), "utf-8")
    for name, table in tables(figures).items():
        sys.stdout.write(f"{name}\n{table}\n\n")
    sys.stdout.write(f"All figures: {given.figures or given.output}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
