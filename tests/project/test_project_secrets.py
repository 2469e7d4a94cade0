"""No secret prints: not by repr, str, format, log, JSON, pickle or a traceback's locals."""

import ast
import io
import json
import logging
import pickle
import re
import traceback
from collections.abc import Iterator

import pytest

from tests.project.project_tree import PACKAGES, ROOT
from tickets.secret import MASK, Secret, SecretBytes

TEXT, RAW = "s3cret-of-tonight", b"\x07s3cret-of-tonight"
MEANS_SECRET = re.compile(
    "secret|seed|token|bearer|passw|master|payload|cookie|csrf|one_time|ticket_id|^code$|_key$|^pin$"
)
"""Names of fields that may hold one."""
PUBLIC = {
    "ticket_key": "a keyed hash, the ticket's only name at rest",
    "public_key": "public",
    "holder_key": "public: whom a ticket is bound to",
    "tickets/cose.py:payload": "what was signed",
    "tickets/ceremony.py:payload": "what is to be signed",
    "tickets/ntag424/sun.py:code": "a card's code of one use, told by whoever shows the card",
    "drivers/wedge_keys.py:code": "of a key on a keyboard",
    "config/models.py:pin": "hashes of the server's public key",
    "store/withdrawn.py:token": "a hash of one that is used up",
}
"""Fields of such names that hold none, and why."""


def fields() -> Iterator[tuple[str, str, str]]:
    """(place, field's name, its annotation and default) of every class of the packages."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            place = str(path.relative_to(ROOT))
            for part in ast.walk(ast.parse(path.read_text("utf-8"))):
                for line in part.body if isinstance(part, ast.ClassDef) else ():
                    if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
                        yield place, line.target.id, ast.unparse(line).partition(":")[2]


def test_every_field_that_holds_a_secret_is_not_printed_with_its_class():
    """By its type, or by `repr=False`."""
    found = [
        f"{place}:{name}"
        for place, name, said in fields()
        if MEANS_SECRET.search(name)
        and not {name, f"{place}:{name}"} & PUBLIC.keys()
        and not re.search("repr=False|Secret|Token|Type", said)
    ]
    assert found == []


def test_the_fields_are_found_at_all():
    """Else the test above would hold for nothing."""
    assert {"secret", "event_key", "bearer", "ticket_id"} <= {name for _, name, _ in fields()}


SECRETS = [Secret(TEXT), SecretBytes(RAW)]


def shown(secret: object) -> Iterator[str]:
    """Each way in which a program writes a value down."""
    yield from (repr(secret), str(secret), f"{secret}", f"{secret!r}", f"{secret!s:>20}")
    yield from (f"{secret}", repr([secret]), str({"k": secret}))
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    record = logging.LogRecord("x", logging.INFO, "x", 1, "got %s and %r", (secret, secret), None)
    handler.emit(record)
    yield stream.getvalue()
    try:
        raise ValueError(secret)
    except ValueError as error:
        whole = traceback.TracebackException.from_exception(error, capture_locals=True)
        yield "".join(whole.format())


@pytest.mark.parametrize("secret", SECRETS, ids=["text", "bytes"])
def test_a_secret_is_masked_however_it_is_written_down(secret):
    for text in shown(secret):
        assert MASK in text or "Secret" in text
        assert TEXT not in text and RAW.hex() not in text


@pytest.mark.parametrize("secret", SECRETS, ids=["text", "bytes"])
def test_a_secret_goes_into_no_json_and_no_pickle(secret):
    with pytest.raises(TypeError) as fault:
        json.dumps({"key": secret})
    assert TEXT not in str(fault.value)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dumps(secret, protocol)


def test_secret_bytes_work_where_bytes_do():
    from hashlib import blake2b

    secret = SecretBytes(bytes(range(32)))
    assert blake2b(b"", key=secret).digest() == blake2b(b"", key=bytes(range(32))).digest()
    assert secret == bytes(range(32)) and SecretBytes.fromhex(secret.hex()) == secret
    assert isinstance(SecretBytes.fromhex("00"), SecretBytes)
