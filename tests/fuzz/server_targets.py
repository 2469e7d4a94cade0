"""What a server answers a gate, and what gates send a server."""

import json
from contextlib import suppress

from pydantic import BaseModel, ValidationError

from central.bodies import Body, cursor_of
from central.errors import ProtocolError
from sync import answers

MODELS: tuple[type[BaseModel], ...] = (
    answers.Enrolled,
    answers.Bearer,
    answers.Statements,
    answers.Redemptions,
    answers.Conflicts,
    answers.RecordAnswers,
    answers.ClaimAnswer,
    answers.Annulled,
    answers.OpenClaims,
    answers.Beat,
    answers.Pong,
    answers.Refusal,
)


def server_answer(data: bytes) -> None:
    """An answer, to each question that it could answer."""
    for model in MODELS:
        with suppress(ValidationError):
            read = model.model_validate_json(data)
            assert repr(read)


def central_body(data: bytes) -> None:
    """A body that a gate sends, each field asked for in each way; it can be told again."""
    with suppress(ProtocolError):
        body = Body.clean(data)
        for name in ("gate", "device", "presentation", "at", "nonce", "list", "test"):
            for asked in (
                body.text,
                lambda name: body.octets(name, 16),
                lambda name: body.octets_or_none(name, 8),
                body.time,
                body.flag,
                lambda name: body.one_of(name, ("entry", "exit")),
            ):
                with suppress(ProtocolError):
                    json.dumps(found.hex() if isinstance(found := asked(name), bytes) else found)


def central_cursor(data: bytes) -> None:
    """The `after` of a query."""
    with suppress(ProtocolError):
        assert 0 <= cursor_of(data.decode("utf-8", "replace")) < 10**18


TARGETS = {
    "server_answer": server_answer,
    "central_body": central_body,
    "central_cursor": central_cursor,
}
