"""`admit pretix` and what doctor says of a gate at pretix, in plain words."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.__main__ import main
from cli.doctor_pretix import OFFLINE, SIGNED_ONLY, STOLEN, findings
from config.models import AdmitConfig
from config.read import parse_config
from store.mirror import Mirror, Parked
from store.withdrawn import Withdrawn, write_mark
from sync.pretix.enrolment import load
from sync.pretix.server import WITHOUT_ORDERS
from tests.rigs.fake_pretix import FakePretix
from tests.rigs.pretix_gate import PretixGate

CONFIG = """\
[gate]
name = "north"
event = "PTX"
[server]
kind = "pretix"
url = "{url}"
organizer = "big"
[policy]
list_required = {required}
[[lane]]
name = "entry"
direction = "entry"
check_in_list = "main"
readers = ["camera:files:/nowhere"]
turnstile = "turnstile:sim"
"""


@pytest.fixture
def server() -> Iterator[FakePretix]:
    made = FakePretix()
    yield made
    made.stop()


def admit(*words: str) -> int:
    """Exit code of a command."""
    with pytest.raises(SystemExit) as ended:
        main(["pretix", *words])
    return int(str(ended.value.code or 0))


def config(url: str = "https://pretix.eu", required: str = "true") -> AdmitConfig:
    return parse_config(CONFIG.format(url=url, required=required).encode())


def enrolled(server: FakePretix, state: Path) -> Path:
    directory = state / "sync"
    directory.mkdir()
    PretixGate(directory, server.url, server.token).poll()
    return directory


def test_roll_gives_the_device_a_new_token(server, tmp_path, capsys):
    directory = enrolled(server, tmp_path)
    before = load(directory).token
    file = tmp_path / "admit.toml"
    file.write_text(CONFIG.format(url=server.url, required="true"))
    assert admit("roll", str(file), "--state", str(tmp_path)) == 0
    assert load(directory).token not in (before, "")
    assert load(directory).token not in capsys.readouterr().out


def test_forget_leaves_nothing_of_the_enrolment(server, tmp_path):
    directory = enrolled(server, tmp_path)
    assert admit("forget", "--state", str(tmp_path)) == 0
    left = {path.name for path in directory.iterdir() if not path.name.startswith("mirror")}
    assert left == {"lock"}


def test_without_an_enrolment_there_is_nothing_to_roll(tmp_path, capsys):
    (tmp_path / "sync").mkdir()
    file = tmp_path / "admit.toml"
    file.write_text(CONFIG.format(url="https://pretix.eu", required="true"))
    assert admit("roll", str(file), "--state", str(tmp_path)) == 1
    assert "not enrolled at pretix" in capsys.readouterr().err


def said(directory: Path, required: str = "true") -> dict[str, tuple[str, str]]:
    found = findings(config(required=required), directory)
    return {finding.what: (finding.level, finding.found) for finding in found}


def test_doctor_says_what_the_profile_allows_and_what_a_thief_could(server, tmp_path):
    found = said(enrolled(server, tmp_path))
    assert found["pretix"] == ("good", "a device of big, profile pretixscan")
    assert "every ticket" in found["pretix: offline"][1]
    assert "until you revoke the device" in found["pretix: token"][1]


@pytest.mark.parametrize("profile", sorted(OFFLINE))
def test_doctor_says_of_each_profile_what_it_allows_and_what_a_thief_could(
    server, tmp_path, profile
):
    server.device["security_profile"] = profile
    found = said(enrolled(server, tmp_path), "false")
    assert found["pretix: offline"] == ("good", OFFLINE[profile])
    assert STOLEN[profile] in found["pretix: token"][1]


def test_doctor_warns_of_the_profile_that_may_do_everything(server, tmp_path):
    server.device["security_profile"] = "full"
    assert said(enrolled(server, tmp_path))["pretix: token"][0] == "warn"


@pytest.mark.parametrize(("required", "state"), [("true", "bad"), ("false", "good")])
def test_a_profile_without_orders_needs_signed_codes_to_suffice(server, tmp_path, required, state):
    server.device["security_profile"] = "pretixscan_online_kiosk"
    found = said(enrolled(server, tmp_path), required)
    assert found["pretix: offline"][0] == state


def test_doctor_finds_a_token_that_others_may_read(server, tmp_path):
    directory = enrolled(server, tmp_path)
    (directory / "pretix.json").chmod(0o644)
    assert said(directory)["pretix: token"][0] == "bad"


def test_a_revoked_gate_is_told_so_and_how_to_go_on(tmp_path):
    write_mark(tmp_path, Withdrawn("0" * 16, "", wiped=True))
    (finding,) = findings(config(), tmp_path)
    assert finding.level == "bad"
    assert "revoked" in finding.found
    assert "new device in pretix" in finding.remedy


def test_an_unenrolled_gate_is_told_how(tmp_path):
    (finding,) = findings(config(), tmp_path)
    assert "set-up code" in finding.remedy


def test_every_profile_without_orders_is_described():
    assert OFFLINE.keys() == STOLEN.keys()
    assert WITHOUT_ORDERS == SIGNED_ONLY < OFFLINE.keys()


def test_scans_that_pretix_did_not_take_are_listed_with_the_reason(tmp_path, capsys):
    state = tmp_path / "state"
    (state / "sync").mkdir(parents=True)
    entry = '{"at": 1795000000.0, "lane": "entry", "list": "main (demo)", "verdict": "admitted"}'
    mirror = Mirror(state / "sync" / "mirror.db")
    mirror.acknowledge(b"epoch..1", [1], 1, [Parked(b"epoch..1", 1, "not there", entry)])
    with pytest.raises(SystemExit) as ended:
        main(["pretix", "parked", "--state", str(state)])
    said = capsys.readouterr().out
    assert ended.value.code == 0
    assert "UTC  lane entry  admitted at main (demo): not there" in said
    assert "1 scan(s) parked." in said


def test_without_a_mirror_nothing_can_be_listed(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["pretix", "parked", "--state", str(tmp_path)])
    assert ended.value.code == 1
    assert "cannot be read" in capsys.readouterr().err
