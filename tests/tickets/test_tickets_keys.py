"""A ticket's name at rest tells nothing without the event key; key files are for their owner."""

import os
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickets.credential import Credential, Format
from tickets.key_files import KeyFault, Role, key_path, load_key, new_key, save_key
from tickets.keys import cti_of, event_key_of, ticket_key
from tickets.trust import InvalidEvent

KEY = bytes(range(32))


def test_names_stay_what_they_are():
    """Lists and journals of past versions hold these: computed once, kept here."""
    assert ticket_key(KEY, Credential(Format.OPAQUE, b"code")).hex() == GOLDEN_OPAQUE
    assert ticket_key(KEY, Credential(Format.AD1, bytes(16))).hex() == GOLDEN_AD1
    assert cti_of(KEY, "A-1").hex() == GOLDEN_CTI
    assert event_key_of(KEY).hex() == GOLDEN_EVENT_KEY


GOLDEN_OPAQUE = "a519001d7a4364840ae25e78e007763b"
GOLDEN_AD1 = "0964f06754b61982358933dd8b60bf10"
GOLDEN_CTI = "5d2200f628748e88e9b62cc6c24c7eb8"
GOLDEN_EVENT_KEY = "780629d98a6f0a68efdbfe4fadb9ffd30ba0bbac223f18612a666d7dc76d90f9"


@given(st.text(min_size=1, max_size=20), st.binary(min_size=32, max_size=32))
def test_whoever_has_a_gate_cannot_make_the_code_of_an_id_they_guess(ticket_id, secret):
    """The gate's key in place of the secret makes another code, whose ticket is on no list."""
    thief, real = cti_of(event_key_of(secret), ticket_id), cti_of(secret, ticket_id)
    assert thief != real
    assert cti_of(secret, ticket_id) != ticket_key(
        event_key_of(secret), Credential(Format.AD1, real)
    )


@given(st.binary(min_size=1, max_size=64), st.binary(min_size=32, max_size=32))
def test_formats_uses_and_events_are_kept_apart(identity, other_key):
    names = {
        ticket_key(KEY, Credential(Format.OPAQUE, identity)),
        ticket_key(KEY, Credential(Format.AD1, identity)),
        ticket_key(KEY, Credential(Format.NTAG424, identity)),
        cti_of(KEY, identity.hex()),
        ticket_key(bytes(32), Credential(Format.OPAQUE, identity)),
    }
    assert len(names) == 5
    assert all(len(name) == 16 for name in names)


def test_only_the_identity_makes_the_name():
    """A ticket sold again with other rights is the same ticket."""
    again = Credential(Format.AD1, bytes(16), product=2, entries=9, valid_from=1)
    assert ticket_key(KEY, again) == ticket_key(KEY, Credential(Format.AD1, bytes(16)))


@pytest.mark.parametrize("size", [0, 16, 31, 33, 64])
def test_an_event_key_of_another_length_is_an_error(size):
    with pytest.raises(ValueError, match="32 bytes"):
        cti_of(bytes(size), "A-1")
    with pytest.raises(ValueError, match="32 bytes"):
        event_key_of(bytes(size))


# Key files


@pytest.mark.parametrize("role", list(Role))
def test_a_saved_key_is_loaded_and_only_its_owner_can_read_it(tmp_path, role):
    key = new_key(role, 'A "B" \\ Ä')
    path = save_key(key, tmp_path / "keys")
    assert load_key(tmp_path / "keys", role) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_no_secret_is_shown_by_repr():
    key = new_key(Role.ISSUER, "FEST26")
    assert key.secret.hex() not in repr(key)
    assert repr(bytes(key.secret)) not in repr(key)


def test_every_new_key_is_another():
    assert new_key(Role.ROOT, "FEST26").secret != new_key(Role.ROOT, "FEST26").secret


def test_no_key_is_written_over_another(tmp_path):
    save_key(key := new_key(Role.ISSUER, "FEST26"), tmp_path)
    with pytest.raises(KeyFault, match="exists already"):
        save_key(new_key(Role.ISSUER, "FEST26"), tmp_path)
    assert load_key(tmp_path, Role.ISSUER) == key


def test_a_key_needs_an_event_name():
    with pytest.raises(InvalidEvent):
        new_key(Role.ISSUER, "much too long a name")


def test_a_directory_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(KeyFault, match="cannot be written"):
        save_key(new_key(Role.ISSUER, "FEST26"), tmp_path / "file" / "keys")


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o620, 0o602, 0o666])
def test_a_key_open_to_others_is_refused_with_the_remedy(tmp_path, mode):
    path = save_key(new_key(Role.ISSUER, "FEST26"), tmp_path)
    path.chmod(mode)
    with pytest.raises(KeyFault) as fault:
        load_key(tmp_path, Role.ISSUER)
    assert f"chmod 600 {path}" in fault.value.remedy


def test_a_missing_key_is_named(tmp_path):
    with pytest.raises(KeyFault, match="does not exist"):
        load_key(tmp_path, Role.ISSUER)


def test_a_directory_or_a_pipe_in_place_of_a_key_is_refused_at_once(tmp_path):
    key_path(tmp_path, Role.ISSUER).mkdir()
    os.mkfifo(key_path(tmp_path, Role.LIST), 0o600)
    for role in (Role.ISSUER, Role.LIST):
        with pytest.raises(KeyFault):
            load_key(tmp_path, role)


SECRET, PUBLIC = "00" * 32, "3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29"
GOOD = f'role = "issuer"\nevent = "FEST26"\npublic = "{PUBLIC}"\nsecret = "{SECRET}"\n'


@pytest.mark.parametrize(
    ("case", "text"),
    [
        ("empty", ""),
        ("cut short", GOOD[:-10]),
        ("not TOML", "secret: 00"),
        ("not UTF-8", GOOD.encode() + b"# \xff"),
        ("endless", GOOD + "#" * 5000),
        ("another role", GOOD.replace("issuer", "list")),
        ("no event", GOOD.replace('event = "FEST26"\n', "")),
        ("unknown field", GOOD + 'x = "1"\n'),
        ("a number for text", GOOD.replace('"FEST26"', "26")),
        ("bad event", GOOD.replace("FEST26", "")),
        ("short secret", GOOD.replace(SECRET, "00" * 31)),
        ("secret not hex", GOOD.replace(SECRET, "zz" * 32)),
        ("public of another", GOOD.replace(PUBLIC, "11" * 32)),
        ("nested deep", "x = " + "[" * 2000),
    ],
)
def test_a_key_file_of_another_form_is_refused(tmp_path, case, text):
    path = key_path(tmp_path, Role.ISSUER)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(0o600)
    with pytest.raises(KeyFault, match="is not the issuer key"):
        load_key(tmp_path, Role.ISSUER)


def test_the_good_form_of_that_file_is_loaded(tmp_path):
    path = key_path(tmp_path, Role.ISSUER)
    path.write_text(GOOD)
    path.chmod(0o600)
    assert load_key(tmp_path, Role.ISSUER).public.hex() == PUBLIC
