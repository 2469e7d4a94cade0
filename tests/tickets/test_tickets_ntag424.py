"""NTAG 424 DNA by the published examples, and what no card may get away with.

Sources of the vectors: NXP AN12196 (EV2First, SUN, ChangeKey, ChangeFileSettings) and NXP AN10922
(diversified keys).
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickets.cards import MAX_COUNTER, CardMalformed, CardWord, Proof
from tickets.credential import Credential, Flaw, Format, Rejection
from tickets.ntag424 import commands, ev2, keys, layout, sun
from tickets.ntag424.aes import ZERO, encrypt

H = bytes.fromhex
UID = H("04de5f1eacc040")
SECRET = bytes(range(32))
DESK = keys.desk_keys(SECRET)
GATE = DESK.gate


# -- published vectors ---------------------------------------------------------------------------


def test_an12196_sun_message_without_text():
    message = sun.Message(H("EF963FF7828658A599F3041510671E88"), H("94EED9EE65337086"))
    assert sun.read(message, ZERO, lambda uid: ZERO) == sun.Reading(UID, 61)


def test_an12196_sun_message_with_signed_text():
    reading = sun.reveal(H("FD91EC264309878BE6345CBE53BADF40"), ZERO)
    assert reading == sun.Reading(H("04958CAA5C5E80"), 8)
    signed = b"CEE9A53E3E463EF1F459635736738962&cmac="
    assert sun.code_of(ZERO, reading, signed) == H("ECC1E7F6C6C73BF6")


def test_an12196_plain_mirror():
    assert sun.code_of(ZERO, sun.Reading(H("041E3C8A2D6B80"), 6)) == H("4B00064004B0B3D3")


def test_an12196_ev2_first():
    challenge = ev2.Challenge.met(
        ZERO, H("A04C124213C186F22399D33AC2A30215"), H("13C5DB8A5930439FC3DEF9A4C675360F")
    )
    assert challenge.reply == H("35C3E05A752E0144BAC0DE51C1F22C56B34408A23D8AEA266CAB947EA8E0118D")
    session = challenge.session(
        H("3FA64DB5446D1F34CD6EA311167F5E4985B89690C04A05F17FA7AB2F08120663")
    )
    assert session.transaction == H("9D00C4DF")
    assert session.encryption_key == H("1309C877509E5A215007FF0ED19CA564")
    assert session.mac_key == H("4C6626F5E72EA694202139295C7A7FC7")


def test_an12196_change_of_file_settings():
    session = ev2.Session(
        H("9D00C4DF"),
        H("1309C877509E5A215007FF0ED19CA564"),
        H("4C6626F5E72EA694202139295C7A7FC7"),
        count=1,
    )
    settings = H("4000E0C1F121200000430000430000")
    sent = H("905F0000190261B6D97903566E84C3AE5274467E89EAD799B7C1A0EF7A0400")
    assert commands.change_settings(session, settings) == sent
    assert session.answered(H("57BFF87B1241E93D")) == b""


def test_an12196_change_of_keys():
    session = ev2.Session(
        H("7614281A"),
        H("4CF3CB41A22583A61E89B158D252FC53"),
        H("5529860B2FC5FB6154B7F28361D30BF9"),
        count=2,
    )
    other = H("F3847D627727ED3BC9C4CC050489B966")
    assert commands.checksum(other) == H("789DFADC")
    assert commands.change_key(session, 2, ZERO, other, 1) == H(
        "90C4000029022CF362B7BF4311FF3BE1DAA295E8C68DE09050560D19B9E16C2393AE9CD1FAC7"
        "5D0CE20BCD1D06E600"
    )
    assert session.answered(H("203BB55D1089D587")) == b""
    own = H("5004BF991F408672B1EF00F08F9E8647")
    assert commands.change_key(session, 0, ZERO, own, 1) == H(
        "90C400002900C0EB4DEEFEDDF0B513A03A95A75491818580503190D4D05053FF75668A01D6FD"
        "A6610234BDED643200"
    )


def test_an12196_encrypted_answer():
    session = ev2.Session(
        H("DF055522"), H("2B4D963C014DC36F24F69A50A394F875"), H("379D32130CE61705DD5FD8C36B95D764")
    )
    assert session.maced(0x51, b"") == H("8E2C155ADDA99BE3")
    hidden = session.answered(H("70756055688505B52A5E26E59E329CD6595F672298EA41B7"))
    assert session.opened(hidden)[:7] == H("04958CAA5C5E80")


def test_an10922_diversified_key():
    master = H("00112233445566778899AABBCCDDEEFF")
    found = keys.diversified(master, H("04782E21801D80") + H("3042F5") + H("4E585020416275"))
    assert found == H("A8DD63A3B89D54B37CA802473FDA9175")


# -- keys ----------------------------------------------------------------------------------------


def test_no_two_keys_of_a_card_and_no_two_cards_share_a_key():
    """But for the one that hides UID and counter, which all cards of an event have in common."""
    other = H("04de5f1eacc041")
    own = [DESK.of(number, uid) for uid in (UID, other) for number in range(5)]
    assert len(set(own)) == 9
    assert DESK.of(keys.META, UID) == DESK.of(keys.META, other)


def test_what_a_gate_has_changes_no_card():
    """The key that changes a card comes from a master that gates never get."""
    assert keys.gate_keys(GATE.master) == GATE
    assert DESK.master != GATE.master
    assert DESK.of(keys.ADMIN, UID) not in (GATE.live(UID), GATE.sun(UID), GATE.meta)


def test_another_event_has_other_keys():
    other = keys.desk_keys(bytes(32))
    assert not {other.of(n, UID) for n in range(5)} & {DESK.of(n, UID) for n in range(5)}


@given(st.binary(min_size=16, max_size=16))
def test_the_version_of_our_keys_is_never_the_factory_s(master):
    assert 1 <= keys.gate_keys(master).version <= 255


def test_keys_are_not_in_what_is_printed():
    assert GATE.master.hex() not in repr(DESK)
    assert repr(DESK.master) not in repr(DESK)


@pytest.mark.parametrize("size", [0, 15, 32])
def test_inputs_of_another_length_are_errors(size):
    with pytest.raises(ValueError, match="16 to 31"):
        keys.diversified(ZERO, bytes(size))
    with pytest.raises(ValueError, match="16 bytes"):
        keys.gate_keys(bytes(size))
    with pytest.raises(ValueError, match="7 bytes"):
        GATE.live(bytes(size))


# -- the live answer -----------------------------------------------------------------------------


@given(st.binary(max_size=48))
def test_no_answer_without_the_key_opens_a_session(answer):
    challenge = ev2.Challenge.met(GATE.live(UID), bytes(16), bytes(range(16)))
    with pytest.raises(ev2.NoProof):
        challenge.session(answer)


def test_an_answer_to_another_challenge_proves_nothing():
    """What a true card said a moment ago is no answer now."""
    key = GATE.live(UID)
    answer = encrypt(key, b"TIDS" + bytes(range(1, 16)) + b"\0" + bytes(12))
    ev2.Challenge.met(key, bytes(16), bytes(range(16))).session(answer)
    with pytest.raises(ev2.NoProof):
        ev2.Challenge.met(key, bytes(16), bytes(range(1, 17))).session(answer)


def test_an_answer_of_a_session_counts_for_its_command_alone():
    session = ev2.Session(b"TIDS", bytes(16), bytes(16))
    first = ev2.Session(b"TIDS", bytes(16), bytes(16), count=1)._mac(0, b"")
    assert session.answered(first) == b""
    with pytest.raises(ev2.NoProof):
        session.answered(first)


# -- messages ------------------------------------------------------------------------------------


def url_of(uid=UID, counter=5, meta=GATE.meta, key=None, prefix=b"https://t.example/e?"):
    hidden = encrypt(meta, b"\xc7" + uid + counter.to_bytes(3, "little") + b"rest!")
    code = sun.code_of(key or GATE.sun(uid), sun.Reading(uid, counter))
    return prefix + b"card=" + hidden.hex().encode() + b"&mac=" + code.hex().encode()


def judged(url):
    message = sun.find(url)
    assert message is not None
    return sun.read(message, GATE.meta, GATE.sun)


@given(st.binary(min_size=7, max_size=7), st.integers(0, MAX_COUNTER))
def test_a_message_of_ours_tells_card_and_counter(uid, counter):
    assert judged(url_of(uid, counter)) == sun.Reading(uid, counter)


@pytest.mark.parametrize(
    ("case", "changes"),
    [
        ("another event's cards", {"meta": bytes(16)}),
        ("another card's key", {"key": GATE.sun(H("04de5f1eacc041"))}),
        ("factory keys", {"meta": ZERO, "key": ZERO}),
    ],
)
def test_a_message_with_a_wrong_key_is_no_proof(case, changes):
    with pytest.raises(sun.NoProof):
        judged(url_of(**changes))


@given(st.integers(0, 47))
def test_no_changed_digit_is_believed(place):
    url = bytearray(url_of())
    at = [*range(-53, -21), *range(-16, 0)][place]  # the digits of both parts
    url[at] = ord("0") if url[at] != ord("0") else ord("1")
    with pytest.raises(sun.NoProof):
        judged(bytes(url))


def test_a_message_in_lrp_mode_is_told_apart():
    message = sun.find(b"https://t.example/?card=" + b"ab" * 24 + b"&mac=" + b"cd" * 8)
    assert message is not None
    with pytest.raises(sun.OtherCipher):
        sun.read(message, GATE.meta, GATE.sun)


@pytest.mark.parametrize(
    "url",
    [
        b"",
        b"https://t.example/",
        url_of()[:-1],
        url_of() + b"0",
        url_of() + b"\n",
        url_of().replace(b"&mac", b"&mic"),
        url_of().replace(b"card=", b"card=zz"),
        b"ftp" + url_of()[5:],
        b"\xff" * 200,
    ],
)
def test_other_addresses_carry_no_message(url):
    assert sun.find(url) is None


@given(st.binary(max_size=400))
def test_no_bytes_break_the_search(url):
    sun.find(url)
    sun.find(b"https://x?" + url)


# -- what is written into a card -----------------------------------------------------------------


@pytest.mark.parametrize("url", ["https://t.example/e", "https://t.example/e?x=1"])
def test_the_card_fills_in_exactly_the_places_of_the_message(url):
    made = layout.signed_url(url)
    hidden, signed, code = (
        int.from_bytes(made.settings[at : at + 3], "little") for at in (6, 9, 12)
    )
    file = bytearray(made.file)
    assert file[hidden : hidden + 32] == b"0" * 32
    assert file[code:] == b"0" * 16
    assert signed == code  # nothing lies between: the code covers no text
    assert int.from_bytes(file[:2], "big") == len(file) - 2
    shown = url_of()[-70:]
    file[hidden : hidden + 32] = shown.split(b"card=")[1][:32]
    file[code:] = shown[-16:]
    assert judged(b"https://" + bytes(file[7:])) == sun.Reading(UID, 5)


def test_the_card_s_file_is_read_by_all_and_changed_by_the_desk_alone():
    for made in (layout.signed_url("https://t.example/"), layout.LIVE_ONLY):
        assert made.settings[1:3] == b"\x00\xe0"
    assert layout.signed_url("https://t.example/").signs
    assert not layout.LIVE_ONLY.signs


@pytest.mark.parametrize(
    "url",
    ["http://t.example/", "https://", "https://t/#a", "https://ä.example", "https://" + "a" * 160],
)
def test_an_address_that_no_card_can_carry_is_refused(url):
    with pytest.raises(layout.UrlUnfit):
        layout.signed_url(url)


def test_the_longest_address_fits_the_file():
    assert len(layout.signed_url("https://" + "a" * 152).file) <= layout.FILE_BYTES


def test_an_answer_too_short_for_a_status_has_none():
    assert [commands.answer(raw).status for raw in (b"", b"\x91", b"\x91\x00")] == [0, 0, 0x9100]


# -- a reader's word -----------------------------------------------------------------------------


def test_a_proved_card_is_a_credential_and_any_other_a_named_refusal():
    assert CardWord(UID, Proof.LIVE).credential() == Credential(Format.NTAG424, UID)
    message = CardWord(UID, Proof.MESSAGE, 7).credential()
    assert message == Credential(Format.NTAG424, UID, counter=7)
    forged = CardWord(UID, Proof.FORGED, detail="wrong key").credential()
    assert forged == Rejection(Flaw.FORGED, "wrong key", Format.NTAG424)
    assert CardWord(b"", Proof.UNREADABLE).credential() == Rejection(
        Flaw.UNREADABLE, "", Format.NTAG424
    )


@pytest.mark.parametrize(
    "word",
    [
        (b"", Proof.LIVE),
        (UID + b"1", Proof.LIVE),
        (UID, Proof.LIVE, 5),
        (UID, Proof.MESSAGE),
        (UID, Proof.MESSAGE, -1),
        (UID, Proof.MESSAGE, MAX_COUNTER + 1),
        (UID, Proof.FORGED, 5),
        (bytes(11), Proof.FORGED),
        (UID, Proof.FORGED, None, "x" * 201),
    ],
)
def test_a_word_whose_parts_do_not_belong_together_is_none(word):
    with pytest.raises(CardMalformed):
        CardWord(*word)
