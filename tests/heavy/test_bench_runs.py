"""`make bench` runs to its end and writes what docs/performance.md shows; no time is asserted."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.report import BEGIN, END, LINES, render, table

ROOT = Path(__file__).parents[2]
QUICK_ROUNDS = 20
WARM_UP = 50

pytestmark = pytest.mark.heavy


def bench(tmp_path: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """`python -m benchmarks` as the Makefile runs it."""
    command = [sys.executable, "-m", "benchmarks", "--output", str(tmp_path / "bench.json")]
    return subprocess.run([*command, *words], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The figures of one quick run of everything."""
    directory = tmp_path_factory.mktemp("bench")
    page = directory / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    done = bench(directory, "--quick", "--page", str(page))
    assert done.returncode == 0, done.stderr
    assert str(directory / "bench.json") in done.stdout
    assert page.read_text().startswith("before\n") and page.read_text().endswith("\nafter\n")
    assert "old" not in page.read_text()
    found: dict[str, Any] = json.loads((directory / "bench.json").read_text())
    return found


@pytest.mark.timeout(300)
def test_every_ticket_shown_was_admitted(figures):
    shown = QUICK_ROUNDS + WARM_UP
    assert figures["admission"]["admitted"] == shown
    assert figures["processes"]["admitted"] == shown
    model = figures["admission_sd_model"]
    assert model.get("admitted") == shown or model["not_run"]
    assert figures["screen"]["admitted"] == 4


@pytest.mark.timeout(300)
def test_admissions_and_bare_ones_are_as_many(figures):
    for name, time in (("admission", "admission_ms"), ("processes", "message_to_release_ms")):
        assert figures[name][time]["n"] == figures[name]["bare_ms"]["n"] == QUICK_ROUNDS


@pytest.mark.timeout(300)
def test_people_on_a_simulated_clock_are_counted_alike_on_every_machine(figures):
    assert figures["passages"]["refused"] == 0
    assert figures["passages"]["passages_an_hour"] >= 2100


@pytest.mark.timeout(300)
def test_every_line_of_the_page_finds_its_figure(figures):
    missing = {
        line.path
        for line in LINES
        if f"| {line.what} |" not in table(figures) and line.path.split(".")[0] != "sizes"
    }
    if "not_run" in figures["admission_sd_model"]:
        missing = {path for path in missing if not path.startswith("admission_sd_model.")}
    assert not missing


@pytest.mark.timeout(300)
def test_the_storage_is_stated_beside_the_times(figures):
    assert figures["storage"]["fdatasync_4k_ms"]["n"] > 0
    assert figures["machine"]["cores"] >= 1
    assert figures["admission"]["storage"]["filesystem"]


def test_an_unknown_measurement_is_named(tmp_path):
    done = bench(tmp_path, "--only", "spped")
    assert done.returncode == 2
    assert "there is no 'spped'" in done.stderr


def test_a_page_without_a_place_for_figures_is_refused():
    with pytest.raises(ValueError, match="no place for figures"):
        render("# Performance\n", {})


@pytest.mark.timeout(120)
def test_gates_at_one_central_lose_and_double_nothing(tmp_path):
    """`make bench-central` with few gates on both databases fails where one record is amiss."""
    command = [sys.executable, "-m", "benchmarks.bench_central", "--quick", "--gates", "8"]
    output = tmp_path / "central.json"
    done = subprocess.run(
        [*command, "--output", str(output)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for database in ("sqlite", "postgresql"):
        kept = json.loads(output.read_text())[database]["verified"]
        assert (kept["lost"], kept["doubled"]) == (0, 0)
        assert kept["records"] >= 8 * 20
        assert f"{database}: {kept['records']} records" in done.stdout
