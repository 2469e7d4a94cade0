"""`admit doctor` on who the gate is: what is wrong is named, with what to do."""

import json
from pathlib import Path
from typing import Any

import pytest

from cli.doctor_identity import findings
from cli.findings import Level
from config.models import AdmitConfig
from store.withdrawn import Withdrawn, write_mark

CONFIG = AdmitConfig.model_validate(
    {
        "gate": {"name": "north", "event": "FEST2026"},
        "trust": {"root_keys": ["A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="]},
        "server": {"url": "http://127.0.0.1:1"},
        "lane": [
            {
                "name": "entry",
                "direction": "entry",
                "check_in_list": "main",
                "readers": ["camera:files:/tmp"],
                "turnstile": "turnstile:sim",
            }
        ],
    }
)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The state of an enrolled gate."""
    sync = tmp_path / "sync"
    sync.mkdir()
    (sync / "device.key").touch(mode=0o600)
    (sync / "identity.json").write_text(json.dumps({"device": "ab" * 8}))
    return tmp_path


def told(state: Path, status: dict[str, Any] | None = None) -> dict[str, tuple[Level, str]]:
    """What is found, by what was looked at."""
    return {f.what: (f.level, f.found) for f in findings(CONFIG, state, status)}


def test_an_enrolled_gate_is_named_by_number_key_bearer_and_head(state: Path) -> None:
    found = told(state, {"server": {"bearer": 7200, "head": 41}})
    assert all(level is Level.GOOD for level, _ in found.values()), found
    assert "ab" * 8 in found["identity"][1]
    assert "2 h" in found["identity: bearer"][1]
    assert "record 41" in found["identity: journal head"][1]
    kept = found["identity: protection"][1]
    assert kept.startswith("device key, event key: file rights alone")
    assert "withdraw it at once" in kept


def test_a_key_that_others_may_read_is_bad(state: Path) -> None:
    (state / "sync" / "device.key").chmod(0o644)
    assert told(state)["identity: device key"][0] is Level.BAD


@pytest.mark.parametrize("text", [None, "", "[]", "{}"])
def test_a_missing_or_damaged_enrolment_is_bad(state: Path, text: str | None) -> None:
    path = state / "sync" / "identity.json"
    path.unlink() if text is None else path.write_text(text)
    assert told(state)["identity"][0] is Level.BAD


def test_a_withdrawn_gate_is_bad_and_says_how_to_go_on(state: Path) -> None:
    write_mark(state / "sync", Withdrawn("ab" * 8, ""))
    (found,) = findings(CONFIG, state, None)
    assert found.level is Level.BAD
    assert "withdrawn" in found.found and "admit central token" in found.remedy


def test_no_bearer_is_worth_a_look(state: Path) -> None:
    found = told(state, {"server": {"bearer": None, "head": None}})
    assert found["identity: bearer"][0] is Level.WARN
