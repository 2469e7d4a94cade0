"""Accounts and progress by command."""

import io
import json
from pathlib import Path

import pyotp
import pytest

from cli.__main__ import main
from cli.progress import EVERY_ROWS, shown_progress
from tests.rigs.central_rig import CentralRig, make_event


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CentralRig:
    """An event in the current directory."""
    rig = make_event(tmp_path, csv=None)
    rig.central.database.close()
    monkeypatch.chdir(tmp_path)
    return rig


def admit(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["central", *words])
    return int(ended.value.code or 0)


def test_a_new_account_is_told_once_with_all_that_is_needed(
    rig: CentralRig, capsys: pytest.CaptureFixture[str]
) -> None:
    """A QR code for the terminal, the same to type, the one-time secret, and where to go."""
    assert admit("user", "add", "ada") == 0
    told = capsys.readouterr().out
    assert "█" in told
    assert "one-time secret" in told
    assert admit("user", "add", "ada") == 1, "the name is taken"
    assert "admit central user reset ada" in capsys.readouterr().err
    assert admit("user", "list", "--json") == 0
    row = json.loads(capsys.readouterr().out)
    assert row == {
        "name": "ada",
        "role": "organiser",
        "password": "not chosen yet",
        "sessions": 0,
    }


def test_the_address_of_the_second_factor_is_what_apps_read(
    rig: CentralRig, capsys: pytest.CaptureFixture[str]
) -> None:
    """Source: the key URI format of authenticator apps."""
    admit("user", "add", "vic", "--viewer", "--json")
    made = json.loads(capsys.readouterr().out)
    read = pyotp.parse_uri(made["otpauth"])
    assert (read.name, read.issuer) == ("vic", "Admit FEST2026")


@pytest.mark.parametrize("name", ["", "Ada", "a b", "x" * 33, "<b>", "../x"])
def test_a_name_that_cannot_be_typed_is_refused(rig: CentralRig, name: str) -> None:
    assert admit("user", "add", name) == 1


def test_alone_the_command_says_what_comes_next(
    rig: CentralRig, capsys: pytest.CaptureFixture[str]
) -> None:
    admit()
    assert "Next: admit central user add NAME" in capsys.readouterr().out
    admit("user", "add", "ada")
    admit()
    assert "Next: admit central serve" in capsys.readouterr().out


def test_a_long_import_is_not_silent(capsys: pytest.CaptureFixture[str]) -> None:
    """Where nobody sits at a terminal: a line now and then."""
    now = iter(range(100))
    with shown_progress(lambda: float(next(now))) as tell:
        for rows in range(500, 3 * EVERY_ROWS, 500):
            if rows % 50_000 == 0:
                tell("rows", rows)
        tell("list", 3 * EVERY_ROWS)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[0] for line in lines] == ["100,000", "200,000"]


def test_on_a_terminal_one_line_renews_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen, now = Terminal(), iter(range(100))
    monkeypatch.setattr("sys.stderr", screen)
    with shown_progress(lambda: float(next(now))) as tell:
        tell("rows", 500)
        tell("list", 500)
    assert "500 rows read" in screen.getvalue()
    assert "500 rows signed into the list" in screen.getvalue()
    assert "\n" not in screen.getvalue()
    assert screen.getvalue().endswith("\r")
