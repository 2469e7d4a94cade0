"""The conformance suite passes the reference server, and fails every server that breaks a rule."""

import base64
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from central.app import create_app
from cli.conformance.event import NotReady, TestEvent, csv_text
from cli.conformance.run import in_order, try_rules
from cli.conformance.wire import Answer, Wire
from tests.rigs.central_rig import ROOT, CentralRig, make_event, serving

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # about the HTTP library that the test client is built on
    from starlette.testclient import TestClient

Call = tuple[str, str, bytes | None]
"""Method, path, body."""
Mutation = Callable[[Wire, Call, Mapping[str, str]], Answer]
"""A server that breaks one rule: it may ask the real one, and lie."""


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CentralRig]:
    """The test event, as docs/protocol.md asks for it."""
    rig = make_event(tmp_path_factory.mktemp("check"), csv=csv_text())
    yield rig
    rig.central.database.close()


@pytest.fixture(scope="module")
def wire(rig: CentralRig) -> Iterator[Wire]:
    """Calls into the server without a socket."""
    with TestClient(create_app(rig.central), raise_server_exceptions=False) as client:

        def call(method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
            found = client.request(method, path, content=body, headers=dict(headers))
            return Answer(found.status_code, found.content, found.headers)

        yield call


def checked(rig: CentralRig, wire: Wire) -> TestEvent:
    """The event as two new gates see it."""
    names = [f"g{os.urandom(4).hex()}" for _ in range(2)]
    tokens = {name: rig.enrol_token(name) for name in names}
    return TestEvent(wire, tokens, rig.root_keys, "main")


@pytest.mark.parametrize("rule", [rule.name for rule in in_order()])
def test_the_reference_server_keeps_each_rule(rig: CentralRig, wire: Wire, rule: str) -> None:
    """One by one, in any order: no rule needs what another left behind."""
    (result,) = try_rules(checked(rig, wire), [rule])
    assert result.found is None


def says(status: int = 200, **fields: object) -> Mutation:
    """Whatever is asked, this."""
    return lambda wire, call, headers: Answer(status, json.dumps(fields).encode())


def on(method: str, path: str, mutation: Mutation) -> Mutation:
    """Break this call alone."""

    def asked(wire: Wire, call: Call, headers: Mapping[str, str]) -> Answer:
        if call[0] == method and call[1].startswith(path):
            return mutation(wire, call, headers)
        return wire(*call, headers)

    return asked


def turned(change: Callable[[Any], Any], status: int | None = None) -> Mutation:
    """The real answer, with its JSON changed where it is 200 or 201."""

    def asked(wire: Wire, call: Call, headers: Mapping[str, str]) -> Answer:
        answer = wire(*call, headers)
        if answer.status not in (200, 201):
            return answer
        return Answer(status or answer.status, json.dumps(change(answer.json)).encode())

    return asked


def becomes(status: int, name: str, now: Mutation) -> Mutation:
    """Where the real server refuses like this, let it be accepted."""

    def asked(wire: Wire, call: Call, headers: Mapping[str, str]) -> Answer:
        answer = wire(*call, headers)
        is_it = answer.status == status and answer.json.get("error") == name
        return now(wire, call, headers) if is_it else answer

    return asked


def without(name: str) -> Callable[[Any], Any]:
    """JSON without a field."""
    return lambda body: {key: value for key, value in body.items() if key != name}


def swapped(old: str, new: str) -> Mutation:
    """The real answer with a text replaced."""

    def asked(wire: Wire, call: Call, headers: Mapping[str, str]) -> Answer:
        answer = wire(*call, headers)
        return replace(answer, body=answer.body.replace(old.encode(), new.encode()))

    return asked


def rows(name: str, change: Callable[[list[Any]], list[Any]]) -> Mutation:
    """The real page with other rows."""
    return turned(lambda body: body | {name: change(body[name])})


def each(name: str, change: Callable[[Any], Any]) -> Mutation:
    """The real page with every row changed."""
    return rows(name, lambda found: [change(row) for row in found])


def dropping(field: str, value: str) -> Mutation:
    """Records whose field has this value never reach the books, but are answered for."""

    def asked(wire: Wire, call: Call, headers: Mapping[str, str]) -> Answer:
        body = json.loads(call[2] or b"{}")
        left = [r for r in body["records"] if not isinstance(r, dict) or r.get(field) != value]
        raw = json.dumps(body | {"records": left}).encode()
        answers = {a["seq"]: a for a in wire(*call[:2], raw, headers).json["answers"]}
        told = [answers.get(r["seq"], {"seq": r["seq"], "result": "stored"})
                for r in body["records"]]  # fmt: skip
        return Answer(200, json.dumps({"answers": told}).encode())

    return asked


def less(field: str) -> Mutation:
    """A server that does not know a field of the call."""

    def asked(wire: Wire, call: Call, headers: Mapping[str, str]) -> Answer:
        return wire(
            *call[:2], json.dumps(without(field)(json.loads(call[2] or b""))).encode(), headers
        )

    return asked


def strict(wire: Wire, call: Call, headers: Mapping[str, str]) -> Answer:
    """A server that refuses a field it does not know."""
    is_known = "of_next_year" not in json.loads(call[2] or b"")
    return wire(*call, headers) if is_known else Answer(400, b'{"error": "body_malformed"}')


OK = says()
GRANTED = says(result="granted")
CLAIM = ("POST", "/v1/claims")
RECORDS = ("POST", "/v1/records")
FEED = ("GET", "/v1/redemptions")
CONFLICTS = ("GET", "/v1/conflicts")
NEWS = ("GET", "/v1/statements")
IDLE_BEAT = {"time": base64.b64encode(b"\x81noise").decode(), "commands": []}


def resigned(body: Any) -> Any:
    """A statement of which one bit was changed on the way."""
    wire = bytearray(base64.b64decode(body["statements"][-1]["wire"]))
    wire[-1] ^= 1
    body["statements"][-1]["wire"] = base64.b64encode(wire).decode()
    return body


def always_new(wire: Wire, call: Call, headers: Mapping[str, str]) -> Answer:
    """Another device at every enrolment."""
    answer = wire(*call, headers)
    told = json.dumps(answer.json | {"device": os.urandom(8).hex()}).encode()
    return replace(answer, body=told) if answer.status == 201 else answer


MUTATIONS: list[tuple[str, Mutation]] = [
    ("enrol.answer", on("POST", "/v1/enrol", turned(lambda b: b | {"device": "north"}))),
    ("enrol.again", on("POST", "/v1/enrol", always_new)),
    ("enrol.once", becomes(403, "token_refused", says(201, device="0" * 16))),
    ("enrol.unknown", becomes(403, "token_refused", says(201, device="0" * 16))),
    ("enrol.gate", becomes(403, "token_refused", says(201, device="0" * 16))),
    ("token.signature", becomes(401, "signature_refused", says(bearer="b", expires=1))),
    ("token.nonce", becomes(401, "signature_refused", says(bearer="b", expires=1))),
    ("token.a_day", on("POST", "/v1/token", turned(lambda b: b | {"expires": 9e9}))),
    ("bearer.missing", becomes(401, "bearer_missing", OK)),
    ("bearer.missing", becomes(401, "bearer_missing", says(401, error="bearer_missing"))),
    ("bearer.unknown", becomes(401, "bearer_expired", says(403, error="device_revoked"))),
    ("ping", on("GET", "/v1/ping", says(204))),
    ("statements.verified", on(*NEWS, turned(resigned))),
    ("statements.verified", on(*NEWS, rows("statements", lambda r: r[::-1]))),
    ("statements.cursor", on(*NEWS, turned(lambda b: b | {"next": b["next"] + 1}))),
    ("list.rows", on("GET", "/v1/lists", says())),
    ("list.gone", becomes(404, "list_gone", OK)),
    ("heartbeat.time", on("POST", "/v1/heartbeat", says(**IDLE_BEAT))),
    ("heartbeat.commands", on("POST", "/v1/heartbeat",
                              turned(lambda b: b | {"commands": [{"do": "release"}]}))),
    ("claims.again", on("GET", "/v1/claims", turned(lambda b: {"claims": b["claims"] * 2}))),
    ("claims.taken", on(*CLAIM, GRANTED)),
    ("claims.taken", on(*CLAIM, turned(without("gate")))),
    ("claims.one_of_many", on(*CLAIM, GRANTED)),
    ("claims.entries", on(*CLAIM, swapped("taken", "granted"))),
    ("claims.annulled", on("DELETE", "/v1/claims", says(result="annulled"))),
    ("claims.tombstone", on("DELETE", "/v1/claims", says(result="annulled"))),
    ("claims.instead_of", on(*CLAIM, less("instead_of"))),
    ("claims.instead_of", becomes(403, "claim_of_another_device", GRANTED)),
    ("records.counter", on(*FEED, each("redemptions", without("counter")))),
    ("bounds.unknown", on(*CLAIM, strict)),
    ("claims.reused", becomes(409, "presentation_reused", GRANTED)),
    ("claims.owner", becomes(403, "claim_of_another_device", says(result="annulled"))),
    ("claims.refused", on(*CLAIM, turned(lambda b: {"result": "granted"}))),
    ("claims.refused", on(*CLAIM, swapped("wrong_list", "unknown"))),
    ("claims.unlisted", on(*CLAIM, swapped("taken", "granted"))),
    ("claims.exit", on(*CLAIM, swapped("granted", "refused"))),
    ("claims.settled", on(*RECORDS, dropping("kind", "passage"))),
    ("claims.turned_back", on(*RECORDS, dropping("kind", "no_passage"))),
    ("claims.overtaken", on(*RECORDS, dropping("kind", "scan"))),
    ("claims.overtaken", on(*CLAIM, swapped("granted", "taken"))),
    ("records.stored", on(*RECORDS, rows("answers", lambda r: r[::-1]))),
    ("records.head", becomes(403, "head_refused", says(answers=[{"seq": 1, "result": "stored"}]))),
    ("records.known", on(*RECORDS, turned(without("known")))),
    ("records.known", on("POST", "/v1/heartbeat", turned(without("known")))),
    ("records.again", on(*RECORDS, swapped("duplicate", "stored"))),
    ("records.again", on(*RECORDS, dropping("kind", "scan"))),
    ("records.fork", on(*RECORDS, swapped("fork", "duplicate"))),
    ("records.hash", on(*RECORDS, swapped("parked", "stored"))),
    ("records.hash", on(*RECORDS, each("answers", without("reason")))),
    ("records.mixed", on(*RECORDS, swapped("parked", "stored"))),
    ("records.owner", on(*RECORDS, swapped("parked", "stored"))),
    ("records.redeem", on(*FEED, each("redemptions", without("gate")))),
    ("records.annulled", on(*FEED, swapped('"stands":false', '"stands":true'))),
    ("records.counts", on(*RECORDS, dropping("kind", "operator"))),
    ("records.resumed", on(*RECORDS, dropping("kind", "resumed"))),
    ("records.refused", on(*RECORDS, dropping("kind", "scan"))),
    ("feed.cursor", on(*FEED, rows("redemptions", lambda r: r[:-1]))),
    ("conflicts.told", on(*CONFLICTS, rows("conflicts", lambda r: []))),
    ("conflicts.told", on(*RECORDS, each("answers", without("conflict")))),
    ("conflicts.cleared", on(*CONFLICTS, swapped('"stands":false', '"stands":true'))),
    ("bounds.malformed", becomes(400, "body_malformed", says(500, error="fault"))),
    ("bounds.fields", becomes(400, "body_malformed", GRANTED)),
    ("bounds.batch", becomes(400, "body_malformed", says(answers=[]))),
    ("bounds.size", becomes(413, "too_large", OK)),
    ("bounds.cursor", becomes(400, "cursor_malformed", says(statements=[], next=0))),
    ("bounds.no_call", becomes(404, "no_such_call", OK)),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "mutation"), MUTATIONS, ids=[name for name, _ in MUTATIONS])
def test_a_server_that_breaks_a_rule_fails_it(
    rig: CentralRig, wire: Wire, rule: str, mutation: Mutation
) -> None:
    """Each rule finds at least one server that does not keep it."""

    def broken(method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        return mutation(wire, (method, path, body), headers)

    (result,) = try_rules(checked(rig, broken), [rule])
    assert result.found


def test_every_rule_has_a_server_that_breaks_it() -> None:
    """A rule without one might as well not be there."""
    assert {rule for rule, _ in MUTATIONS} == {rule.name for rule in in_order()}


def test_a_claim_without_a_lock_is_found(rig: CentralRig, wire: Wire) -> None:
    """Granted to whoever asks while the first is being judged: the race, told by its result."""
    asked: list[bytes] = []

    def racing(method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        answer = wire(method, path, body, headers)
        if (method, path) == CLAIM and answer.json["result"] == "taken":
            asked.append(body or b"")
            if len(asked) == 1:  # one more slips in
                return Answer(200, b'{"result": "granted"}')
        return answer

    (result,) = try_rules(checked(rig, racing), ["claims.one_of_many"])
    assert result.found is not None
    assert result.found.count("granted") == 2


def admit(directory: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run `admit central-check`."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "cli", "central-check", *words],
        cwd=directory, env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def json_lines(done: "subprocess.CompletedProcess[str]") -> list[Any]:
    """What it printed, once it has ended well."""
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def with_tokens(rig: CentralRig) -> list[str]:
    """The options that bring two gates."""
    return [
        word
        for name in ("north", "south")
        for word in ("--enrol-token", f"{name}={rig.enrol_token(name)}")
    ]


@pytest.mark.heavy
def test_the_command_checks_a_real_server(tmp_path: Path) -> None:
    """All rules over a socket, as a table and as JSON; the exit code says whether all are kept."""
    tickets = admit(tmp_path, "--tickets").stdout
    with serving(tmp_path, csv=tickets) as rig:
        words = [rig.url, "--root", rig.root_keys[0]]
        told = json_lines(admit(tmp_path, *words, *with_tokens(rig), "--json"))
        assert [row["rule"] for row in told if row["kept"]] == [rule.name for rule in in_order()]
        some = admit(tmp_path, *words, *with_tokens(rig), "--only", "ping", "--only", "claims.exit")
        assert (some.returncode, some.stdout.splitlines()[-1]) == (0, "2 of 2 rules kept")
        wrong = admit(tmp_path, rig.url, "--root", rig.root_keys[0],
                      "--enrol-token", "a=x", "--enrol-token", "b=y")  # fmt: skip
        assert wrong.returncode == 1
        assert "BROKEN enrol.answer" in wrong.stdout and "remedy" in wrong.stdout


@pytest.mark.parametrize(
    ("tokens", "roots", "cause"),
    [
        ({"north": "t"}, ["A" * 43 + "="], "1 gates have a token"),
        ({"a": "t", "b": "t"}, ["short"], "the root key"),
        ({"a": "t", "b": "t"}, [], "root keys"),
    ],
)
def test_what_is_missing_is_named(tokens: dict[str, str], roots: list[str], cause: str) -> None:
    """Before anything is asked of a server."""

    def nobody(method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        raise AssertionError(path)

    with pytest.raises(NotReady, match=cause):
        TestEvent(nobody, tokens, roots, "main")
