"""Each line of a CSV file makes a ticket or a fault with its line and remedy."""

import csv
import io
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickets.credential import Credential, Format
from tickets.csv_rows import MAX_LINE, BadRow, CsvRejected, TicketRow, read_rows
from tickets.keys import cti_of, event_key_of, ticket_key
from tickets.rows import Status, Ticket

KEY = bytes(range(32))


def rows(text):
    data = text if isinstance(text, bytes) else text.encode()
    return list(read_rows(io.BytesIO(data)))


def row(header, line):
    (only,) = rows(f"{header}\n{line}\n")
    return only


def test_a_row_needs_only_an_id():
    assert rows("id\nA-1\n") == [TicketRow(2, "A-1")]


def test_every_column_is_read():
    header = "id,product,entries,valid_from,valid_until,code,status,attention,name"
    line = "A-1,7,0,1970-01-02T00:00:00Z,1970-01-03T01:00+01:00,XY12,unpaid,1,Ada"
    assert row(header, line) == TicketRow(
        2, "A-1", 7, 0, 86400, 172800, "XY12", Status.UNPAID | Status.ATTENTION, name="Ada"
    )


def test_a_name_is_made_printable_and_never_makes_a_row_bad():
    name = f"Ada\u200e  K.\x07 {'x' * 200}"
    assert row("id,name", f"A,{name}").name == f"Ada K. {'x' * 90}"


def test_a_name_stays_out_of_what_is_logged():
    assert "Ada" not in repr(row("id,name", "A,Ada"))


def test_a_ticket_may_be_a_card():
    """Its row is named by the card's UID, and by nothing that could be printed."""
    (read,) = rows("id,card\nA-1,04DE5F1EACC040\n")
    card = Credential(Format.NTAG424, bytes.fromhex("04de5f1eacc040"))
    assert read == TicketRow(2, "A-1", card=card.ticket_id)
    assert read.ticket(KEY) == Ticket(ticket_key(event_key_of(KEY), card))


@pytest.mark.parametrize(
    "text",
    [
        "id,product\nA,2\n",
        "id;product\r\nA;2\r\n",
        "id\tproduct\nA\t2",
        "\ufeffID , Product\n A , 2 \n",
        'product,id\n2,"A"\n',
        "id,product\n\nA,2\n,\n \n",
    ],
)
def test_what_spreadsheets_write_is_read(text):
    (only,) = rows(text)
    assert (only.id, only.product) == ("A", 2)


def test_a_row_may_be_shorter_than_the_header():
    assert row("id,product,entries", "A") == TicketRow(2, "A")


@pytest.mark.parametrize(
    ("header", "line", "cause", "remedy"),
    [
        ("id", '""', "the id is not", "Give"),
        ("id", "x" * 129, "the id is not", "Give"),
        ("id", "a\x07b", "the id is not", "Give"),
        ("id,product", "A,VIP", "product 'VIP'", "number, not its name"),
        ("id,product", "A,65536", "product '65536'", "number"),
        ("id,entries", "A,-1", "entries '-1'", "digits"),
        ("id,entries", "A,1.0", "entries '1.0'", "digits"),
        ("id,card", "A,04de5f1eacc0", "is no UID", "admit cards new"),
        ("id,card", "A,04de5f1eacc04x", "is no UID", "admit cards new"),
        ("id,code,card", "A,XY12,04de5f1eacc040", "a code and a card", "Keep one"),
        ("id,entries", "A,²", "entries '²'", "digits"),
        ("id,entries", "A," + "9" * 5000, "entries '999", "digits"),
        ("id,valid_from", "A,tomorrow", "is no time", "2026-07-01T18:00:00+02:00"),
        ("id,valid_from", "A,01.07.2026 18:00", "is no time", "2026-07-01T18:00:00+02:00"),
        ("id,valid_from", "A,2026-07-01T18:00", "has no zone", "Z"),
        ("id,valid_from", "A,1969-01-01T00:00Z", "out of range", "1970"),
        ("id,valid_from", "A,0001-01-01T00:00+23:59", "out of range", "1970"),
        ("id,valid_until", "A,9999-12-31T23:59-23:59", "out of range", "2106"),
        ("id,valid_from,valid_until", "A,2026-07-02T00:00Z,2026-07-01T00:00Z", "after", "zones"),
        ("id,status", "A,canceled", "status 'canceled'", "Did you mean 'cancelled'?"),
        ("id,status", "A,zzz", "status 'zzz'", "valid, cancelled"),
        ("id,attention", "A,yes", "attention 'yes'", "0, 1"),
        ("id,code", "A,AD1:BB8", "cannot be an opaque one", "signed"),
        ("id,code", f"A,{'x' * 257}", "cannot be an opaque one", "256"),
        ("id,product", "A,1,2", "3 cells under 2", "quotes"),
        ("id,name", 'A,"Ada', "not CSV", "Close every quote"),
        ("id,name", 'A,"Ada" x', "not CSV", "Close every quote"),
        ("id,name", "A," + "x" * MAX_LINE, "longer than", "line end"),
    ],
)
def test_a_bad_row_is_named_with_cause_and_remedy(header, line, cause, remedy):
    bad = row(header, line)
    assert isinstance(bad, BadRow)
    assert bad.line == 2
    assert cause in bad.cause
    assert remedy in bad.remedy


def test_good_rows_around_a_bad_one_still_count():
    kinds = [(type(each), each.line) for each in rows("id,product\nA,1\nB,x\nC,1\n")]
    assert kinds == [(TicketRow, 2), (BadRow, 3), (TicketRow, 4)]


def test_a_line_in_another_encoding_is_named_by_line_and_byte():
    _, bad, _ = rows(b"id,name\nA,x\nB,J\xfcrgen\nC,y\n")
    assert bad.line == 3
    assert "0xfc at 4" in bad.cause
    assert "UTF-8" in bad.remedy


def test_a_second_ticket_with_the_same_id_or_code_is_named_with_the_first_line():
    _, same_id, same_code = rows("id,code\nA,X\nA,Y\nB,X\n")
    assert "line 2" in same_id.cause
    assert "code 'X'" in same_code.cause


def test_a_bad_row_does_not_take_its_id_from_a_good_one():
    _, good = rows("id,product\nA,x\nA,1\n")
    assert isinstance(good, TicketRow)


@pytest.mark.parametrize(
    ("case", "data", "cause", "remedy"),
    [
        ("empty", b"", "empty", "header"),
        ("blank", b"\n\nid\n", "empty", "header"),
        ("UTF-16", "id,name\nA,x\n".encode("utf-16"), "UTF-16", "UTF-8"),
        ("UTF-16 without mark", "id\nA\n".encode("utf-16-le"), "UTF-16", "UTF-8"),
        ("a picture", b"\x89PNG\r\n\x1a\n\0", "not UTF-8", "UTF-8"),
        ("a spreadsheet file", b"PK\x03\x04\x14\0\x06\0\n", "no text", "UTF-8"),
        ("header in another encoding", b"id,Stra\xdfe\n", "byte 8 is not UTF-8", "UTF-8"),
        ("id misspelt", b"idd,product\nA,1\n", "'idd'", "mean 'id'"),
        ("column misspelt", b"id,entires\nA,1\n", "'entires'", "mean 'entries'"),
        ("no id", b"ticket,product\n", "no column 'id'", "'id'"),
        ("a column twice", b"id,product,product\n", "twice", "rename"),
        ("open quote in the header", b'id,"product\n', "not CSV", "quote"),
        ("one endless line", b"x" * (MAX_LINE + 1), "longer", "UTF-8"),
    ],
)
def test_a_file_that_is_no_list_of_tickets_is_refused(case, data, cause, remedy):
    file = io.BytesIO(data)
    with pytest.raises(CsvRejected) as rejected:
        list(read_rows(iter(lambda: file.readline(MAX_LINE), b"")))
    assert cause in rejected.value.cause
    assert remedy in rejected.value.remedy


def test_an_endless_line_is_one_bad_row_and_the_next_is_read():
    data = io.BytesIO(b"id\n" + b"x" * (3 * MAX_LINE) + b"\nB\n")
    bad, good = read_rows(iter(lambda: data.readline(MAX_LINE), b""))
    assert (bad.line, good.line, good.id) == (2, 3, "B")


@pytest.mark.heavy
@pytest.mark.timeout(300)
def test_a_million_rows_are_read_and_the_doubles_among_them_named():
    """Every row once, each double by its line; only the ids are kept."""
    lines = (b"id\n" if n == 0 else b"T-%d\n" % min(n, 999_990) for n in range(1_000_001))
    good = bad = 0
    for each in read_rows(lines):
        if isinstance(each, BadRow):
            bad += 1
            assert each.line > 999_990
        else:
            good += 1
    assert (good, bad) == (999_990, 10)


def test_lines_are_read_as_they_are_asked_for():
    """So a file of any length is never held at once."""
    endless = (b"id\n" if n == 0 else b"%d\n" % n for n in itertools.count())
    first = list(itertools.islice(read_rows(endless), 3))
    assert [each.id for each in first] == ["1", "2", "3"]


def test_a_signed_ticket_and_its_list_row_have_one_name():
    """Issuing and import agree with nothing between them but the event secret."""
    credential = Credential(Format.AD1, cti_of(KEY, "A-1"))
    assert row("id,product", "A-1,7").ticket(KEY) == Ticket(
        ticket_key(event_key_of(KEY), credential), 7
    )


def test_an_opaque_code_is_named_by_its_bytes():
    credential = Credential(Format.OPAQUE, "Ä1".encode())
    ticket = row("id,code,status", "A-1,Ä1,cancelled").ticket(KEY)
    assert ticket == Ticket(ticket_key(event_key_of(KEY), credential), flags=Status.CANCELLED)


@given(st.lists(st.lists(st.text(max_size=20), max_size=9), max_size=5))
def test_no_cells_crash_it(table):
    out = io.StringIO()
    csv.writer(out).writerows(table)
    header = "id,product,entries,valid_from,valid_until,code,status,attention\n"
    text = (header + out.getvalue()).encode("utf-8", "surrogatepass")
    assert all(isinstance(each, (TicketRow, BadRow)) for each in rows(text))


@given(st.binary(max_size=200))
def test_no_bytes_crash_it(noise):
    assert all(isinstance(each, (TicketRow, BadRow)) for each in rows(b"id,code\n" + noise))
    try:
        rows(noise)
    except CsvRejected as error:
        assert error.remedy
