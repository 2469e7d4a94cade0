"""From a CSV file to pictures that a gate reads as the tickets they are."""

import json
import tracemalloc
from datetime import UTC

import cv2
import pytest
import zxingcpp
from typer.testing import CliRunner

from cli.__main__ import build
from cli.issue import issue
from cli.paper.codes import qr_code, typed_text
from cli.paper.layout import CODE_SIZE, CODE_TOP, QUIET_ZONE, facts_of
from cli.paper.png import SCALE
from cli.paper.press import Make, Press, file_name
from cli.paper.words import WORDS, Language
from tickets import ad1
from tickets.credential import Credential, Format
from tickets.csv_rows import CsvRejected, TicketRow
from tickets.errors import GateError
from tickets.key_files import KeyFault, Role, load_key, new_key, save_key
from tickets.keys import cti_of
from tickets.parse import parse
from tickets.trust import trust_of
from tickets.typed import read_typed, typed_code


def run(*words):
    return CliRunner().invoke(build(str(words[0])), [str(word) for word in words])


@pytest.fixture
def keys(tmp_path):
    directory = tmp_path / "keys"
    assert run("keys", "new", "--out", directory, "--event", "FEST26").exit_code == 0
    return directory


@pytest.fixture
def issued(tmp_path, keys):
    """Issue a CSV text; gives the command's result and the directory of pictures."""

    def issue_text(text, *options):
        source, out = tmp_path / "tickets.csv", tmp_path / "out"
        source.write_bytes(text if isinstance(text, bytes) else text.encode())
        return run("issue", source, "--out", out, "--keys", keys, *options), out

    return issue_text


def read_picture(path):
    (code,) = zxingcpp.read_barcodes(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE))
    return code.bytes


def test_a_picture_is_read_as_the_ticket_of_its_row(issued, keys):
    result, out = issued("id,product,entries,valid_from\nA-1,7,3,2026-07-01T00:00:00Z\n")
    assert result.exit_code == 0, result.output
    issuer, event = load_key(keys, Role.ISSUER), load_key(keys, Role.EVENT)
    trust = trust_of("FEST26", {issuer.kid: issuer.public})
    assert parse(read_picture(out / "A-1.png"), trust) == Credential(
        Format.AD1, cti_of(event.secret, "A-1"), 7, 3, 1782864000, None, issuer.kid
    )


@pytest.mark.parametrize("code", ["XY-123", "lower case", "Ä-Öß", "№7", "12345678"])
def test_a_row_with_a_code_shows_that_code_as_it_is(issued, code):
    _, out = issued(f"id,code\nA-1,{code}\n")
    assert read_picture(out / "A-1.png") == code.encode()


def test_a_signed_code_is_alphanumeric_with_much_error_correction():
    seed = bytes(32)
    code = qr_code(ad1.to_qr_text(ad1.sign(seed, bytes(8), "FEST26", bytes(16))))
    assert (code.mode, code.error, code.is_micro) == ("alphanumeric", "Q", False)


def test_a_module_of_a_picture_is_whole_pixels_and_as_large_as_the_space_allows(issued):
    """An edge between two pixels is grey, and costs a camera its margin."""
    _, out = issued("id\nA-1\n")
    image = cv2.imread(str(out / "A-1.png"), cv2.IMREAD_GRAYSCALE)
    dark = image[CODE_TOP * SCALE : (CODE_TOP + CODE_SIZE) * SCALE] < 128
    dark = dark[:, dark.any(axis=0)][dark.any(axis=1)]
    module = dark[0].tolist().index(False) // 7  # the finder's upper edge is 7 modules
    edges = [n for n in range(1, len(dark)) if (dark[n] != dark[n - 1]).any()]
    assert all(edge % module == 0 for edge in edges)
    assert module == CODE_SIZE * SCALE // (len(dark) // module + 2 * QUIET_ZONE) >= 9


def test_the_same_row_makes_the_same_picture_again(issued):
    _, out = issued("id\nA-1\n")
    first = read_picture(out / "A-1.png")
    issued("id\nA-1\n")
    assert read_picture(out / "A-1.png") == first


def test_bad_rows_are_named_the_good_made_and_the_exit_code_tells(issued):
    result, out = issued("id,product\nA,1\nB,VIP\nC,1\nA,2\n")
    assert result.exit_code == 1
    assert sorted(path.name for path in out.glob("*.png")) == ["A.png", "C.png"]
    assert "line 3: product 'VIP'" in result.output
    assert "line 5: id 'A' is that of line 2 too" in result.output
    assert "2 tickets" in result.output


def test_json_is_one_object_per_row(issued):
    result, out = issued("id,product\nA,1\nB,VIP\n", "--json")
    good, bad = map(json.loads, result.output.splitlines())
    assert good["files"] == [str(out / "A.png"), str(out / "A.pdf")]
    assert read_picture(out / "A.png").decode() == good["text"]
    assert isinstance(read_typed(good["typed"]), Credential)
    assert (bad["line"], set(bad)) == (3, {"line", "cause", "remedy"})


def test_no_bad_id_leaves_the_directory(issued, tmp_path):
    _, out = issued("id\n../../evil\n/etc/passwd\n..\n.hidden\nCON/x\n")
    assert len(list(out.iterdir())) == 10
    assert not [path for path in out.iterdir() if path.name.startswith(".")]
    assert {path.name for path in tmp_path.iterdir()} == {"keys", "out", "tickets.csv"}


def test_two_ids_never_share_a_picture():
    ids = ["a/b", "a_b", "a%2Fb", "a b", "Ä", "~", "x" * 128, "x" * 127, "Ä" * 128, "Ä" * 127]
    names = {file_name(each) for each in ids}
    assert len(names) == len(ids)
    assert all(len(name) <= 120 for name in names)


@pytest.mark.parametrize("data", [b"", "id\nA\n".encode("utf-16"), b"ticket\nA\n"])
def test_a_file_that_is_no_list_is_a_named_fault(issued, data):
    result, _ = issued(data)
    assert isinstance(result.exception, CsvRejected)


def test_a_missing_file_is_a_named_fault(tmp_path, keys):
    result = run("issue", tmp_path / "none.csv", "--out", tmp_path / "out", "--keys", keys)
    assert isinstance(result.exception, GateError)
    assert "none.csv: No such file" in result.exception.cause


def test_pictures_that_cannot_be_written_are_a_named_fault(tmp_path, keys):
    (tmp_path / "t.csv").write_text("id\nA\n")
    (tmp_path / "out").write_text("a file in the way")
    result = run("issue", tmp_path / "t.csv", "--out", tmp_path / "out", "--keys", keys)
    assert isinstance(result.exception, GateError)
    assert "has room" in result.exception.remedy


def test_keys_of_two_events_make_no_ticket(tmp_path, issued, keys):
    (keys / "event.toml").unlink()
    save_key(new_key(Role.EVENT, "OTHER"), keys)
    result, out = issued("id\nA\n")
    assert isinstance(result.exception, KeyFault)
    assert not out.exists()


def test_many_rows_are_not_held_in_memory(tmp_path, keys, monkeypatch):
    """Of a row only its id stays, to find double ones; what is printed is left out here."""
    monkeypatch.setattr(Press, "print", lambda *_: [])
    source = tmp_path / "many.csv"
    source.write_text("id,name\n" + "".join(f"{n},{'x' * 5000}\n" for n in range(1_000)))
    tracemalloc.start()
    issue(source, tmp_path / "out", keys, make=[Make.PNG])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_500_000  # the file has 5 MB


def test_the_code_to_be_typed_is_that_of_the_ticket(issued, keys):
    result, _ = issued("id,code\nA-1,\nB-1,XY-123\nC-1," + "9" * 41 + "\n", "--json")
    first, second, third, weak = map(json.loads, result.output.splitlines())
    assert weak == {"weak": 2, "lines": [3, 4]}
    event = load_key(keys, Role.EVENT)
    assert first["typed"] == typed_code(cti_of(event.secret, "A-1"))
    assert (second["typed"], third["typed"]) == ("XY-123", "")  # nobody types 41 characters


def test_a_file_for_each_or_one_for_all(issued):
    result, out = issued("id\nA\nB\n", "--make", "book", "--json")
    assert [path.name for path in out.iterdir()] == ["tickets-0001.pdf"]
    assert json.loads(result.output.splitlines()[-1]) == {"books": [str(out / "tickets-0001.pdf")]}


def test_a_book_begins_a_new_file_before_it_fills_the_memory(issued, monkeypatch):
    monkeypatch.setattr("cli.paper.pdf.PART", 2)
    result, out = issued("id\nA\nB\nC\n", "--make", "book")
    assert len(list(out.glob("tickets-*.pdf"))) == 2
    assert "2 files" in result.output


def test_the_same_rows_make_the_same_files_again(issued):
    def files():
        _, out = issued("id,name\nA,Ada\nB,Βασιλική\n", *options)
        return {path.name: path.read_bytes() for path in out.iterdir()}

    options = ["--make", "png", "--make", "pdf", "--make", "book"]
    assert files() == files()


@pytest.mark.parametrize("option", ["--title", "--note"])
def test_words_that_cannot_be_printed_are_a_named_fault(issued, option):
    result, out = issued("id\nA\n", option, "夏祭り")
    assert isinstance(result.exception, GateError)
    assert "夏" in result.exception.cause
    assert not out.exists()


def test_a_name_that_cannot_be_printed_is_told_and_its_ticket_made(issued):
    result, out = issued("id,name\nA,Ada\nB,山田\n")
    assert "line 3: the font cannot write the name" in result.output
    assert (result.exit_code, (out / "B.png").exists()) == (0, True)


def test_an_unknown_zone_is_a_named_fault(issued):
    result, _ = issued("id\nA\n", "--timezone", "Nowhere/Land")
    assert isinstance(result.exception, GateError)


def test_no_half_file_is_left_when_the_disk_is_full(issued, monkeypatch):
    def full(path, *_):
        path.write_bytes(b"%PDF")
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("cli.paper.pdf._draw", full)
    result, out = issued("id\nA\n", "--make", "pdf")
    assert "has room" in result.exception.remedy
    assert not list(out.iterdir())


# admit keys new


def test_new_keys_are_six_files_and_the_line_for_the_configuration(tmp_path):
    result = run("keys", "new", "--out", tmp_path / "k", "--event", "FEST26")
    assert sorted(path.name for path in (tmp_path / "k").iterdir()) == [
        "cards.toml",
        "event.toml",
        "issuer.toml",
        "list.toml",
        "root.toml",
        "wallet.toml",
    ]
    assert 'root_keys = ["' in result.output


def test_an_event_of_before_gets_a_key_for_cards_and_only_once(tmp_path):
    run("keys", "new", "--out", tmp_path, "--event", "FEST26")
    (tmp_path / "cards.toml").unlink()
    assert run("keys", "cards", "--keys", tmp_path).exit_code == 0
    assert load_key(tmp_path, Role.CARDS).event == "FEST26"
    assert isinstance(run("keys", "cards", "--keys", tmp_path).exception, KeyFault)


def test_no_secret_is_printed(tmp_path):
    for options in ([], ["--json"]):
        out = tmp_path / f"k{len(options)}"
        result = run("keys", "new", "--out", out, "--event", "FEST26", *options)
        for role in Role:
            assert load_key(out, role).secret.hex() not in result.output


def test_json_names_the_public_keys(tmp_path):
    result = run("keys", "new", "--out", tmp_path / "k", "--event", "FEST26", "--json")
    shown = {each["role"]: each for each in map(json.loads, result.output.splitlines())}
    assert shown["issuer"]["kid"] == load_key(tmp_path / "k", Role.ISSUER).kid.hex()
    assert "public" not in shown["event"]


def test_keys_are_not_mixed_into_a_directory_that_has_some(tmp_path):
    save_key(old := new_key(Role.EVENT, "OTHER"), tmp_path)
    result = run("keys", "new", "--out", tmp_path, "--event", "FEST26")
    assert isinstance(result.exception, KeyFault)
    assert [path.name for path in tmp_path.iterdir()] == ["event.toml"]
    assert load_key(tmp_path, Role.EVENT) == old


def test_a_bad_event_name_makes_no_key(tmp_path):
    result = run("keys", "new", "--out", tmp_path / "k", "--event", "much too long a name")
    assert isinstance(result.exception, GateError)
    assert not (tmp_path / "k").exists()


def test_what_the_font_cannot_write_is_left_out_and_no_row_of_empty_boxes():
    """A number or a code in letters of neither Latin nor Greek nor Cyrillic."""
    words = WORDS[Language.EN]
    assert facts_of(words, "票1", 1, (None, None), UTC) == []
    assert facts_of(words, "Ж1", 1, (None, None), UTC) == ["No. Ж1"]
    codes = {"T-1": "T-1", "ΑΒΓ-7": "ΑΒΓ-7", "代码代码": "", "T" * 41: ""}
    rows = [TicketRow(2, "A", code=code) for code in codes]
    assert [typed_text(row, bytes(32)) for row in rows] == list(codes.values())
