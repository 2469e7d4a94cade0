"""What a person gets wrong on the command line is told in two lines, never by a traceback."""

from pathlib import Path

import pytest

from central.setup import initialise
from cli.__main__ import COMMANDS, Command, main
from tests.rigs.central_rig import EVENT
from tickets.key_files import Role, new_key, save_key

EXAMPLE = Path(__file__).parents[2] / "config" / "admit.example.toml"


def told(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    """The lines on standard error of a command that ends with exit code 1."""
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 1
    return capsys.readouterr().err.splitlines()


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a file, and the database and keys of an event."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text("id\nA1\n")
    (tmp_path / "old").mkdir()
    for role in Role:
        save_key(new_key(role, EVENT), tmp_path / "keys")
    initialise("sqlite:///central.db", tmp_path / "keys").database.close()
    return tmp_path


@pytest.mark.parametrize(
    ("command", "cause", "remedy"),
    [
        (
            "journal purge --state none",
            "the state directory none/scanner cannot be used",
            "--state",
        ),
        ("journal purge --state t.csv", "the state directory t.csv/scanner cannot", "--state"),
        ("demo --once --directory old", "old cannot be made: File exists", "a new directory"),
        ("demo --once --directory t.csv/new", "t.csv/new cannot be made: Not a dir", "a new"),
        (f"run {EXAMPLE} --state t.csv", "t.csv/sync cannot be made: Not a dir", "write to"),
        (f"run {EXAMPLE} --state old --run t.csv", "t.csv cannot be made: File ex", "write to"),
        (
            "central serve --port 0 --certificate none --key none",
            "none or none cannot be read: No such file",
            "--certificate and --key",
        ),
        (
            "central serve --port 0 --certificate t.csv",
            "t.csv and the key in it are no certificate and its key",
            "--certificate and --key",
        ),
        ("lane annul entry 1234", "'1234' is no presentation", "the open question on the"),
        ("central serve --port 0 --key t.csv", "key t.csv has no certificate", "--certificate"),
    ],
)
def test_a_wrong_path_is_a_cause_and_a_remedy(
    desk: Path, capsys: pytest.CaptureFixture[str], command: str, cause: str, remedy: str
) -> None:
    """Two lines; and nothing is made or changed on the way."""
    before = (desk / "t.csv").read_bytes()
    first, second = told(capsys, *command.split())
    assert first.startswith(cause)
    assert remedy in second
    assert (desk / "t.csv").read_bytes() == before
    assert not (desk / "none").exists()


def test_a_path_that_no_command_foresaw_is_two_lines_too(
    desk: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last net under every command."""

    def command() -> None:
        (desk / "none").read_bytes()

    monkeypatch.setattr("cli.check.schema", command)
    monkeypatch.setitem(COMMANDS, "schema", Command("cli.check", "schema", ""))
    missing = f"{desk / 'none'}: No such file or directory"
    assert told(capsys, "schema") == [missing, "Check the path and its rights"]
