"""Rules of what is malformed, too large, or no call at all."""

from cli.conformance.event import TestEvent, new
from cli.conformance.rules import expect, rule
from cli.conformance.rules_door import refused

_NOISE = (b"", b"<html>", b"[]", b"{}", b'{"nonce": "\xff"}', b'{"at": NaN}', b"[" * 50_000)
_BODIES = ("/v1/enrol", "/v1/token", "/v1/records", "/v1/claims", "/v1/heartbeat")


@rule(
    "bounds.malformed",
    "A body that is not what the call takes is refused by name, whatever it is",
    "Answer 400 body_malformed with cause and remedy; bound nesting before parsing",
)
def _(event: TestEvent) -> None:
    for path in _BODIES:
        for noise in _NOISE:
            refused(event.north.call("POST", path, noise), 400, "body_malformed")


@rule(
    "bounds.fields",
    "A field of another type, length or range is refused",
    "Check every field before the database sees it",
)
def _(event: TestEvent) -> None:
    key = event.single()
    for changes in ({"at": -1}, {"at": True}, {"list": ""}, {"direction": "up"}, {"list": "a\0"}):
        refused(event.north.claim(bytes(16), key, **changes), 400, "body_malformed")
    for short in (b"", bytes(15), bytes(17)):
        refused(event.north.claim(short, key), 400, "body_malformed")


@rule(
    "bounds.unknown",
    "A field that the server does not know is left alone",
    "Read the fields that you know: a newer gate may say more",
)
def _(event: TestEvent) -> None:
    presentation = new()
    answer = event.north.claim(presentation, event.single(), of_next_year=[1])
    expect(answer.json == {"result": "granted"}, answer)
    event.north.annul(presentation)


@rule(
    "bounds.batch",
    "501 records are refused as a whole",
    "Answer 400 body_malformed to more than 500 records; store none",
)
def _(event: TestEvent) -> None:
    refused(event.north.send(*[{}] * 501), 400, "body_malformed")


@rule(
    "bounds.size",
    "A body of more than 4 MiB (records) or 64 KiB is refused",
    "Stop reading at the bound; answer 413 too_large",
)
def _(event: TestEvent) -> None:
    for path, most in (("/v1/records", 4 << 20), ("/v1/claims", 64 << 10)):
        refused(event.north.call("POST", path, b" " * (most + 1)), 413, "too_large")


@rule(
    "bounds.cursor",
    "A cursor that is no whole number is refused: an empty page would look like no news",
    "Answer 400 cursor_malformed",
)
def _(event: TestEvent) -> None:
    for path in ("statements", "redemptions", "conflicts"):
        for after in ("-1", "x", "1e9", ""):
            answer = event.north.call("GET", f"/v1/{path}?after={after}")
            refused(answer, 400, "cursor_malformed")


@rule(
    "bounds.no_call",
    "A call that does not exist is refused with the same three lines",
    "Answer 404 and 405 with error, cause and remedy in JSON",
)
def _(event: TestEvent) -> None:
    for method, path, status in (("GET", "/v1/release", 404), ("POST", "/v1/ping", 405)):
        answer = event.north.call(method, path, {} if method == "POST" else None)
        told = {"error", "cause", "remedy"} <= answer.json.keys()
        expect(answer.status == status and told, answer)
