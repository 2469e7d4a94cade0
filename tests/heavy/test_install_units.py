"""The units and scripts as the tools of their trade see them, without a machine to run on."""

import subprocess
from pathlib import Path

import pytest

from tests.rigs.machine_rig import ROOT

pytestmark = pytest.mark.heavy

UNITS = ("admit-scanner", "admit-sync", "admit-screen")


@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_has_no_fault_and_no_misspelt_word(unit: str, tmp_path: Path) -> None:
    """systemd only warns of a key it does not know, and then does without it."""
    text = (ROOT / "systemd" / f"{unit}.service").read_text()
    copy = tmp_path / f"{unit}.service"
    copy.write_text(text.replace("/opt/admit/current/bin/python", "/bin/true"))
    assert _run("systemd-analyze", "verify", "--man=no", str(copy)) == (0, "")
    copy.write_text(copy.read_text().replace("PrivateTmp", "PrivateTemp"))
    assert "PrivateTemp" in _run("systemd-analyze", "verify", "--man=no", str(copy))[1]


@pytest.mark.parametrize("dropin", sorted(ROOT.glob("systemd/reader-*.conf")), ids=lambda p: p.stem)
def test_what_a_reader_adds_has_no_misspelt_word_and_leaves_the_network_empty(
    dropin: Path, tmp_path: Path
) -> None:
    """Each stays within what the unit may be exposed to."""
    unit = tmp_path / "admit-scanner.service"
    text = (ROOT / "systemd" / unit.name).read_text()
    unit.write_text(text.replace("/opt/admit/current/bin/python", "/bin/true"))
    unit.write_text(f"{unit.read_text()}\n{dropin.read_text()}")
    assert _run("systemd-analyze", "verify", "--man=no", str(unit)) == (0, "")
    assert "AF_INET" not in dropin.read_text()
    words = ("security", "--offline=true", "--threshold=20", "--no-pager", str(unit))
    status, said = _run("systemd-analyze", *words)
    assert status == 0, said


@pytest.mark.parametrize(("unit", "most"), [("scanner", 20), ("sync", 15), ("screen", 20)])
def test_a_unit_is_exposed_no_more_than_it_must(unit: str, most: int) -> None:
    """systemd's own score, 0 to 100; without any protection it is 96."""
    path = ROOT / "systemd" / f"admit-{unit}.service"
    words = ("security", "--offline=true", f"--threshold={most}", "--no-pager", str(path))
    status, said = _run("systemd-analyze", *words)
    assert status == 0, said


@pytest.mark.parametrize("script", ["install", "tests/rigs/nsp", ".ci/run"])
def test_a_script_has_nothing_that_shellcheck_knows(script: str) -> None:
    """Quoting above all."""
    assert _run("shellcheck", str(ROOT / script)) == (0, "")


def _run(*words: str) -> tuple[int, str]:
    done = subprocess.run(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return done.returncode, done.stdout.strip()
