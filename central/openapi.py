"""The gate protocol as an OpenAPI 3.1 document, with the bounds that the code works by.

`python -P -m central.openapi > docs/openapi.json` writes the copy that docs/protocol.md names;
tests hold the two together, and both to the server. Sources: OpenAPI 3.1.0; JSON Schema 2020-12.
"""

import json
from collections.abc import Sequence
from typing import Any

from admission.verdict import Reason
from central import claims, feeds, records, statements
from central.bodies import LATEST, MOST_NAME
from central.enrolment import MOST_GATE, MOST_SOFTWARE
from store.records import FIELDS, Kind
from tickets.ad1 import MAX_TIME
from tickets.bodies import Type

Json = dict[str, Any]
_WHOLE: Json = {"type": "integer", "minimum": 0, "maximum": 2**63 - 1}
_TRUTH: Json = {"type": "boolean"}
_BASE64: Json = {"type": "string", "contentEncoding": "base64"}
_SIGNATURE: Json = {"type": "string", "pattern": "^[A-Za-z0-9+/]{85}[AQgw]==$"}
_ANY_HEX = "^([0-9a-f]{2}){0,32}$"
_WAY: Json = {"enum": ["entry", "exit"]}
_ERRORS = {
    400: "`body_malformed` or `cursor_malformed`: the same again will not help",
    401: "`bearer_missing` or `bearer_expired`: get a bearer with POST /v1/token",
    403: "`device_revoked`: the gate was withdrawn",
    408: "`too_slow`: the body did not come within 10 s",
    413: "`too_large`: the body has more bytes than this call takes",
    500: "`fault`: the server has a fault",
    503: "`busy` or `storage`: ask again; whatever was stored is answered as before",
}


def document() -> Json:
    """The whole document, as it is served at `/openapi.json`."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Admit gate protocol",
            "version": "1",
            "summary": "How a gate and its central server talk",
            "description": "Rules and examples: docs/protocol.md.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"bearer": []}],
        "paths": _paths(),
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "schemas": _schemas(),
        },
    }


def _paths() -> Json:
    after = _query("after", _WHOLE | {"maximum": 10**18 - 1}, "`next` of the answer before; or 0")
    opened = _query("open", {"enum": ["1"]}, "The only question there is")
    presentation = _part("presentation", _hex(16))
    return {
        "/v1/enrol": {"post": _OPEN | _call("enrol", "Enrolled", "EnrolBody", 201, also=_TOKEN)},
        "/v1/token": {"post": _OPEN | _call("token", "Bearer", "TokenBody", also=_SIGNED)},
        "/v1/statements": {"get": _call("statements", "Statements", parameters=[after])},
        "/v1/lists/{hash}": {"get": _list_call()},
        "/v1/records": {"post": _call("records", "Answers", "RecordsBody", also=_HEAD)},
        "/v1/claims": {
            "post": _call("claim", "Claimed", "ClaimBody", also=_OTHERS | _REUSED),
            "get": _call("open_claims", "OpenClaims", parameters=[opened]),
        },
        "/v1/claims/{presentation}": {
            "delete": _call("annul", "Annulled", parameters=[presentation], also=_OTHERS | _NO_PATH)
        },
        "/v1/redemptions": {"get": _call("redemptions", "Redemptions", parameters=[after])},
        "/v1/conflicts": {"get": _call("conflicts", "Conflicts", parameters=[after])},
        "/v1/heartbeat": {"post": _call("heartbeat", "Beat", "HeartbeatBody")},
        "/v1/ping": {"get": _call("ping", "Nothing")},
    }


_OPEN: Json = {"security": []}
"""Made without a bearer."""
_TOKEN = {403: "`token_refused`: unknown, expired, used, or of another gate; or `device_revoked`"}
_SIGNED = {401: "`signature_refused`: unknown device, wrong signature, or a nonce used before"}
_HEAD = {403: "`head_refused`: the device key did not sign the head; or `device_revoked`"}
_OTHERS = {403: "`claim_of_another_device`, or `device_revoked`"}
_REUSED = {409: "`presentation_reused`: the presentation holds a claim for something else"}
_NO_PATH = {404: "`no_such_call`: the presentation holds a slash"}


def _call(
    name: str,
    answer: str,
    body: str = "",
    status: int = 200,
    *,
    parameters: list[Json] | None = None,
    also: dict[int, str] | None = None,
) -> Json:
    """One operation and all that it may answer; ``also``: errors that it has for itself."""
    known = {s: text for s, text in _ERRORS.items() if body or s not in (408, 413)}
    answers = {str(status): {"description": answer, "content": _json(answer)}}
    for code, text in sorted((known | (also or {})).items()):
        answers[str(code)] = {"description": text, "content": _json("Error")}
    call: Json = {"operationId": name, "responses": answers}
    if body:
        call["requestBody"] = {"required": True, "content": _json(body)}
    if parameters:
        call["parameters"] = parameters
    return call


def _list_call() -> Json:
    gone = {404: "`list_gone`: replaced; read the statements again"}
    call = _call("list_body", "Nothing", parameters=[_part("hash", _hex(32))], also=gone)
    call["responses"]["200"] = {
        "description": "gzip (RFC 1952) of the sorted 30-byte rows",
        "content": {"application/octet-stream": {}},
    }
    return call


def _schemas() -> Json:
    return _bodies() | _answers() | {"Entry": _entry(), "Head": _head(), "Plain": _plain()}


def _bodies() -> Json:
    claim = {"presentation": _hex(16), "ticket_key": _hex(16), "list": _text()}
    claim |= {"direction": _WAY, "at": _time(), "unlisted": _TRUTH}
    claim["instead_of"] = _hex(16)
    return {
        "EnrolBody": _object(
            token=_text(), public_key=_hex(32), gate=_text(MOST_GATE), software=_text(MOST_SOFTWARE)
        ),
        "TokenBody": _object(
            device=_text(16),
            at=_time(),
            nonce=_hex(16),
            signature=_SIGNATURE,
        ),
        "RecordsBody": _object(
            epoch=_hex(8),
            head=_ref("Head"),
            records={
                "type": "array",
                "maxItems": records.MOST,
                "description": "What is no Entry is parked, and the rest is taken",
                "items": {"anyOf": [_ref("Entry"), {}]},
            },
        ),
        "ClaimBody": _fields(claim, optional=["unlisted", "instead_of"]),
        "HeartbeatBody": _object(
            nonce=_hex(16),
            health={
                "type": "object",
                "propertyNames": _text(least=0),
                "additionalProperties": _ref("Plain"),
            },
        ),
    }


def _answers() -> Json:
    use = {"presentation": _hex(16), "ticket_key": _hex(16), "list": _text()}
    use |= {"gate": _text(), "at": _time()}
    claimed = {"result": {"enum": ["granted", "taken", "refused"]}, "gate": _text(), "at": _time()}
    claimed["reason"] = {"enum": [*(reason.value for reason in Reason), claims.ANNULLED]}
    redemption = use | {"cursor": _WHOLE, "direction": _WAY, "device": _hex(8), "epoch": _hex(8)}
    told = {"result": {"enum": ["stored", "duplicate", "parked", "fork"]}, "conflict": _ref("Use")}
    told |= {"seq": {"type": ["integer", "null"]}, "reason": {"type": "string"}, "hash": _hex(32)}
    counter = {"type": "integer", "minimum": 0, "maximum": MAX_TIME}
    conflict = {"cursor": _WHOLE, "presentation": _hex(16), "other": _ref("Use"), "stands": _TRUTH}
    statement = {"cursor": _WHOLE, "type": {"enum": [t.value for t in Type]}, "serial": _WHOLE}
    open_claim = _object(presentation=_hex(16), ticket_key=_hex(16), list=_text(), at=_time())
    return {
        "Error": _object(error=_text(), cause=_text(4096), remedy=_text(4096)),
        "Enrolled": _fields(
            {"device": _hex(8), "event": _text(), "event_key": _hex(32), "card_key": _hex(16)},
            optional=["card_key"],
        ),
        "Bearer": _object(bearer=_text(128), expires=_time()),
        "Statements": _page("statements", _fields(statement | {"wire": _BASE64}), statements.PAGE),
        "Answers": _fields(
            {
                "answers": _rows(
                    _fields(told, optional=["reason", "conflict", "hash"]), records.MOST
                ),
                "known": _ref("Head"),
                "missing": _rows(_rows(_WHOLE, 2), records.MOST_GAPS),
            },
            optional=["known", "missing"],
        ),
        "Use": _fields(use),
        "Claimed": _fields(claimed, optional=["reason", "gate", "at"]),
        "OpenClaims": _object(claims=_rows(open_claim, feeds.PAGE)),
        "Annulled": _object(result={"const": claims.ANNULLED}),
        "Redemptions": _page(
            "redemptions",
            _fields(redemption | {"stands": _TRUTH, "counter": counter}, optional=["counter"]),
            feeds.PAGE,
        ),
        "Conflicts": _page("conflicts", _fields(conflict), feeds.PAGE),
        "Beat": _fields(
            {"time": _BASE64, "commands": _rows(_command(), 32), "known": _ref("Head")},
            optional=["known"],
        ),
        "Nothing": {"type": "object"},
    }


def _command() -> Json:
    text, lane = _text(512), _text(512)
    return {
        "oneOf": [
            _object(do={"enum": ["resync", "revoke"]}),
            _object(do={"const": "message"}, text=text),
            _object(do={"const": "out_of_service"}, text=text, lane=lane),
            _object(do={"const": "in_service"}, lane=lane),
        ]
    }


def _entry() -> Json:
    """A record of a gate's journal, as `store.records.entry_to_json` writes it."""
    whole, number = {"type": "integer"}, {"type": "number"}
    kinds: Json = {name: _text(4096, least=0) for name in FIELDS}
    kinds |= {"kind": {"enum": [kind.value for kind in Kind]}, "presentation": _hex(16)}
    kinds |= {
        "ticket_key": _hex(16),
        "boot": {"type": "string", "pattern": "^([0-9a-f]{2}){0,32}$"},
    }
    kinds |= {"at": _time(), "uncertainty": number, "monotonic": number}
    kinds |= {"counter": whole, "list_serial": whole}
    linked = {"seq": _WHOLE | {"minimum": 1}, "prev": _hex(32), "hash": _hex(32)}
    entry = _fields(linked | kinds, optional=[name for name in FIELDS if name != "kind"])
    return entry | {"additionalProperties": False}


def _head() -> Json:
    """Where a journal stands, signed, as `store.heads.head_to_json` writes it."""
    seconds, number = (_WHOLE | {"maximum": most} for most in (int(LATEST) - 1, 2**53 - 1))
    return _object(epoch=_hex(8), seq=number, hash=_hex(32), at=seconds, signature=_SIGNATURE)


def _plain() -> Json:
    """Any JSON, without what no database keeps."""
    inner = _ref("Plain")
    bound = 2**63 - 1
    return {
        "anyOf": [
            {"type": ["boolean", "null"]},
            {"type": "number", "minimum": -bound, "maximum": bound},
            _text(4096, least=0),
            {"type": "array", "items": inner},
            {"type": "object", "propertyNames": _text(least=0), "additionalProperties": inner},
        ]
    }


def _object(**fields: Json) -> Json:
    return _fields(fields)


def _fields(fields: Json, optional: Sequence[str] = ()) -> Json:
    required = [name for name in fields if name not in optional]
    return {"type": "object", "required": required, "properties": fields}


def _page(name: str, row: Json, most: int) -> Json:
    return _fields({name: _rows(row, most), "next": _WHOLE})


def _rows(row: Json, most: int) -> Json:
    return {"type": "array", "maxItems": most, "items": row}


def _hex(size: int) -> Json:
    return {"type": "string", "pattern": f"^[0-9a-f]{{{2 * size}}}$"}


def _text(most: int = MOST_NAME, least: int = 1) -> Json:
    """A text without NUL."""
    return {"type": "string", "pattern": f"^[^\\u0000]{{{least},{most}}}$"}


def _time() -> Json:
    return {"type": "number", "minimum": 0, "exclusiveMaximum": LATEST}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(name: str) -> Json:
    return {"application/json": {"schema": _ref(name)}}


def _query(name: str, schema: Json, text: str) -> Json:
    return {"name": name, "in": "query", "schema": schema, "description": text}


def _part(name: str, schema: Json) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def written() -> str:
    """The text of docs/openapi.json."""
    return json.dumps(document(), indent=1) + "\n"


if __name__ == "__main__":
    print(written(), end="")  # noqa: T201
