"""One shape of COSE_Sign1, the one a general CBOR decoder and RFC 9052 agree on."""

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import VerifyKey

from tickets import cose

# RFC 8032, section 7.1, TEST 1: seed and public key.
SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
PUBLIC = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
KID = cose.key_id(PUBLIC)
SIGNED = cose.sign1(SEED, KID, b"payload")


def test_the_public_key_is_that_of_the_standard():
    assert cose.public_key_of(SEED) == PUBLIC


@pytest.mark.parametrize("size", [0, 1, 23, 24, 255, 256, 65535, 65536])
def test_a_general_decoder_reads_the_same_parts(size):
    payload = bytes(size)
    message = cbor2.loads(cose.sign1(SEED, KID, payload))
    protected, unprotected, body, signature = message.value
    assert message.tag == 18
    assert cbor2.loads(protected) == {1: -8, 4: KID}
    assert (unprotected, body) == ({}, payload)
    structure = cbor2.dumps(["Signature1", protected, b"", payload])  # RFC 9052, section 4.4
    VerifyKey(PUBLIC).verify(structure, signature)


@given(st.binary(max_size=400))
def test_what_is_signed_is_split_and_verifies(payload):
    envelope = cose.split(cose.sign1(SEED, KID, payload))
    assert (envelope.protected, envelope.payload) == (cose.protected_header(KID), payload)
    assert cose.verifies(envelope, PUBLIC)


def test_signing_twice_gives_the_same_bytes():
    assert cose.sign1(SEED, KID, b"payload") == SIGNED


@pytest.mark.parametrize("at", range(len(SIGNED)))
def test_a_changed_byte_anywhere_is_noticed(at):
    changed = bytearray(SIGNED)
    changed[at] ^= 0x01
    try:
        envelope = cose.split(bytes(changed))
    except cose.CoseError:
        return
    assert envelope.protected != cose.protected_header(KID) or not cose.verifies(envelope, PUBLIC)


HEADER = b"\x4d" + cose.protected_header(KID)
TAIL = b"\x58\x40" + bytes(64)


@pytest.mark.parametrize(
    ("case", "data"),
    [
        ("empty", b""),
        ("only the tag", b"\xd2\x84"),
        ("no tag", SIGNED[1:]),
        ("another tag", b"\xd1" + SIGNED[1:]),
        ("long form of the tag", b"\xd8\x12" + SIGNED[1:]),
        ("indefinite array", b"\xd2\x9f" + SIGNED[2:] + b"\xff"),
        ("protected not bytes", b"\xd2\x84\x6d" + SIGNED[3:]),
        ("protected in a long form", b"\xd2\x84\x58\x0d" + SIGNED[3:]),
        ("unprotected header with a kid", b"\xd2\x84" + HEADER + b"\xa1\x04\x40\x40" + TAIL),
        ("detached payload", b"\xd2\x84" + HEADER + b"\xa0\xf6" + TAIL),
        ("payload length in a long form", b"\xd2\x84" + HEADER + b"\xa0\x58\x01x" + TAIL),
        ("payload length in two bytes", b"\xd2\x84" + HEADER + b"\xa0\x59\0\x01x" + TAIL),
        ("payload length in eight bytes", b"\xd2\x84" + HEADER + b"\xa0\x5b" + bytes(8) + TAIL),
        ("payload longer than the rest", b"\xd2\x84" + HEADER + b"\xa0\x5a\xff\xff\xff\xffx"),
        ("short signature", SIGNED[:-1]),
        ("signature of 63", b"\xd2\x84" + HEADER + b"\xa0\x40\x58\x3f" + bytes(63)),
        ("bytes after the end", SIGNED + b"\0"),
    ],
)
def test_any_other_shape_is_refused(case, data):
    with pytest.raises(cose.CoseError):
        cose.split(data)


@given(st.binary(max_size=150), st.integers(0, 150))
def test_no_bytes_crash_it(noise, start):
    for data in (noise, cose.MAGIC + noise, SIGNED[:start] + noise):
        try:
            cose.split(data)
        except cose.CoseError as error:
            assert str(error)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_public_key_of_another_length_is_an_error_not_a_read_past_its_end(size):
    with pytest.raises(ValueError, match="32 bytes"):
        cose.verifies(cose.split(SIGNED), bytes(size))


def test_a_key_id_of_another_length_is_an_error():
    with pytest.raises(ValueError, match="8 bytes"):
        cose.protected_header(b"short")
