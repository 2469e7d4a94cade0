"""Files that somebody else can write: a USB stick, the boot partition, the card in another slot."""

import base64
import json
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

from nacl.signing import SigningKey

from central.errors import CentralFault
from central.setup import read_policy
from config.problems import ConfigError
from config.read import parse_config
from scanner.admissions import NotReady
from scanner.identity import Identity
from scanner.kept import Kept
from scanner.list_age import _read as read_contact
from scanner.list_files import _remembered
from store.stick import FOLDER, INDEX, Stick, StickFault
from store.stick_records import _CONTEXT, NotTheOrganisers, RecordsTorn, read_records, read_signed
from sync.errors import IdentityDamaged
from sync.identity import load_identity
from tickets import cose
from tickets.key_files import KeyFault, Role, key_path, load_key

_DEVICE = SigningKey(b"\x11" * 32)
_LIST_SEED = b"\x12" * 32
_LIST = cose.public_key_of(_LIST_SEED)


@cache
def _directory() -> Path:
    directory = Path(tempfile.mkdtemp(prefix="admit-fuzz-"))
    (directory / FOLDER).mkdir()
    (directory / "kept").mkdir()
    return directory


def _file(name: str, data: bytes) -> Path:
    path = _directory() / name
    path.write_bytes(data)
    return path


def configuration(data: bytes) -> None:
    """`admit.toml`; every problem can be told."""
    try:
        parse_config(data)
    except ConfigError as error:
        assert str(error)


def stick_index(data: bytes) -> None:
    """What a stick says it holds."""
    _file(f"{FOLDER}/{INDEX}", data)
    with suppress(StickFault):
        index = Stick(_directory()).index()
        assert all(held.size >= 0 for held in index.files.values())


def stick_records(data: bytes) -> None:
    """Records that their gate has signed, and the same bytes unsigned."""
    signature = base64.b64encode(_DEVICE.sign(_CONTEXT + data).signature)
    for file in (data, signature + b"\n" + data):
        with suppress(RecordsTorn):
            json.dumps(read_records("a", file, bytes(_DEVICE.verify_key)))


def stick_answers(data: bytes) -> None:
    """What the organiser has signed, and the same bytes unsigned."""
    kid = cose.key_id(_LIST)
    for file in (data, cose.sign1(_LIST_SEED, kid, data)):
        with suppress(NotTheOrganisers):
            read_signed("answers", "a", file, "FUZZ", {kid: _LIST})


def gate_identity(data: bytes) -> None:
    """What sync keeps of the enrolment, read by scanner and by sync."""
    path = _file("identity.json", data)
    with suppress(NotReady):
        assert len(Identity.read(path, "FUZZ").event_key) == 32
    with suppress(IdentityDamaged):
        load_identity(_directory())


def gate_memory(data: bytes) -> None:
    """What scanner keeps across restarts, after a power cut or on a card of somebody else."""
    for name in ("keyset.cbor", "policy.cbor", "serials.json"):
        _file(f"kept/{name}", data)
    Kept(_directory() / "kept", "trust").load()
    path = _file("memory.json", data)
    read_contact(path)
    _remembered(path)


def key_file(data: bytes) -> None:
    """A key file of the organiser."""
    path = key_path(_directory(), Role.ISSUER)
    path.unlink(missing_ok=True)
    path.touch(0o600)
    path.write_bytes(data)
    with suppress(KeyFault):
        assert len(load_key(_directory(), Role.ISSUER).secret) == 32


def policy_file(data: bytes) -> None:
    """The policy file of the organiser, in both of its forms."""
    for name in ("policy.toml", "policy.json"):
        with suppress(CentralFault):
            read_policy(_file(name, data))


TARGETS = {
    "configuration": configuration,
    "stick_index": stick_index,
    "stick_records": stick_records,
    "stick_answers": stick_answers,
    "gate_identity": gate_identity,
    "gate_memory": gate_memory,
    "key_file": key_file,
    "policy_file": policy_file,
}
