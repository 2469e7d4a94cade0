"""A few thousand inputs for every parser, grown by coverage, the same in each run.

Needs atheris, which has wheels for x86-64 alone. On any other machine the rule is: the seeds and
finds are replayed instead, and the result says so. The long run is `make fuzz`.
"""

import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.run import ENGINE
from tests.fuzz.targets import TARGETS, inputs

RUNS = 2000


@pytest.mark.heavy
@pytest.mark.timeout(600)
def test_no_parser_lets_anything_escape(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.fuzz.run", f"--runs={RUNS}", "--seed=1"]
    command += [f"--finds={tmp_path}/finds", f"--output={tmp_path}/told.json"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-4000:]
    told = json.loads((tmp_path / "told.json").read_text())
    assert told["finds"] == 0
    assert {result["target"] for result in told["results"]} == set(TARGETS)
    for result in told["results"]:
        least = RUNS if ENGINE == "atheris" else len(list(inputs(result["target"])))
        assert result["executions"] >= least, result


def test_the_lesser_engine_is_for_machines_without_atheris() -> None:
    linux = platform.machine() == "x86_64" and sys.platform == "linux"
    assert ("atheris" if linux else "seeds") == ENGINE
