"""How a gate becomes a device that may call, and when it may no longer."""

import os
import re
from typing import Any

import pytest

from admission.clock import FakeClock
from central.enrolment import TOKEN_LIFE, new_token, revoke
from central.errors import CentralFault
from central.heartbeats import REPEATED, tell
from central.tokens import BEARER_LIFE
from tests.central.conftest import ON_SQLITE
from tests.rigs.central_rig import EVENT, CentralRig, Device


def test_enrolment_gives_the_event_and_its_key(rig: CentralRig, north: Device) -> None:
    """A gate that shows its token learns under which key it names tickets."""
    answer = north.enrolled
    assert answer.status_code == 201
    assert answer.json()["event"] == EVENT
    assert answer.json()["event_key"] == rig.central.event_key.hex()
    assert re.fullmatch("[0-9a-f]{16}", answer.json()["device"])


def test_a_lost_answer_does_not_lose_a_gate(rig: CentralRig, client: Any) -> None:
    """The same token with the same key is answered again; with another key it is refused."""
    token = rig.enrol_token("north")
    gate = Device(client, token, "north")
    assert gate.enrol(token).json() == gate.enrolled.json()
    other = gate.enrol(token, public_key="ab" * 32)
    assert (other.status_code, other.json()["error"]) == (403, "token_refused")


@pytest.mark.parametrize(
    ("case", "changes", "wait"),
    [
        ("made up", {"token": "guess"}, 0.0),
        ("for another gate", {"gate": "west"}, 0.0),
        ("a day old", {}, TOKEN_LIFE),
    ],
)
def test_a_token_is_refused(  # noqa: PLR0917
    rig: CentralRig, client: Any, clock: FakeClock, case: str, changes: dict[str, str], wait: float
) -> None:
    """A token works for its gate and its day alone."""
    token = rig.enrol_token("north")
    clock.advance(wait)
    body = {"token": token, "public_key": "11" * 32, "gate": "north", "software": "x"} | changes
    answer = client.post("/v1/enrol", json=body)
    assert (answer.status_code, answer.json()["error"]) == (403, "token_refused"), case


def test_tokens_live_a_day_at_most(rig: CentralRig) -> None:
    """Nobody can make a token for the whole season."""
    with pytest.raises(CentralFault):
        new_token(rig.central, "north", TOKEN_LIFE + 1)


@pytest.mark.parametrize("gate", ["", "North", "north 1", "-north", "n" * 33, "nörd", "north\n"])
def test_a_token_is_for_a_name_that_a_gate_can_have(rig: CentralRig, gate: str) -> None:
    """What admit.toml refuses is refused here, in the same words."""
    with pytest.raises(CentralFault, match="is not 1 to 32 of a-z, 0-9 and '-' between them"):
        new_token(rig.central, gate)


@ON_SQLITE
def test_no_token_is_kept_readable(rig: CentralRig, north: Device) -> None:
    """Whoever copies the database cannot call with what is in it."""
    token = rig.enrol_token("west")
    rig.central.database.close()
    kept = b"".join(path.read_bytes() for path in rig.directory.glob("central.db*"))
    assert token.encode() not in kept
    assert north.bearer.encode() not in kept


def test_a_nonce_works_once(north: Device) -> None:
    """A copied token request is worth nothing."""
    nonce = os.urandom(16).hex()
    assert north.ask_token(nonce).status_code == 200
    again = north.ask_token(nonce)
    assert (again.status_code, again.json()["error"]) == (401, "signature_refused")


def test_a_gate_need_not_know_the_time(north: Device) -> None:
    """A board that boots in 1970 gets its bearer, with whole seconds or without."""
    assert north.ask_token(at=0).status_code == 200
    assert north.ask_token(at=12.25).status_code == 200


@pytest.mark.parametrize(
    ("case", "changes"),
    [
        ("another device", {"device": "00" * 8}),
        ("another time than was signed", {"at": 2}),
        ("another nonce than was signed", {"nonce": "22" * 16}),
        ("no signature at all", {"signature": "A" * 86 + "=="}),
    ],
)
def test_a_wrong_signature_is_refused(north: Device, case: str, changes: dict[str, Any]) -> None:
    """Only the device's own key over exactly this request gets a bearer."""
    answer = north.ask_token(replacing=changes)
    assert (answer.status_code, answer.json()["error"]) == (401, "signature_refused"), case


def test_a_bearer_lives_a_day(north: Device, clock: FakeClock) -> None:
    """After a day a new one is asked for, and the old one names what to do."""
    assert north.get("/v1/redemptions").status_code == 200
    clock.advance(BEARER_LIFE)
    answer = north.get("/v1/redemptions")
    assert (answer.status_code, answer.json()["error"]) == (401, "bearer_expired")
    assert north.get("/v1/ping").status_code == 401


@pytest.mark.parametrize("header", [None, "Bearer", "Basic abc", "Bearer " + "x" * 200])
def test_calls_without_a_bearer_are_refused(client: Any, header: str | None) -> None:
    """A missing or malformed header is named; nothing behind it is looked at."""
    headers = {} if header is None else {"Authorization": header}
    answer = client.get("/v1/statements", headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (401, "bearer_missing")


def test_a_revoked_gate_is_refused_at_once(rig: CentralRig, north: Device) -> None:
    """A stolen gate can neither call nor get a new bearer nor enrol again with its key."""
    revoke(rig.central, north.name)
    for answer in (
        north.get("/v1/statements"),
        north.ask_token(),
        north.enrol(rig.enrol_token("north")),
    ):
        assert (answer.status_code, answer.json()["error"]) == (403, "device_revoked")


def test_a_command_is_repeated_for_a_minute(
    rig: CentralRig, north: Device, clock: FakeClock
) -> None:
    """A lost answer to a heartbeat does not lose what the organiser said."""
    tell(rig.central, north.name, {"do": "message", "text": "Open gate B"})
    beat = {"nonce": "00" * 16, "health": {}}
    said = [{"do": "message", "text": "Open gate B"}]
    assert north.post("/v1/heartbeat", beat).json()["commands"] == said
    assert north.post("/v1/heartbeat", beat).json()["commands"] == said
    clock.advance(REPEATED)
    assert north.post("/v1/heartbeat", beat).json()["commands"] == []


def test_a_lane_put_back_in_service_is_not_closed_by_the_earlier_word(
    rig: CentralRig, north: Device
) -> None:
    """Both would be repeated for a minute, and the lane would flap."""
    closed = {"do": "out_of_service", "lane": "entry", "text": "Stage collapse"}
    tell(rig.central, north.name, closed)
    tell(rig.central, north.name, closed | {"lane": "exit"})
    tell(rig.central, north.name, {"do": "in_service", "lane": "entry"})
    beat = {"nonce": "00" * 16, "health": {}}
    said = north.post("/v1/heartbeat", beat).json()["commands"]
    assert [(word["do"], word["lane"]) for word in said] == [
        ("out_of_service", "exit"),
        ("in_service", "entry"),
    ]


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        ({"do": "message"}, "message needs --text"),
        ({"do": "out_of_service"}, "out_of_service needs --lane and --text"),
        ({"do": "in_service", "lane": "a", "text": "b"}, "in_service takes no --text"),
        ({"do": "message", "text": "x" * 513}, "--text has 513 characters"),
        ({"do": "release"}, "there is no command 'release'"),
        ({}, "there is no command ''"),
    ],
)
def test_a_command_that_is_not_whole_is_named(
    rig: CentralRig, north: Device, body: dict[str, str], cause: str
) -> None:
    """Which field is missing, or too much."""
    with pytest.raises(CentralFault) as caught:
        tell(rig.central, north.name, body)
    assert caught.value.cause == cause


@pytest.mark.parametrize(
    "body", [{"do": "release"}, {"do": "admit"}, {"do": "message"}, {"do": "resync", "text": "x"}]
)
def test_no_gate_is_told_to_release(rig: CentralRig, north: Device, body: dict[str, str]) -> None:
    """The server has no word that opens a gate."""
    with pytest.raises(CentralFault):
        tell(rig.central, north.name, body)
