"""The figures beside their targets, as a table for a terminal and for docs/performance.md."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.figures import Figures

BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"


@dataclass(frozen=True, slots=True)
class Line:
    """One figure; `path` leads to it in the JSON, `limit` is the target, at least or at most it."""

    what: str
    path: str
    limit: float | None = None
    unit: str = ""
    at_least: bool = False


LINES = (
    Line("AD1 read / PyNaCl verify, p50", "verify.ratio_p50.ad1", 1.6, "x"),
    Line("AD2 read / PyNaCl verify, p50", "verify.ratio_p50.ad2", 3, "x"),
    Line("pretix_sig1 read / PyNaCl verify, p50", "verify.ratio_p50.pretix_sig1", None, "x"),
    Line("opaque read / PyNaCl verify, p50", "verify.ratio_p50.opaque", None, "x"),
    Line("static empty frame / bare zxing-cpp", "decode.scenes.static_empty.ratio", 1.3, "x"),
    Line("frame with a code / bare zxing-cpp", "decode.scenes.with_code.ratio", None, "x"),
    Line("frame with a code to payload, p50", "decode.scenes.with_code.product.p50", None, "ms"),
    Line("sighting to release, p50", "admission.admission_ms.p50", None, "ms"),
    Line("sighting to release, p99", "admission.admission_ms.p99", 50, "ms"),
    Line("verify + look-up + commit bare, p50", "admission.bare_ms.p50", None, "ms"),
    Line("verify + look-up + commit bare, p99", "admission.bare_ms.p99", None, "ms"),
    Line("admission / bare, p50", "admission.ratio_p50", 1.25, "x"),
    Line("admission / bare, p99", "admission.ratio_p99", None, "x"),
    Line("sighting to release, CPU, p50", "admission.admission_cpu_ms.p50", None, "ms"),
    Line("bare, CPU, p50", "admission.bare_cpu_ms.p50", None, "ms"),
    Line("SD model: sighting to release, p50", "admission_sd_model.admission_ms.p50", None, "ms"),
    Line("SD model: sighting to release, p99", "admission_sd_model.admission_ms.p99", 50, "ms"),
    Line("SD model: admission / bare, p50", "admission_sd_model.ratio_p50", 1.25, "x"),
    Line("SD model: admission / bare, p99", "admission_sd_model.ratio_p99", None, "x"),
    Line("reader's message to release, p50", "processes.message_to_release_ms.p50", None, "ms"),
    Line("reader's message to release, p99", "processes.message_to_release_ms.p99", 50, "ms"),
    Line("reader's message to release / bare, p50", "processes.ratio_p50", None, "x"),
    Line("1 M tickets / 10 k, p50", "sizes.ratio_p50.1000000", 1.2, "x"),
    Line("1 M tickets / 10 k, p99", "sizes.ratio_p99.1000000", None, "x"),
    Line("10 M tickets / 10 k, p50", "sizes.ratio_p50.10000000", 1.2, "x"),
    Line("10 M tickets / 10 k, p99", "sizes.ratio_p99.10000000", None, "x"),
    Line("list file, rows a second", "load.rows_per_second"),
    Line("list file, peak memory of its maker", "load.loader_peak_mb", None, "MB"),
    Line("admission while 1 M rows load / idle, p99", "load.ratio_p99", 2, "x"),
    Line("admission while 1 M rows load / idle, p50", "load.ratio_p50", None, "x"),
    Line("1 M tickets fetched, verified, in place", "sync_and_start.sync.fetched_s", 60, "s"),
    Line("1 M tickets in use by scanner", "sync_and_start.sync.in_use_s", 60, "s"),
    Line("peak memory of sync", "sync_and_start.sync.peak_mb", 150, "MB"),
    Line("central: CSV rows a second", "sync_and_start.import_rows_per_second"),
    Line("1,000 tickets issued, one PDF", "issue.few.book.seconds", 30, "s"),
    Line("1,000 tickets issued, one PDF: memory", "issue.few.book.peak_mb", None, "MB"),
    Line("1,000 tickets issued, one PDF, CPU", "issue.few.book.cpu_seconds", None, "s"),
    Line("1,000 tickets issued, a PNG and a PDF each", "issue.few.each.seconds", 60, "s"),
    Line(
        "1,000 tickets issued, a PNG and a PDF each, CPU", "issue.few.each.cpu_seconds", None, "s"
    ),
    Line("1,000 tickets imported", "issue.few.import.seconds", None, "s"),
    Line("1,000 tickets imported: memory", "issue.few.import.peak_mb", None, "MB"),
    Line("100,000 tickets issued, 100 PDFs", "issue.many.book.seconds", None, "s"),
    Line("100,000 tickets issued, 100 PDFs, CPU", "issue.many.book.cpu_seconds", None, "s"),
    Line("100,000 tickets issued: memory", "issue.many.book.peak_mb", 150, "MB"),
    Line("100,000 tickets imported", "issue.many.import.seconds", None, "s"),
    Line("100,000 tickets imported: memory", "issue.many.import.peak_mb", 150, "MB"),
    Line("scanner's imports", "sync_and_start.start.imports.median_s", None, "s"),
    Line("start: nothing there", "sync_and_start.start.bare.median_s", 2, "s"),
    Line("start: 100 k records", "sync_and_start.start.journal.median_s", 2, "s"),
    Line("start: 1 M tickets", "sync_and_start.start.list.median_s", 2, "s"),
    Line("start: 1 M tickets, 100 k records", "sync_and_start.start.both.median_s", 2, "s"),
    Line("passages an hour, simulated", "passages.passages_an_hour", 2100, "", at_least=True),
    Line("release to browser, p50", "screen.release_to_browser_ms.p50", None, "ms"),
    Line("release to browser, p99", "screen.release_to_browser_ms.p99", 100, "ms"),
    Line("typed code to browser, p50", "screen.typed_to_browser_ms.p50", None, "ms"),
)


def table(figures: Figures) -> str:
    """A table in Markdown of those figures that were measured."""
    rows = ["| what | measured | target | |", "| --- | ---: | ---: | --- |"]
    return "\n".join([*rows, *_rows(figures)])


def render(page: str, figures: Figures) -> str:
    """Put machine and table between the marks of a page.

    Raises:
        ValueError: the page has no such marks.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no place for figures: {BEGIN} ... {END}")
    return f"{before}{BEGIN}\n{_setting(figures)}\n\n{table(figures)}\n{END}{after}"


def _rows(figures: Figures) -> Iterator[str]:
    for line in LINES:
        value = _find(figures, line.path)
        if value is not None:
            yield f"| {line.what} | {value:g} {line.unit} | {_target(line)} | {_met(line, value)} |"


def _find(figures: object, path: str) -> float | None:
    for name in path.split("."):
        if not isinstance(figures, dict) or name not in figures:
            return None
        figures = figures[name]
    return float(figures) if isinstance(figures, int | float) else None


def _target(line: Line) -> str:
    if line.limit is None:
        return ""
    return f"{'≥' if line.at_least else '≤'} {line.limit:g} {line.unit}".rstrip()


def _met(line: Line, value: float) -> str:
    if line.limit is None:
        return ""
    met = value >= line.limit if line.at_least else value <= line.limit
    return "met" if met else "**missed**"


def _setting(figures: Figures) -> str:
    return (
        f"Run of {figures['at']}.\n\n```json\n"
        f"{json.dumps({name: figures[name] for name in ('machine', 'storage')}, indent=1)}\n```"
    )
