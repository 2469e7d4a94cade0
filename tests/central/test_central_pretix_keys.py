"""Whose pretix counts, the organiser's root says; nobody else can."""

from base64 import b64decode, b64encode

import pytest
from sqlalchemy import select

from central.schema import statement
from cli.__main__ import main
from tests.rigs.central_rig import CentralRig
from tests.rigs.pretix_codes import KEY, VALID_KEY
from tickets.cose import public_key_of
from tickets.keyring import pinned
from tickets.statements import keyring_from, read_statement

OTHER = public_key_of(b"\x55" * 32)
PEM = b64encode(bytes.fromhex("302a300506032b6570032100") + OTHER).decode()
OTHER_KEY = b64encode(
    f"-----BEGIN PUBLIC KEY-----\n{PEM}\n-----END PUBLIC KEY-----\n".encode()
).decode()


def init(rig: CentralRig, *keys: str) -> int:
    options = [word for key in keys for word in ("--pretix-key", key)]
    with pytest.raises(SystemExit) as ended:
        main(["central", "init", "--db", rig.db, "--keys", str(rig.keys), *options])
    return int(ended.value.code or 0)


def believed(rig: CentralRig) -> tuple[bytes, ...]:
    """The keys of pretix that a gate takes from the newest keyset."""
    query = select(statement.c.wire).where(statement.c.type == "keyset")
    with rig.central.database.reading() as connection:
        wire = connection.execute(query.order_by(statement.c.cursor.desc())).scalars().first()
    ring = pinned(map(b64decode, rig.root_keys))
    new = keyring_from(ring, read_statement(wire or b"", rig.central.event, ring))
    return new.trust(rig.central.event).pretix_keys


def test_without_the_option_no_code_of_pretix_is_signed(rig: CentralRig) -> None:
    assert believed(rig) == ()


def test_the_organiser_names_the_keys_of_their_pretix(rig: CentralRig) -> None:
    assert init(rig, VALID_KEY, OTHER_KEY, VALID_KEY) == 0
    assert believed(rig) == (KEY, OTHER)


def test_they_stay_until_others_are_named(rig: CentralRig) -> None:
    """Publishing the keyset for another year must not turn sold tickets into unknown ones."""
    assert [init(rig, VALID_KEY), init(rig)] == [0, 0]
    assert believed(rig) == (KEY,)
    assert init(rig, OTHER_KEY) == 0
    assert believed(rig) == (OTHER,)
    assert init(rig, "none") == 0
    assert believed(rig) == ()


@pytest.mark.parametrize(
    ("keys", "told"), [(["rubbish"], "valid_keys.pretix_sig1"), ([OTHER_KEY] * 9, "at most 8")]
)
def test_what_is_no_key_changes_nothing(rig, keys, told, capsys) -> None:
    assert init(rig, VALID_KEY) == 0
    assert init(rig, *keys) == 1
    assert told in capsys.readouterr().err
    assert believed(rig) == (KEY,)
