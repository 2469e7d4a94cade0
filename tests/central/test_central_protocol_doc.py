"""docs/protocol.md shows real bytes, and every error and rule that there is."""

import base64
import json
import re
from hashlib import blake2b

import cbor2
import pytest
from nacl.signing import SigningKey

from store.heads import head_text, head_to_json, sign_head
from store.records import GENESIS, chain_hash, entry_from_json, in_order
from tests.rigs.central_rig import ROOT
from tickets.bodies import Delta, Keyset, ListHead, NamesHead, ServerTime, Type
from tickets.cose import key_id
from tickets.credential import Credential, Format
from tickets.keyring import Keyring
from tickets.keys import cti_of, event_key_of, ticket_key
from tickets.statements import read_statement, sign_statement

PAGE = (ROOT / "docs" / "protocol.md").read_text("utf-8")
SEED = bytes(range(32))
PUBLIC = SigningKey(SEED).verify_key.encode()
NONCE = bytes.fromhex("00112233445566778899aabbccddeeff")
EVENT_SECRET = b"\x42" * 32


def blocks(kind: str) -> list[str]:
    """The fenced blocks of the page."""
    found = re.findall(r"^```([\w -]*)\n(.*?)\n```$", PAGE, re.DOTALL | re.MULTILINE)
    return [text for name, text in found if (name or "text") == kind]


def test_the_token_request_is_signed_as_shown() -> None:
    """Text, key, device and signature."""
    device = blake2b(PUBLIC, digest_size=8).hexdigest()
    text = f"admit-token\n{device}\n0\n{NONCE.hex()}"
    signature = base64.b64encode(SigningKey(SEED).sign(text.encode()).signature).decode()
    assert SEED.hex() in PAGE and PUBLIC.hex() in PAGE and text in blocks("text")
    (body,) = [json.loads(block) for block in blocks("json") if "nonce" in block]
    assert body == {"device": device, "at": 0, "nonce": NONCE.hex(), "signature": signature}


def test_the_ticket_key_is_made_as_shown() -> None:
    """By the steps that the page tells, and by the code."""
    event_key = blake2b(b"", digest_size=32, key=EVENT_SECRET, person=b"admit-gate").digest()
    cti = blake2b(b"A1", digest_size=16, key=EVENT_SECRET, person=b"admit-cti").digest()
    key = blake2b(cti, digest_size=16, key=event_key, person=b"admit-ad1").digest()
    assert event_key == event_key_of(EVENT_SECRET)
    assert cti == cti_of(EVENT_SECRET, "A1")
    assert key == ticket_key(event_key, Credential(Format.AD1, cti))
    assert all(f"`{shown.hex()}`" in PAGE for shown in (event_key, cti, key))


def test_the_record_is_hashed_as_shown() -> None:
    """JSON, the bytes it stands for, and their hash."""
    (body,) = [json.loads(block) for block in blocks("json") if "prev" in block]
    entry = entry_from_json(body)
    hashed = cbor2.dumps([1, GENESIS, *in_order(entry.record)])
    assert hashed.hex() in blocks("text")
    assert blake2b(hashed, digest_size=32).digest() == entry.hash
    assert chain_hash(1, GENESIS, entry.record) == entry.hash
    names = re.search(r"array `\[(.*?)\]`", PAGE, re.DOTALL)
    assert names is not None
    assert names[1].replace("\n", " ").split(", ")[2:] == list(entry.record.__slots__)


def test_the_head_is_signed_as_shown() -> None:
    """Of the journal that ends with the record above."""
    (entry,) = [json.loads(block) for block in blocks("json") if "prev" in block]
    (body,) = [json.loads(block)["head"] for block in blocks("json") if '"head"' in block]
    device = blake2b(PUBLIC, digest_size=8).hexdigest()
    head = sign_head(
        SigningKey(SEED),
        device,
        bytes.fromhex(body["epoch"]),
        (1, bytes.fromhex(entry["hash"])),
        1782835201,
    )
    assert head_to_json(head) == body
    assert head_text(device, head.epoch, *head.tip, head.at).decode() in blocks("text")


def test_the_statement_is_signed_as_shown() -> None:
    """Its bytes are read by a gate, and made again."""
    (wire,) = [bytes.fromhex(block) for block in blocks("text") if block.startswith("81d284")]
    statement = read_statement(wire, "FEST2026", Keyring({}, 1, lists={key_id(PUBLIC): PUBLIC}))
    assert statement.body == ServerTime(NONCE, 1782835200123)
    assert f"key id `{key_id(PUBLIC).hex()}`" in PAGE and f"{len(wire)} bytes" in PAGE
    again = sign_statement(
        statement.body, event="FEST2026", serial=statement.serial, issued=statement.issued,
        expires=statement.expires, signers=[(key_id(PUBLIC), SEED)],
    )  # fmt: skip
    assert again == wire


@pytest.mark.parametrize("kind", list(Type))
def test_every_type_of_statement_is_in_the_table(kind: Type) -> None:
    """With the fields of its body, where these are fixed."""
    row = re.search(rf"^\| `{kind}` \|.*\| (.*?) \|$", PAGE, re.MULTILINE)
    assert row is not None
    if kind is not Type.POLICY:
        fields = re.search(r"`\{(.*?)\}`", row[1])
        assert fields is not None
        body = {Type.KEYSET: Keyset, Type.LIST: ListHead, Type.DELTA: Delta}
        body |= {Type.NAMES: NamesHead, Type.TIME: ServerTime}
        assert fields[1].split(", ") == list(body[kind].__slots__)


def test_every_error_of_the_server_is_in_the_table() -> None:
    """A name that the page does not tell could not be acted on."""
    sources = [*(ROOT / "central").glob("*.py")]
    text = "".join(path.read_text("utf-8") for path in sources)
    names = set(re.findall(r'(?:40\d|409|413|50\d),\s*"(\w+)"', text))
    assert {"busy", "list_gone", "token_refused"} <= names
    assert [name for name in sorted(names) if f"`{name}`" not in PAGE] == []
