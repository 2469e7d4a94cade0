"""Rules of enrolment, tokens and bearers."""

from nacl.signing import SigningKey

from cli.conformance.event import TestEvent, new
from cli.conformance.rules import expect, rule
from cli.conformance.rules_news import server_time
from cli.conformance.wire import Answer

_DAY = 86_400
_CALLS: tuple[tuple[str, str, object], ...] = (
    ("GET", "/v1/statements", None),
    ("GET", "/v1/lists/" + "00" * 32, None),
    ("POST", "/v1/records", {"epoch": "00" * 8, "records": []}),
    ("POST", "/v1/claims", {}),
    ("GET", "/v1/claims?open=1", None),
    ("DELETE", "/v1/claims/" + "00" * 16, None),
    ("GET", "/v1/redemptions", None),
    ("GET", "/v1/conflicts", None),
    ("POST", "/v1/heartbeat", {}),
    ("GET", "/v1/ping", None),
)


def refused(answer: Answer, status: int, name: str) -> None:
    """Expect an error of this status and name, with its cause and remedy."""
    expect(answer.status == status and answer.json.get("error") == name, answer)
    told = [answer.json.get(part) for part in ("cause", "remedy")]
    expect(all(isinstance(text, str) and text for text in told), answer)


@rule(
    "enrol.answer",
    "A one-time token makes a gate a device: 201 with device, event and event key",
    "Answer 201; device is 16 hex characters, event_key 32 bytes in lower-case hex",
)
def _(event: TestEvent) -> None:
    told = event.north.enrolled.json
    expect(event.north.enrolled.status == 201, event.north.enrolled)
    expect(len(str(told.get("device"))) == 16 and int(told["device"], 16) >= 0, told)
    expect(len(event.north.event_key) == 32 and bool(told.get("event")), "no event, or its key")


@rule(
    "enrol.again",
    "The same token with the same key is answered again, alike: a lost answer loses no gate",
    "Keep the public key with the used token, and answer 201 when both come again",
)
def _(event: TestEvent) -> None:
    again = event.north.enrol()
    expect(again.status == 201 and again.json == event.north.enrolled.json, again)


@rule(
    "enrol.once",
    "A used token is refused for every other key",
    "Mark the token as used by its key in the transaction that makes the device",
)
def _(event: TestEvent) -> None:
    other = SigningKey.generate().verify_key.encode().hex()
    refused(event.north.enrol(public_key=other), 403, "token_refused")


@rule("enrol.unknown", "A token that was never made is refused", "Answer 403 token_refused")
def _(event: TestEvent) -> None:
    refused(event.north.enrol(token="never-made"), 403, "token_refused")


@rule(
    "enrol.gate",
    "A token is good for the gate it was made for and no other",
    "Keep the gate's name with the token; compare it",
)
def _(event: TestEvent) -> None:
    refused(event.north.enrol(gate="another-gate"), 403, "token_refused")


@rule(
    "token.signature",
    "A bearer is given only for the device key's signature over exactly this request",
    "Verify Ed25519 over admit-token\\n{device}\\n{at}\\n{nonce}",
)
def _(event: TestEvent) -> None:
    for changes in ({"at": 1}, {"nonce": new().hex()}, {"device": "0" * 16}):
        refused(event.north.ask_bearer(**changes), 401, "signature_refused")


@rule(
    "token.nonce",
    "A nonce works once: a copied request is worth nothing",
    "Keep every nonce of a device for good; a gate may not know the time",
)
def _(event: TestEvent) -> None:
    nonce = new()
    expect(event.north.ask_bearer(nonce).status == 200, "a new nonce was refused")
    refused(event.north.ask_bearer(nonce), 401, "signature_refused")


@rule(
    "token.a_day",
    "A bearer ends within a day",
    "Let expires be 24 h at most after now, by the time that the heartbeat signs",
)
def _(event: TestEvent) -> None:
    answer = event.north.ask_bearer()
    left = float(answer.json["expires"]) - server_time(event)
    expect(0 < left <= _DAY + 60, f"it lives for {left:.0f} s")


@rule(
    "bearer.missing",
    "Every call but enrol and token is refused without a bearer",
    "Answer 401 bearer_missing before the body is read",
)
def _(event: TestEvent) -> None:
    for method, path, body in _CALLS:
        refused(event.north.call(method, path, body, bearer=None), 401, "bearer_missing")


@rule(
    "bearer.unknown",
    "A bearer that is not good any more is refused by name, so that the gate asks for another",
    "Answer 401 bearer_expired for one that is unknown or has ended",
)
def _(event: TestEvent) -> None:
    for method, path, body in _CALLS:
        refused(event.north.call(method, path, body, bearer="x" * 43), 401, "bearer_expired")
