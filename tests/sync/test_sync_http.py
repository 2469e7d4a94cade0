"""The session: whatever the server does, a named error or a value, within the time allowed."""

import re
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.answers import Beat, ClaimAnswer, Pong
from sync.backend import Claim, Unreachable
from sync.errors import (
    AnswerMalformed,
    ServerFault,
    ServerRefused,
    ServerSlow,
    ServerUnreachable,
)
from sync.http import AddressRefused, Http, back_off
from tests.rigs.server import Mode, Server

BODY = b'{"nonce": "00", "health": {}}'


def ask(url: str, seconds: float = 5.0) -> Beat:
    return Http(url).ask(Beat, "POST", "/v1/enrol", body=BODY, seconds=seconds)


def in_words(error: ServerFault) -> bool:
    """Whether a steward can read it: no name of a class, no call, nothing of the TLS library."""
    return not re.search(r"[a-z][A-Z]\w*|\w\(|_ssl|Errno", error.cause)


@pytest.mark.parametrize(
    ("mode", "fault", "seconds"),
    [
        (Mode.HANG, ServerSlow, 0.15),
        (Mode.DRIP, ServerSlow, 0.15),
        (Mode.DRIP_BODY, ServerSlow, 0.15),
        (Mode.HTML, AnswerMalformed, 5.0),
        (Mode.FAIL, ServerRefused, 5.0),
        (Mode.HALF, AnswerMalformed, 5.0),
        (Mode.ENDLESS, AnswerMalformed, 5.0),
        (Mode.SCHEMA, AnswerMalformed, 5.0),
        (Mode.NOISE, AnswerMalformed, 5.0),
        (Mode.REDIRECT, AnswerMalformed, 5.0),
        (Mode.ZIPPED, AnswerMalformed, 5.0),
        (Mode.REFUSE_BEARER, ServerRefused, 5.0),
    ],
)
def test_a_misbehaving_server_is_a_named_fault(server, mode, fault, seconds):
    server.mode = mode
    with pytest.raises(fault) as caught:
        ask(server.url, seconds)
    assert type(caught.value) is fault
    assert in_words(caught.value)
    assert caught.value.remedy


def test_a_server_that_is_down_is_unreachable(server):
    server.go_offline()
    with pytest.raises(ServerUnreachable) as caught:
        ask(server.url)
    assert caught.value.cause == f"server {server.url} cannot be reached: connection refused"


def test_a_name_that_does_not_resolve_is_unreachable():
    with pytest.raises(ServerUnreachable) as caught:
        Http("https://gate.invalid").ask(Pong, "GET", "/v1/ping", seconds=5.0)
    assert in_words(caught.value)


def test_a_server_that_accepts_and_never_reads_is_slow():
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(ServerSlow):
        ask(f"http://127.0.0.1:{listener.getsockname()[1]}", 0.1)


def test_a_tls_handshake_that_hangs_is_slow():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(ServerSlow):
            Http(url).ask(Pong, "GET", "/v1/ping", seconds=0.1)


def test_a_server_of_another_authority_is_unreachable(tmp_path, tls_server):
    with pytest.raises(ServerUnreachable, match="certificate") as caught:
        Http(tls_server).ask(Pong, "GET", "/v1/ping", seconds=5.0)
    assert in_words(caught.value)


def test_after_a_slow_answer_the_next_call_works(server):
    http = Http(server.url)
    server.mode = Mode.HANG
    with pytest.raises(ServerSlow):
        http.ask(Pong, "GET", "/v1/enrol", seconds=0.1)
    server.mode = Mode.GOOD
    body = b'{"token": "t", "public_key": "k"}'
    http.ask(Pong, "POST", "/v1/enrol", body=body, seconds=5.0)


def test_a_refusal_carries_the_servers_words(server):
    with pytest.raises(ServerRefused) as caught:
        Http(server.url).ask(Pong, "GET", "/v1/ping", seconds=5.0)
    assert (caught.value.status, caught.value.error) == (401, "bearer_expired")
    assert caught.value.remedy == "renew"


@pytest.mark.parametrize(
    "url", ["http://central.example", "ftp://127.0.0.1", "http://127.0.0.1.example", "https://"]
)
def test_an_address_that_sends_tickets_in_the_clear_is_refused(url):
    with pytest.raises(AddressRefused):
        Http(url)


def test_a_body_longer_than_allowed_is_not_read_to_its_end(server, gate):
    server.lists["ab" * 32] = b"x" * 10_000
    taken: list[bytes] = []
    with pytest.raises(AnswerMalformed, match="more than 100 bytes"):
        gate.rows(bytes.fromhex("ab" * 32), taken.append, limit=100)
    assert taken == []


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_no_answer_crashes_the_reader(data):
    try:
        Http("http://127.0.0.1")._read(ClaimAnswer, data)
    except AnswerMalformed as error:
        assert error.remedy


def test_deeply_nested_json_is_malformed():
    with pytest.raises(AnswerMalformed):
        Http("http://127.0.0.1")._read(ClaimAnswer, b'{"result":' + b"[" * 100_000)


@given(st.integers(1, 1000), st.floats(0, 1, exclude_max=True))
def test_pauses_grow_to_a_limit_and_are_never_twice_the_same(attempt, chance):
    pause = back_off(attempt, lambda: chance, first=1.0, most=60.0)
    assert 0.5 <= pause <= 60.0
    assert pause <= back_off(attempt + 1, lambda: chance, first=1.0, most=60.0)


def test_faults_share_one_base_so_that_a_later_attempt_may_cure_them():
    assert all(
        issubclass(fault, ServerFault)
        for fault in (ServerSlow, ServerUnreachable, AnswerMalformed, ServerRefused)
    )


def test_a_claim_lives_through_every_mode(server: Server, gate, tmp_path: Path):
    """Not one of them is an exception for who asks: it is `Unreachable`."""
    claim = Claim(b"P" * 16, b"K" * 16, "main", "entry", 1000.0)
    for mode in Mode:
        if mode is Mode.GOOD:
            continue
        server.mode = mode
        gate._bearers._bearer = gate._bearers._bearer or "bearer-1"
        assert gate.claim(claim, 0.1) == Unreachable(), mode
