"""`admit journal`: what was recorded, from a file, a stopped gate or a running one."""

import base64
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from cli.__main__ import main
from store.journal import Journal, verify_chain
from store.records import Entry, Kind, Record, entry_from_json

EVENT = "FEST2026"
RECORDS = 700
"""More than one page, and more than one message, of a running gate's answer."""
ROOT = Path(__file__).parents[2]
ROOT_KEY = base64.b64encode(bytes(SigningKey(b"R" * 32).verify_key)).decode()
CONFIG = f"""\
[gate]
name = "north"
event = "{EVENT}"
[trust]
root_keys = ["{ROOT_KEY}"]
[server]
kind = "none"
[[lane]]
name = "entry-1"
direction = "entry"
check_in_list = "main"
readers = ["camera:files:DIRECTORY"]
turnstile = "turnstile:sim"
"""


@dataclass(frozen=True)
class Said:
    """What a command said."""

    code: int
    out: str
    err: str


@pytest.fixture
def admit(capsys):
    """Run a command as a shell would."""

    def run(*words: object) -> Said:
        code = 0
        try:
            main([str(word) for word in words])
        except SystemExit as ended:
            code = int(ended.code or 0)
        captured = capsys.readouterr()
        return Said(code, captured.out, captured.err)

    return run


def fill(path: Path, records: int = RECORDS) -> Path:
    """A journal of a gate that was stopped."""
    path.parent.mkdir(parents=True, exist_ok=True)
    journal = Journal(path, EVENT)
    with journal.transaction():
        for number in range(records):
            scan = Record(Kind.SCAN, number.to_bytes(16, "big"), at=1_795_000_000.0 + number)
            journal.append(scan)
    journal.close()
    return path


def flaw(path: Path) -> None:
    """Change a word in the middle of the file."""
    data = bytearray(path.read_bytes())
    at = data.index(b"scan", len(data) // 2)
    data[at : at + 4] = b"scab"
    path.write_bytes(data)


def entries(text: str) -> list[Entry]:
    return [entry_from_json(json.loads(line)) for line in text.splitlines()]


# -- a file --------------------------------------------------------------------------------------


def test_a_file_is_listed_oldest_first(tmp_path, admit):
    """A line a record, with number, time and kind."""
    path = fill(tmp_path / "journal.db", 3)
    said = admit("journal", "list", "--file", path)
    assert said.code == 0
    assert [line.split()[0] for line in said.out.splitlines()] == ["1", "2", "3"]
    assert "scan" in said.out


def test_the_last_records_can_be_listed_alone(tmp_path, admit):
    """In the same order."""
    path = fill(tmp_path / "journal.db", 9)
    said = admit("journal", "list", "--file", path, "--last", 2, "--json")
    assert [entry.seq for entry in entries(said.out)] == [8, 9]


def test_a_whole_chain_is_said_to_be_whole(tmp_path, admit):
    """In words and as JSON."""
    path = fill(tmp_path / "journal.db")
    assert admit("journal", "verify", "--file", path).out == f"{RECORDS} records, chain whole\n"
    said = admit("journal", "verify", "--file", path, "--json")
    assert json.loads(said.out) == {"records": RECORDS, "wrong": None}


def test_a_broken_chain_is_a_fault(tmp_path, admit):
    """Exit code 1 with the number of the record that was changed."""
    path = fill(tmp_path / "journal.db", 40)
    data = path.read_bytes()
    path.write_bytes(data.replace((20).to_bytes(16, "big"), bytes(16)))
    said = admit("journal", "verify", "--file", path, "--json")
    assert said.code == 1
    assert json.loads(said.out) == {"records": 20, "wrong": "record 21 was changed"}


def test_an_export_is_read_back_as_it_was(tmp_path, admit):
    """Every field, so that the chain can be verified from the export alone."""
    path, out = fill(tmp_path / "journal.db"), tmp_path / "out.jsonl"
    said = admit("journal", "export", out, "--file", path)
    assert (said.code, said.out) == (0, f"{RECORDS} records in {out}\n")
    assert verify_chain(entries(out.read_text())) == (RECORDS, "")


def test_an_export_overwrites_nothing(tmp_path, admit):
    """It may be the only copy of another evening."""
    path, out = fill(tmp_path / "journal.db"), tmp_path / "out.jsonl"
    out.write_text("last night")
    said = admit("journal", "export", out, "--file", path)
    assert said.code == 1
    assert "File exists" in said.err
    assert "overwrites nothing" in said.err
    assert out.read_text() == "last night"


def test_an_export_of_a_damaged_journal_saves_what_comes_before_the_damage(tmp_path, admit):
    """And says how many records that is."""
    path, out = fill(tmp_path / "journal.db"), tmp_path / "out.jsonl"
    flaw(path)
    said = admit("journal", "export", out, "--file", path)
    assert said.code == 1
    saved = entries(out.read_text())
    assert verify_chain(saved) == (len(saved), "")
    assert f"the {len(saved)} records before it are in {out}" in said.err
    assert 0 < len(saved) < RECORDS


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        pytest.param(None, "no journal", id="missing"),
        pytest.param(b"", "damaged", id="empty"),
        pytest.param(b"once upon a time" * 512, "damaged", id="no database"),
    ],
)
@pytest.mark.parametrize("command", ["list", "verify", "export"])
def test_what_is_no_journal_is_named(tmp_path, admit, command, content, cause):
    """Cause and remedy, exit code 1; an export leaves no empty file behind."""
    path, out = tmp_path / "journal.db", tmp_path / "out.jsonl"
    if content is not None:
        path.write_bytes(content)
    said = admit("journal", command, *([out] if command == "export" else []), "--file", path)
    assert said.code == 1
    assert cause in said.err
    assert len(said.err.splitlines()) == 2
    assert not out.exists()


def test_an_export_into_a_missing_directory_is_named(tmp_path, admit):
    """No traceback for a typing error."""
    path = fill(tmp_path / "journal.db", 1)
    said = admit("journal", "export", tmp_path / "gone" / "out.jsonl", "--file", path)
    assert said.code == 1
    assert "No such file" in said.err


# -- a gate --------------------------------------------------------------------------------------


def gate_command(directory: Path, run: str = "run") -> list[str]:
    """The command that runs a scanner on a state directory."""
    config = directory / "admit.toml"
    (directory / "camera").mkdir(exist_ok=True)
    config.write_text(CONFIG.replace("DIRECTORY", str(directory / "camera")))
    command = [sys.executable, "-P", "-m", "scanner", "--config", str(config)]
    return [*command, "--state", str(directory / "state"), "--run", str(directory / run)]


ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A real scanner on a journal with records; the directory of its state and sockets."""
    directory = tmp_path_factory.mktemp("gate")
    fill(directory / "state" / "scanner" / "journal.db")
    gate = subprocess.Popen(
        gate_command(directory), env=ENVIRONMENT, stderr=subprocess.PIPE, text=True
    )
    with gate:
        assert gate.stderr is not None
        assert any("is ready" in line for line in gate.stderr)
        yield directory
        gate.send_signal(signal.SIGKILL)


def test_a_stopped_gates_journal_is_found_by_its_state(tmp_path, admit):
    """No socket answers: the file is read."""
    fill(tmp_path / "scanner" / "journal.db", 5)
    said = admit("journal", "verify", "--state", tmp_path, "--run", tmp_path / "run")
    assert said.out == "5 records, chain whole\n"


def test_a_running_gate_is_asked(running, tmp_path, admit):
    """All of its records, in as many messages as it takes, in order and chained."""
    out = tmp_path / "out.jsonl"
    said = admit("journal", "verify", "--run", running / "run", "--state", tmp_path, "--json")
    found = json.loads(said.out)
    assert found["records"] >= RECORDS
    assert found["wrong"] is None
    assert admit("journal", "export", out, "--run", running / "run").code == 0
    assert verify_chain(entries(out.read_text()))[0] >= RECORDS
    said = admit("journal", "list", "--run", running / "run", "--json")
    assert [e.seq for e in entries(said.out)][:RECORDS] == list(range(1, RECORDS + 1))


def test_a_running_gates_file_is_not_read_behind_its_back(running, tmp_path, admit):
    """I6: a foreign reader could hold up a lane. The remedy names the option that was wrong."""
    said = admit("journal", "list", "--state", running / "state", "--run", tmp_path)
    assert said.code == 1
    assert "a gate is running" in said.err
    assert "--run" in said.err


def test_a_second_scanner_on_the_same_state_refuses_to_start(running, admit):
    """I6: exit code 1, cause and remedy; the first one goes on with its sockets and its file."""
    second = subprocess.run(
        gate_command(running), env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert second.returncode == 1
    cause, remedy = second.stderr.splitlines()[-2:]
    assert cause == f"another scanner is running on {running / 'state' / 'scanner'}"
    assert "Stop it first" in remedy
    first = json.loads(admit("status", "--run", running / "run", "--json").out)
    assert first["journal"]["seq"] >= RECORDS
    assert (running / "state" / "scanner" / "journal.db").stat().st_mode & 0o777 == 0o600
