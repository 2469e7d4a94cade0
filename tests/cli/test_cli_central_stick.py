"""The organiser's two commands for an event without a network."""

import json

import pytest
from nacl.signing import SigningKey
from typer.testing import CliRunner

from cli.__main__ import build
from store.heads import sign_head
from store.stick import Stick
from store.stick_records import signed_records
from tests.rigs.central_rig import make_event
from tickets.errors import GateError


def run(*words):
    return CliRunner().invoke(build(str(words[0])), [str(word) for word in words])


@pytest.fixture
def event(tmp_path):
    (tmp_path / "stick").mkdir()
    rig = make_event(tmp_path)
    yield rig
    rig.central.database.close()


@pytest.fixture
def central(event):
    """Run one command of `admit central` on the event."""
    return lambda *words: run("central", *words, "--db", event.db, "--keys", event.keys)


def asks(stick, gate="north"):
    """A gate asks on the stick; returns its key."""
    key = SigningKey.generate()
    request = {"gate": gate, "public_key": key.verify_key.encode().hex()}
    Stick(stick).write("requests/any.json", json.dumps(request).encode())
    return key


def test_a_gate_that_asks_is_told_with_its_number_and_enrolled_by_it(central, tmp_path):
    stick = tmp_path / "stick"
    assert "may be pulled out" in central("stick", stick).output
    asks(stick)
    (number,) = json.loads(central("stick", stick, "--json").output)["waiting"]
    told = central("stick", stick).output
    assert f"--enrol {number}" in told
    assert "gate north is enrolled" in central("stick", stick, "--enrol", number).output
    assert json.loads(central("stick", stick, "--json").output)["waiting"] == {}
    assert Stick(stick).names("enrolments") == [f"enrolments/{number}"]


def test_a_number_that_nobody_asks_under_is_a_named_fault(central, tmp_path):
    result = central("stick", tmp_path / "stick", "--enrol", "0" * 16)
    assert isinstance(result.exception, GateError)
    assert "no gate 0000" in result.exception.cause


def test_a_stick_of_another_event_is_not_written_over(central, tmp_path):
    (tmp_path / "two").mkdir()
    other = make_event(tmp_path / "two", event="OTHER")
    central("stick", tmp_path / "stick")
    result = run("central", "stick", tmp_path / "stick", "--db", other.db, "--keys", other.keys)
    assert "FEST2026" in result.exception.cause
    result = run(
        "central", "import-records", tmp_path / "stick", "--db", other.db, "--keys", other.keys
    )
    assert "FEST2026" in result.exception.cause
    other.central.database.close()


def test_what_cannot_be_taken_is_named_and_the_exit_code_tells(central, tmp_path):
    stick = tmp_path / "stick"
    central("stick", stick)
    key = SigningKey.generate()
    head = sign_head(key, "ab" * 8, bytes(8), (0, bytes(32)), 1000)
    signed = signed_records(key, head, [])
    Stick(stick).write(f"records/{'a' * 16}-{'0' * 16}-0000000001", signed)
    result = central("import-records", stick)
    assert result.exit_code == 1
    assert f"gate {'a' * 16}, which is not enrolled here" in result.output
    assert json.loads(central("import-records", stick, "--json").output.splitlines()[-1]) == {
        "stored": 0,
        "duplicate": 0,
        "parked": 0,
        "fork": 0,
        "conflicts": 0,
        "left_out": 1,
    }


def test_no_stick_is_a_named_fault(central, tmp_path):
    for command in ("stick", "import-records"):
        result = central(command, tmp_path / "nowhere")
        assert isinstance(result.exception, GateError)
