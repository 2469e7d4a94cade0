"""Enrolment: a key made here, a token that works once, and no gate lost with an answer."""

import json
import socket
import stat
import threading

import pytest

from sync.answers import Bearer
from sync.errors import (
    AnswerMalformed,
    EnrolmentMissing,
    IdentityDamaged,
    ServerFault,
    ServerRefused,
    WrongEvent,
)
from sync.http import Http
from sync.identity import Bearers, device_key, enrol, load_identity
from tests.rigs.server import EVENT, EVENT_KEY, Server


def enrolled(server: Server, directory, token="token-123", event=EVENT):
    return enrol(Http(server.url), directory, token, "north", event)


def test_the_device_key_is_made_once_and_is_its_owners_alone(tmp_path):
    key = device_key(tmp_path)
    assert device_key(tmp_path).encode() == key.encode()
    assert stat.S_IMODE((tmp_path / "device.key").stat().st_mode) == 0o600


def test_a_key_half_written_by_a_power_cut_is_made_anew(tmp_path):
    (tmp_path / ".device.key.new").write_bytes(b"ab")
    assert len(device_key(tmp_path).encode()) == 32


def test_enrolment_is_saved_for_scanner_to_read(server, tmp_path):
    identity = enrolled(server, tmp_path)
    assert (identity.event, identity.event_key) == (EVENT, EVENT_KEY)
    path = tmp_path / "identity.json"
    assert json.loads(path.read_text())["device"] == identity.device
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert load_identity(tmp_path) == identity


def test_a_lost_answer_loses_no_gate(server, tmp_path):
    """The same token with the same key is answered again, by a gate that was restarted too."""
    server.answer_twice()
    with pytest.raises(AnswerMalformed):
        enrolled(server, tmp_path)
    assert load_identity(tmp_path) is None
    assert enrolled(server, tmp_path) == load_identity(tmp_path)
    assert len(server.enrolled) == 1


def test_a_token_used_by_another_gate_is_refused(server, tmp_path):
    server.enrolled["token-123"] = "another key"
    with pytest.raises(ServerRefused, match="token_refused"):
        enrolled(server, tmp_path)


def test_an_enrolled_gate_needs_no_token_and_asks_nobody(server, tmp_path):
    identity = enrolled(server, tmp_path)
    server.go_offline()
    assert enrolled(server, tmp_path, token=None) == identity


def test_a_gate_without_token_says_what_is_missing(server, tmp_path):
    with pytest.raises(EnrolmentMissing):
        enrolled(server, tmp_path, token=None)


def test_an_enrolment_for_another_event_is_not_kept(server, tmp_path):
    with pytest.raises(WrongEvent):
        enrolled(server, tmp_path, event="OTHER")
    assert load_identity(tmp_path) is None


@pytest.mark.parametrize("content", [b"", b"{", b"\xff" * 64, b"[]", b'{"device": "x"}'])
def test_a_damaged_identity_is_named(tmp_path, content):
    (tmp_path / "identity.json").write_bytes(content)
    (tmp_path / "device.key").write_bytes(content)
    with pytest.raises(IdentityDamaged):
        load_identity(tmp_path)
    with pytest.raises(IdentityDamaged):
        device_key(tmp_path)


def test_a_bearer_is_renewed_before_its_day_ends_and_when_it_is_refused(server, tmp_path):
    now = [0.0]
    http = Http(server.url)
    identity = enrolled(server, tmp_path)
    bearers = Bearers(http, identity, device_key(tmp_path), monotonic=lambda: now[0])
    first = bearers.get(5.0)
    now[0] = 80_000.0
    assert bearers.get(5.0) == first
    now[0] = 83_000.0
    second = bearers.get(5.0)
    assert second != first
    bearers.drop(first)
    assert bearers.held() == second, "only the one that was refused is dropped"
    bearers.drop(second)
    assert bearers.held() is None


def test_a_call_with_a_bearer_that_ran_out_is_made_once_more(server, gate):
    server.bearers += 1  # the server forgot ours
    assert gate.redemptions(0) == ([], 0)


def test_the_key_of_the_cards_lies_in_a_file_of_its_own(server, tmp_path):
    """The lane process reads the identity, and must not hold what cards prove themselves by."""
    server.card_key = "ab" * 16
    enrolled(server, tmp_path)
    path = tmp_path / "cards.json"
    assert json.loads(path.read_text()) == {"event": EVENT, "card_key": "ab" * 16}
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert "ab" * 16 not in (tmp_path / "identity.json").read_text()


def test_an_event_without_cards_leaves_no_key_of_them(server, tmp_path):
    (tmp_path / "cards.json").write_text("of the event before")
    enrolled(server, tmp_path)
    assert not (tmp_path / "cards.json").exists()


@pytest.mark.parametrize("said", ["refusal", "status line", "body"])
def test_a_bearer_is_in_no_log_file_or_error(tmp_path, caplog, said):
    """Not even when the server says it back to us: what a server says is shown and logged."""
    secret = "bearer-0123456789abcdef"
    answers = {
        "refusal": b"HTTP/1.1 403 Forbidden\r\nContent-Length: %d\r\n\r\n%s",
        "status line": b"%s%d" + secret.encode(),
        "body": b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s",
    }
    body = json.dumps({"error": secret, "cause": f"what is {secret}?", "remedy": secret}).encode()
    wire = answers[said] % ((b"", 1) if said == "status line" else (len(body), body))
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer():
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(wire)

        threading.Thread(target=answer, daemon=True).start()
        http = Http(f"http://127.0.0.1:{listener.getsockname()[1]}")
        with caplog.at_level("DEBUG"), pytest.raises(ServerFault) as caught:
            http.ask(Bearer, "GET", "/v1/ping", bearer=secret, seconds=5.0)
    assert secret not in f"{caught.value.cause} {caught.value.remedy} {caught.value!r}"
    assert secret not in caplog.text


def test_a_bearer_is_not_kept_on_the_card(server, tmp_path):
    """It lives in memory for a day; the next start asks for another."""
    bearers = Bearers(Http(server.url), enrolled(server, tmp_path), device_key(tmp_path))
    bearer = bearers.get(5.0).encode()
    assert not [path for path in tmp_path.iterdir() if bearer in path.read_bytes()]
    assert bearer.decode() not in repr(bearers)
