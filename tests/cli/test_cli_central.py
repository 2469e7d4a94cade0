"""`admit central`: what the lists say."""

import json
from pathlib import Path

import pytest
from sqlalchemy import insert
from typer.testing import CliRunner

from central import schema
from central.app import create_app
from central.organiser import audit, overview
from central.organiser.backup import backup
from cli.central import app
from tests.central.conftest import TestClient
from tests.rigs.central_rig import Device, database_url, make_event
from tickets.errors import GateError


@pytest.mark.parametrize("name", ["who", "gates", "conflicts", "parked", "alarms"])
def test_an_empty_list_says_so_to_a_person_alone(tmp_path: Path, name: str) -> None:
    """A blank screen could be a fault as well; a program counts the lines."""
    make_event(tmp_path).central.database.close()
    words = [name, "--db", database_url(tmp_path), "--keys", str(tmp_path / "keys")]
    assert CliRunner().invoke(app, words).output == "none\n"
    assert CliRunner().invoke(app, [*words, "--json"]).output == ""


def admit(directory: Path, *words: str) -> tuple[int, str]:
    """A command at the event in ``directory``: its exit code, and all that it says."""
    where = ["--db", database_url(directory), "--keys", str(directory / "keys")]
    done = CliRunner().invoke(app, [*words, *where])
    if isinstance(done.exception, GateError):
        return 1, f"{done.output}{done.exception.cause}\n{done.exception.remedy}\n"
    assert isinstance(done.exception, SystemExit | None), done.exception
    return done.exit_code, done.output


def test_who_tells_of_every_entry(tmp_path: Path) -> None:
    """The page names it for all of them, beyond what a page shows."""
    rig = make_event(tmp_path)
    device = {"device": "00" * 8, "public_key": bytes(32), "gate": "north", "software": "x"}
    rows = [
        {
            "presentation": number.to_bytes(16, "big"),
            "cursor": number,
            "ticket_key": rig.key("U0"),
            "list": "main",
            "direction": "entry",
            "at": float(number),
            "gate": "north",
            "device": device["device"],
            "epoch": bytes(8),
            "stands": True,
        }
        for number in range(1, 2 * overview.MOST + 3)
    ]
    with rig.central.database.writing() as connection:
        connection.execute(insert(schema.device), device | {"enrolled": 1.0})
        connection.execute(insert(schema.redemption), rows)
    rig.central.database.close()
    lines = admit(tmp_path, "who", "--json")[1].splitlines()
    assert [json.loads(line)["at"] for line in lines] == [row["at"] for row in reversed(rows)]


@pytest.mark.parametrize("event", ["FEST2026", "OTHER26"])
def test_a_restore_that_cannot_go_on_changes_nothing(tmp_path: Path, event: str) -> None:
    """With the keys of another event, or a copy of it: told before a file is moved."""
    mine, other = tmp_path / "mine", tmp_path / "other"
    for directory, name in ((mine, "FEST2026"), (other, event)):
        directory.mkdir()
        make_event(directory, event=name, policy=None).central.database.close()
    copy = tmp_path / "copy"
    backup(database_url(other), copy)
    if event == "FEST2026":
        (mine / "keys" / "list.toml").unlink()
    before = (mine / "central.db").read_bytes()
    code, said = admit(mine, "restore", str(copy))
    assert code == 1, said
    assert (mine / "central.db").read_bytes() == before
    assert [path.name for path in mine.iterdir() if "before" in path.name] == []


def test_to_let_everybody_try_again_is_in_the_log(tmp_path: Path) -> None:
    """Every change by command is: this one lifts what slows guessing down."""
    rig = make_event(tmp_path)
    assert admit(tmp_path, "user", "unlock")[0] == 0
    row = audit.log(rig.central)[0]
    assert (row["person"], row["action"], row["outcome"]) == ("command line", "user unlock", "done")
    rig.central.database.close()


def test_alone_the_command_does_not_call_a_damaged_database_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """'init' is for who has none."""
    monkeypatch.chdir(tmp_path)
    make_event(tmp_path).central.database.close()
    database = tmp_path / "central.db"
    database.write_bytes(b"damaged " * 1000)
    said = CliRunner().invoke(app, []).output
    assert "admit central init" not in said
    assert "restore the last copy" in said
    database.unlink()
    assert "Next: admit central init\n" in CliRunner().invoke(app, []).output


def test_what_a_gate_writes_moves_nothing_on_the_terminal(tmp_path: Path) -> None:
    """A hacked gate names its check-in list so that other lines vanish."""
    rig = make_event(tmp_path)
    gate = Device(TestClient(create_app(rig.central)), rig.enrol_token("north"), "north")
    entered = b"\1" * 16
    gate.upload(gate.scan(entered, rig.key("A1"), list="\x1b[2Jmain\x9b2K\r\n"))
    rig.central.database.close()
    line = admit(tmp_path, "who")[1]
    assert "A1" in line
    assert all(character.isprintable() for character in line.removesuffix("\n"))


def test_an_import_names_the_codes_that_can_be_guessed(tmp_path: Path) -> None:
    """With the first lines and what to do; those that nobody can guess keep a sealed name."""
    make_event(tmp_path).central.database.close()
    csv = tmp_path / "tickets.csv"
    csv.write_text("id,name,code\nN1,Ada Lovelace,\nN2,Grace Hopper,1001\nN3,Alan Turing,1002\n")
    status, said = admit(tmp_path, "import", str(csv))
    assert status == 0
    assert "3 tickets imported, 1 with a sealed name" in said
    assert "2 codes are short or in a series (line 3, 4)" in said
    assert "18 or more random letters" in said
    _, told = admit(tmp_path, "import", str(csv), "--json")
    assert {"named": 1, "weak": 2}.items() <= json.loads(told).items()
