"""Becoming a device of pretix: by token or by a code, saved before its use, and revoked again."""

import json
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from config.read import parse_config
from store.withdrawn import MARK, Withdrawn, write_mark
from sync.errors import IdentityDamaged
from sync.http import Http
from sync.pretix.awaiting import Awaiting
from sync.pretix.enrolment import PRETIX_FILE, about_us, initialize, load, read_handshake
from sync.pretix.errors import (
    DeviceRevoked,
    HandshakeUnreadable,
    TokenRefused,
    TokenUnknown,
    WrongServer,
)
from sync.pretix.roles import PretixRoles
from sync.withdrawal import finish_wipe, token_hash
from tests.rigs.fake_pretix import REVOKED, FakePretix
from tests.rigs.pretix_gate import NAME, PretixGate
from tests.rigs.sync_scanner import SyncScanner
from tickets.errors import GateError

CONFIG = """\
[gate]
name = "north"
event = "PTX"
[server]
kind = "pretix"
url = "{url}"
{more}
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


def enrol(server: FakePretix, directory: Path, organizer: str | None = None):
    return initialize(Http(server.url), directory, server.token, NAME, organizer)


def code(server: FakePretix, **changes: object) -> str:
    plain = {"handshake_version": 1, "url": server.url, "token": server.token}
    return json.dumps(plain | changes)


# The code


def test_a_set_up_code_is_read():
    text = '{"handshake_version": 1, "url": "https://p.example/", "token": "abcdefgh"}'
    found = read_handshake(text)
    assert (found.url, found.token) == ("https://p.example", "abcdefgh")


@pytest.mark.parametrize(
    ("case", "text"),
    [
        ("of newer software", '{"handshake_version": 2, "url": "https://p", "token": "abcdefgh"}'),
        ("without a token", '{"handshake_version": 1, "url": "https://p"}'),
        ("to a file", '{"handshake_version": 1, "url": "file:///etc", "token": "abcdefgh"}'),
        ("of another shape", "[]"),
        ("cut off", '{"handshake_version": 1'),
        ("deep", "[" * 5000),
        ("empty", ""),
    ],
)
def test_a_code_that_cannot_be_used_is_named(case, text):
    with pytest.raises(HandshakeUnreadable) as caught:
        read_handshake(text)
    assert "abcdefgh" not in str(caught.value)


# Initialize


def test_the_token_is_on_disk_before_anything_is_asked_with_it(server, tmp_path):
    enrolment = enrol(server, tmp_path)
    assert load(tmp_path) == enrolment
    assert [path for path in server.asked if "initialize" not in path] == []
    assert server.told == [{"token": "once-only-token", **about_us()}]


def test_only_sync_may_read_the_token_and_scanner_gets_none_of_it(server, tmp_path):
    enrolment = enrol(server, tmp_path)
    file, public = tmp_path / PRETIX_FILE, tmp_path / "identity.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert enrolment.token not in public.read_text()
    assert enrolment.seed.hex() not in public.read_text()
    assert enrolment.token not in repr(enrolment)


def test_a_token_that_was_used_is_refused_by_name(server, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    token = server.token
    enrol(server, first)
    with pytest.raises(TokenRefused, match="already been used"):
        initialize(Http(server.url), second, token, NAME, None)
    assert load(second) is None


def test_a_token_of_another_organizer_enrols_nobody(server, tmp_path):
    with pytest.raises(WrongServer, match="organizer 'big'"):
        enrol(server, tmp_path, organizer="ours")
    assert load(tmp_path) is None


def test_a_damaged_enrolment_is_named_without_its_content(tmp_path):
    (tmp_path / PRETIX_FILE).write_text('{"token": "SECRET"')
    with pytest.raises(IdentityDamaged) as caught:
        load(tmp_path)
    assert "SECRET" not in str(caught.value)


# A new token


def test_a_rolled_token_is_saved_and_the_gate_goes_on(server, tmp_path):
    gate = PretixGate(tmp_path, server.url, server.token)
    before = gate.badge.token()
    gate.badge.roll(gate.api)
    assert load(tmp_path).token == gate.badge.token() != before
    gate.poll()
    assert gate.puller.fault is None


def test_a_new_token_lost_on_its_way_is_told_as_that(server, tmp_path):
    gate = PretixGate(tmp_path, server.url, server.token)
    server.cut_at = 1
    with pytest.raises(GateError):
        gate.badge.roll(gate.api)
    server.cut_at, server.api_token = None, "U" * 64  # the server has rolled, nobody heard it
    gate = PretixGate(tmp_path, server.url, "")
    gate.poll()
    assert isinstance(gate.puller.fault, TokenUnknown)
    assert "lost while it was exchanged" in gate.puller.fault.cause


def test_an_exchange_that_never_reached_the_server_is_over_with_the_next_answer(server, tmp_path):
    gate = PretixGate(tmp_path, server.url, server.token)
    server.cut_at = 1
    with pytest.raises(GateError):
        gate.badge.roll(gate.api)
    server.cut_at = None
    gate.poll()
    assert not load(tmp_path).rolling


def test_another_version_of_the_software_is_told_once(server, tmp_path):
    gate = PretixGate(tmp_path, server.url, server.token)
    gate.badge.tell(gate.api, lambda: about_us() | {"software_version": "9.9"})
    gate.badge.tell(gate.api, lambda: about_us() | {"software_version": "9.9"})
    assert [told["software_version"] for told in server.told[1:]] == ["9.9"]


# By a code before the camera


def awaiting(server: FakePretix, state: Path, run: Path, more: str) -> Awaiting:
    def wait(_: float) -> None:
        raise SystemExit  # scanner has gone: the test is over

    config = parse_config(CONFIG.format(url=server.url, more=more).encode())
    return Awaiting(
        config,
        Http(server.url),
        state,
        run / "sync.sock",
        alive=lambda: None,
        wait=wait,
    )


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    state, run = tmp_path / "state", tmp_path / "run"
    state.mkdir()
    run.mkdir()
    return state, run


def shown(
    server: FakePretix,
    places: tuple[Path, Path],
    *codes: str,
    more: str,
    found_none: bool = False,
) -> tuple[object, list[str]]:
    """What the gate is enrolled as after these codes were shown in turn, and what it said."""
    scanner = SyncScanner(places[1])
    found: list[object] = []
    waiting = awaiting(server, *places, more)

    def wait_for_it() -> None:
        with suppress(SystemExit):
            found.append(waiting.enrolment())

    thread = threading.Thread(target=wait_for_it, daemon=True)
    thread.start()
    for number, text in enumerate(codes, 1):
        scanner.wait_told(lambda _, number=number: len(scanner.told) >= number)
        scanner.ask({"handshake": text})
    if found_none:
        scanner.wait_told(lambda _: len(scanner.told) > len(codes))
    else:
        thread.join(10)
    scanner.die()
    said = [told["server"]["fault"]["cause"] for told in scanner.told]
    return found[0] if found else None, said


def test_a_code_of_our_server_and_organizer_enrols_the_gate(server, places):
    found, _ = shown(server, places, code(server), more='organizer = "big"')
    assert found == load(places[0])


def test_a_strangers_code_enrols_the_gate_nowhere_and_the_next_one_counts(server, places):
    strange = code(server, url="https://stranger.example")
    found, said = shown(server, places, strange, code(server), more='organizer = "big"')
    assert "stranger.example" in said[1]
    assert found == load(places[0])


def test_a_code_of_a_strangers_organizer_at_our_server_is_refused(server, places):
    found, _ = shown(server, places, code(server), more='organizer = "ours"', found_none=True)
    assert found is None
    assert load(places[0]) is None


def test_an_enrolment_that_a_power_cut_broke_off_is_finished_at_the_next_start(server, places):
    """The token is used up: without this scanner would wait for an enrolment for ever."""
    enrol(server, places[0])
    before = (places[0] / "identity.json").read_bytes()
    (places[0] / "identity.json").unlink()
    found = awaiting(server, *places, 'organizer = "big"').enrolment()
    assert found == load(places[0])
    assert (places[0] / "identity.json").read_bytes() == before


# Revoked


def test_a_revoked_device_ends_itself_whichever_call_is_told(server, tmp_path, places):
    gate = PretixGate(places[0], server.url, server.token)
    server.revoked_device = True
    ended: list[str] = []
    roles = PretixRoles(
        places[1] / "sync.sock",
        gate.server,
        None,
        gate.mirror,
        gate.puller,
        withdrawn=lambda: ended.append("revoked"),
        wait=lambda _: ended and sys.exit(),
    )
    with pytest.raises(SystemExit):
        roles.pull()
    assert ended == ["revoked"]


def withdraw(state: Path, token: str, wiped: bool = True) -> None:
    write_mark(state, Withdrawn("0" * 16, token_hash(token), wiped=wiped))


def test_a_wipe_that_was_cut_short_is_finished(server, places):
    state, _ = places
    enrol(server, state)
    withdraw(state, "", wiped=False)
    finish_wipe(state)
    assert {path.name for path in state.iterdir()} == {MARK}


def test_a_revoked_gate_tries_no_token_that_it_had_before(server, places):
    withdraw(places[0], server.token)
    more = f'token = "{server.token}"'
    found, said = shown(server, places, "{}", more=more, found_none=True)
    assert found is None
    assert server.told == []
    assert "has revoked this device" in said[0]


def test_a_new_code_lets_a_revoked_gate_work_again(server, places):
    withdraw(places[0], "the token before")
    found, _ = shown(server, places, code(server), more='organizer = "big"')
    assert found is not None
    finish_wipe(places[0])
    assert load(places[0]) == found


@pytest.mark.parametrize(
    ("case", "status", "said"),
    [
        ("another token", 401, {"detail": "Invalid token."}),
        ("a rule of some proxy", 403, REVOKED),
        ("a broken server", 500, REVOKED),
    ],
)
def test_only_the_servers_own_word_wipes(server, tmp_path, case, status, said):
    gate = PretixGate(tmp_path, server.url, server.token)
    server.refuse["device/info"] = (status, said)
    gate.poll()
    assert gate.puller.fault is not None
    assert not isinstance(gate.puller.fault, DeviceRevoked)
