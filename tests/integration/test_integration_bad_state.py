"""Bad files under a real gate: each is named with a remedy, kept, and outlived."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import Venue
from tests.rigs.central_rig import EVENT, ROOT
from tests.rigs.real_gate import RealGate, until

MISTAKES = """\
[gate]
name = "north gate!"
event = 7
colour = "red"

[trust]
root_keys = ["short"]
threshold = 40

[server]
url = "http://central.example"
claim_budget = 9

[[lane]]
name = "left"
direction = "sideways"
check_in_lst = "main"
readers = ["camera:pigeon:1"]
turnstile = "turnstile:sim?passage=teleport"
release_for = 99
"""


@pytest.fixture
def lone(venue: Venue, tmp_path: Path) -> Iterator[RealGate]:
    """A gate of one test, which may spoil its files; it has not started yet."""
    gate = RealGate(tmp_path, f"lone-{os.urandom(3).hex()}", venue.central, venue.central.url)
    with gate:
        yield gate


def run_once(part: str, gate: RealGate, config: Path) -> subprocess.CompletedProcess[str]:
    """Start a part that should end by itself."""
    command = [sys.executable, "-P", "-m", part, "--config", str(config), "--run", str(gate.run)]
    return subprocess.run(
        [*command, "--state", str(gate.state)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )


@pytest.mark.heavy
@pytest.mark.parametrize("part", ["scanner", "sync"])
def test_a_file_with_ten_mistakes_is_refused_with_all_ten(lone: RealGate, part: str) -> None:
    """One start tells everything that is to be corrected, and with which line."""
    config = lone.directory / "wrong.toml"
    config.write_text(MISTAKES)
    done = run_once(part, lone, config)
    assert done.returncode == 1
    wrong = ["gate.name", "gate.event", "gate.colour", "trust.root_keys", "trust.threshold"]
    wrong += ["server.url", "server.claim_budget", "lane[0].direction", "lane[0].check_in_lst"]
    wrong += ["lane[0].readers", "lane[0].turnstile", "lane[0].release_for"]
    assert [name for name in wrong if name not in done.stderr] == []
    assert "did you mean" in done.stderr
    assert "Traceback" not in done.stderr


def spoil(path: Path, data: bytes = b"no database at all" * 300) -> None:
    """Overwrite a file, log and all."""
    for file in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        file.unlink(missing_ok=True)
    path.write_bytes(data)


@pytest.mark.heavy
def test_a_corrupt_mirror_is_kept_aside_and_fetched_anew(lone: RealGate, venue: Venue) -> None:
    """Both processes start on it; it is said, and a minute later forgotten."""
    lone.start()
    lone.ready()
    lone.enter(venue.code())
    lone.kill("sync")
    lone.kill("scanner")
    spoil(lone.state / "sync" / "mirror.db")
    lone.start()
    lone.ready()
    assert "damaged" in lone.log("sync")
    assert lone.enter(venue.code())["outcome"] == "passage"
    kept = [p.name for p in (lone.state / "sync").iterdir() if "mirror.db." in p.name]
    assert kept


@pytest.mark.heavy
def test_a_mirror_that_vanishes_under_a_running_gate_refuses_nobody(
    lone: RealGate, venue: Venue
) -> None:
    """The books in memory go on; with sync started again everything is fetched anew."""
    lone.start()
    lone.ready()
    lone.kill("sync")
    for file in (lone.state / "sync").glob("mirror.db*"):
        file.unlink()
    verdict = lone.present(venue.code())
    assert (verdict["verdict"], verdict["claim"]) == ("admitted", "unclaimed")
    lone.start("sync")
    lone.ready()
    assert lone.enter(venue.code())["outcome"] == "passage"


@pytest.mark.heavy
def test_a_corrupt_list_file_is_kept_aside_said_and_fetched_again(
    lone: RealGate, venue: Venue
) -> None:
    """scanner never believes it; sync replaces it."""
    lone.start()
    lone.ready()
    lone.kill("sync")
    lone.kill("scanner")
    (listed,) = (lone.state / "sync").glob("list-*.db")
    data = bytearray(listed.read_bytes())
    data[len(data) // 2] ^= 0xFF
    listed.write_bytes(data)
    shutil.rmtree(lone.state / "scanner" / "lists")  # its own copy would still be good
    lone.start("scanner")
    assert "its rows are not what" in lone.fault("list")
    assert not lone.status()["ready"]
    lone.start("sync")
    lone.ready()
    assert "list" not in lone.faults()
    assert listed.with_name(listed.name + ".damaged").exists()
    assert lone.enter(venue.code())["outcome"] == "passage"


@pytest.mark.heavy
def test_a_gate_without_an_identity_says_that_it_is_not_enrolled(
    lone: RealGate, venue: Venue
) -> None:
    """It admits nobody until sync has enrolled it, and then by itself."""
    lone.start("scanner")
    assert "not enrolled" in lone.fault("not_ready")
    assert lone.status()["ready"] is False
    lone.start("sync")
    lone.ready()
    assert lone.enter(venue.code())["outcome"] == "passage"


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (
            json.dumps({"device": "00", "event": "OTHER", "event_key": "00" * 32}),
            "enrolled for event OTHER",
        ),
        (json.dumps({"device": "00", "event": EVENT, "event_key": "00"}), "event key of 1 bytes"),
        ("{", "identity cannot be read"),
        ("", "identity cannot be read"),
        ("[]", "identity cannot be read"),
    ],
    ids=["another event's", "a short key", "no JSON", "nothing", "a list"],
)
@pytest.mark.heavy
def test_an_identity_that_cannot_be_used_is_named_and_admits_nobody(
    lone: RealGate, text: str, cause: str
) -> None:
    """scanner alone, so that nobody mends the file."""
    (lone.state / "sync" / "identity.json").write_text(text)
    lone.start("scanner")
    until(lambda: cause in lone.fault("not_ready"), cause)
    assert lone.status()["ready"] is False


@pytest.mark.heavy
def test_a_gate_holds_to_its_event_key(lone: RealGate, venue: Venue) -> None:
    """Under another key used tickets would have other names: named, and nobody is admitted."""
    lone.start()
    lone.ready()
    lone.kill("sync")
    lone.kill("scanner")
    identity = lone.state / "sync" / "identity.json"
    text = identity.read_text()
    key = venue.central.central.event_key.hex()
    assert key in text
    identity.write_text(text.replace(key, "11" * 32))
    lone.start("scanner")
    assert "another event key than before" in lone.fault("not_ready")
    assert not lone.status()["ready"]
