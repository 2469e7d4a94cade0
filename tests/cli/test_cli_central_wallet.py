"""`admit central wallet` writes a link for each ticket, for nobody else to read."""

import csv
import stat
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from central.errors import CentralFault
from cli.__main__ import build
from tests.rigs.central_rig import CentralRig, make_event
from tickets.errors import GateError
from tickets.key_files import KeyFault, Role, key_path, load_key

URL = "https://tickets.example"
DOORS = "2026-11-18T18:00+01:00"


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> CentralRig:
    return make_event(tmp_path_factory.mktemp("event"))


def run(*words: object) -> Any:
    return CliRunner().invoke(build(str(words[0])), [str(word) for word in words])


def wallet(rig: CentralRig, out: Path, url: str = URL, doors: str = DOORS) -> Any:
    where = ("--db", rig.db, "--keys", rig.keys)
    return run("central", "wallet", out, "--url", url, "--doors", doors, *where)


def test_every_signed_ticket_has_a_line_that_its_owner_alone_can_read(
    rig: CentralRig, tmp_path: Path
) -> None:
    out = tmp_path / "links.csv"
    result = wallet(rig, out)
    assert result.exit_code == 0, result.exception
    with out.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == ["A1", "A2", "A3", "G4", "S1", "U0", "X9"]
    assert all(row["link"].startswith(f"{URL}/wallet/#") for row in rows)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert "7 links" in result.output
    assert rows[0]["link"].rpartition("#")[2] not in result.output


@pytest.mark.parametrize("doors", ["", "tonight", "2026-11-18T18:00", "18:00+01:00"])
def test_doors_without_a_zone_are_refused(rig: CentralRig, tmp_path: Path, doors: str) -> None:
    result = wallet(rig, tmp_path / "links.csv", doors=doors)
    assert isinstance(result.exception, CentralFault)
    assert not (tmp_path / "links.csv").exists()


def test_a_file_that_is_there_is_left_alone(rig: CentralRig, tmp_path: Path) -> None:
    out = tmp_path / "links.csv"
    out.write_text("mine")
    assert "exists already" in str(wallet(rig, out).exception)
    assert out.read_text() == "mine"


def test_a_directory_that_is_not_there_is_named(rig: CentralRig, tmp_path: Path) -> None:
    assert isinstance(wallet(rig, tmp_path / "no" / "links.csv").exception, GateError)


def test_an_event_of_before_gets_a_wallet_key_and_only_once(tmp_path: Path) -> None:
    run("keys", "new", "--out", tmp_path, "--event", "FEST26")
    key_path(tmp_path, Role.WALLET).unlink()
    assert run("keys", "wallet", "--keys", tmp_path).exit_code == 0
    assert load_key(tmp_path, Role.WALLET).event == "FEST26"
    assert isinstance(run("keys", "wallet", "--keys", tmp_path).exception, KeyFault)
