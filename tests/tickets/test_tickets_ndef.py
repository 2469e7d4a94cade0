"""The message on an NFC card: which bytes are one, and where its ticket is."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tickets.ndef import (
    MOST_MESSAGE,
    MOST_RECORDS,
    Form,
    Garbled,
    NdefRecord,
    NdefTicket,
    find_ticket,
    read_message,
    text_of,
    uri_of,
)


def record(tnf, kind, payload, *, begin=True, end=True, name=None):
    flags = tnf | 0x80 * begin | 0x40 * end | 0x08 * (name is not None)
    short = len(payload) < 256
    size = bytes([len(payload)]) if short else len(payload).to_bytes(4, "big")
    head = bytes([flags | 0x10 * short, len(kind)]) + size
    return head + (bytes([len(name)]) if name is not None else b"") + kind + (name or b"") + payload


def message(*records):
    last = len(records) - 1
    return b"".join(record(*each, begin=n == 0, end=n == last) for n, each in enumerate(records))


EXTERNAL = (4, b"gate.example:tkt", b"\xd2\x84signed")
MIME = (2, b"application/vnd.example.ticket", b"in mime")
URI = (1, b"U", b"\x04gate.example/t?p=AA%20&t=CODE&c=BB")
TEXT = (1, b"T", b"\x02enCODE-1")

# --- messages


@given(
    st.lists(
        st.tuples(
            st.sampled_from([1, 2, 4]), st.binary(min_size=1, max_size=20), st.binary(max_size=99)
        ),
        min_size=1,
        max_size=MOST_RECORDS,
    ).filter(lambda each: sum(len(k) + len(p) + 6 for _, k, p in each) <= MOST_MESSAGE)
)
def test_records_are_read_as_they_were_written(records):
    assert read_message(message(*records)) == tuple(NdefRecord(*each) for each in records)


@given(st.binary(max_size=MOST_MESSAGE + 2))
@example(b"")
@example(message(*[TEXT] * (MOST_RECORDS + 1)))
def test_no_bytes_crash_the_parser(data):
    found = read_message(data)
    assert isinstance(found, Garbled) or find_ticket(found, text=True) is not ...


@given(st.data())
def test_a_message_cut_anywhere_is_none(data):
    whole = message(EXTERNAL, URI, TEXT)
    at = data.draw(st.integers(0, len(whole) - 1))
    assert isinstance(read_message(whole[:at]), Garbled)


@pytest.mark.parametrize(
    ("case", "data", "detail"),
    [
        ("nothing", b"", "cut short"),
        ("noise", bytes.fromhex("D102FFFF5502"), "cut short"),
        ("no begin", record(1, b"T", b"x", begin=False), "does not begin"),
        ("begins twice", record(*TEXT, end=False) + record(*TEXT), "does not begin"),
        ("bytes after the end", message(TEXT) + b"\x00", "bytes follow"),
        ("in chunks", bytes([0xB1, 1, 1]) + b"Tx", "chunks"),
        ("a reserved kind", record(7, b"T", b"x"), "reserved"),
        ("unchanged without a chunk", record(6, b"", b"x"), "reserved"),
        ("empty, with a payload", record(0, b"", b"x"), "not empty"),
        ("unknown, with a type", record(5, b"T", b"x"), "with a type"),
        ("no type", record(4, b"", b"x"), "without a type"),
        ("4 GiB", bytes([0xC1, 1]) + b"\xff\xff\xff\xff" + b"T", "cut short"),
        ("too many records", message(*[TEXT] * (MOST_RECORDS + 1)), "more than"),
        ("too long", message((4, b"a:tkt", bytes(MOST_MESSAGE))), "longer than"),
    ],
)
def test_it_is_no_message(case, data, detail):
    found = read_message(data)
    assert isinstance(found, Garbled), case
    assert detail in found.detail


def test_a_record_with_a_name_is_read():
    data = record(4, b"gate.example:tkt", b"x", name=b"id")
    assert read_message(data) == (NdefRecord(4, b"gate.example:tkt", b"x"),)


def test_a_payload_of_256_bytes_has_its_long_form():
    payload = bytes(range(256))
    assert find_ticket(read_message(message((4, b"a.example:tkt", payload)))).payload == payload


# --- tickets


SIGNED = NdefTicket(Form.EXTERNAL, b"\xd2\x84signed")
IN_MIME = NdefTicket(Form.MIME, b"in mime")


def link(uri):
    return (1, b"U", uri)


@pytest.mark.parametrize(
    ("case", "records", "ticket"),
    [
        ("external", [EXTERNAL], SIGNED),
        ("external before a link that comes first", [URI, EXTERNAL], SIGNED),
        ("MIME before a link", [URI, MIME], IN_MIME),
        ("the first of two", [EXTERNAL, (4, b"b.example:tkt", b"2")], SIGNED),
        ("types know no case", [(4, b"Gate.Example:TKT", b"\xd2\x84signed")], SIGNED),
        ("a parameter", [URI], NdefTicket(Form.URI, b"CODE")),
        (
            "a fragment, byte for byte",
            [link(b"\x04a/#AB%20+C&E")],
            NdefTicket(Form.URI, b"AB%20+C&E"),
        ),
        ("the fragment before the parameter", [link(b"\x00x:?t=1#2")], NdefTicket(Form.URI, b"2")),
        ("an empty record is passed over", [(4, b"a.example:tkt", b""), MIME], IN_MIME),
        ("another external type", [(4, b"android.com:pkg", b"app")], None),
        ("another MIME type", [(2, b"text/vcard", b"card")], None),
        ("a link without one", [link(b"\x04gate.example/?p=AA")], None),
        ("a reserved prefix", [link(b"\x24x#y")], None),
        ("an empty link", [link(b"")], None),
    ],
)
def test_the_ticket_is_found(case, records, ticket):
    assert find_ticket(read_message(message(*records))) == ticket, case


def test_text_counts_only_where_it_is_wanted():
    records = read_message(message(TEXT))
    assert find_ticket(records) is None
    assert find_ticket(records, text=True) == NdefTicket(Form.TEXT, b"CODE-1")


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        (b"\x02enCODE", b"CODE"),
        (b"\x00CODE", b"CODE"),
        (b"\x82enC", b""),
        (b"\x42enC", b""),
        (b"\x3fen", b""),
        (b"", b""),
    ],
)
def test_text_is_utf8_behind_its_language(payload, text):
    assert text_of(NdefRecord(1, b"T", payload)) == text


@pytest.mark.parametrize(
    ("code", "prefix"), [(0, b""), (1, b"http://www."), (4, b"https://"), (0x23, b"urn:nfc:")]
)
def test_a_link_gets_its_prefix(code, prefix):
    """RTD URI 1.0, table 3."""
    assert uri_of(NdefRecord(1, b"U", bytes([code]) + b"x?a=b&c=d")) == prefix + b"x?a=b&c=d"
