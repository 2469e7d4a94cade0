"""Printed pages are read back by `admit read`: every ticket, in every layout and script."""

import base64
import itertools
import json
import subprocess

import pytest
from typer.testing import CliRunner

from cli.__main__ import build

pytestmark = pytest.mark.heavy

NAMES = {
    "English": "Ada Lovelace",
    "German": "Jürgen Weißmüller-Groß",
    "Polish": "Małgorzata Żółć",
    "Turkish": "İbrahim Çağlar Şükrü",
    "Vietnamese": "Nguyễn Thị Ánh Nguyệt",
    "Icelandic": "Þórður Ægisson",
    "Greek": "Βασιλική Παπαδοπούλου",
    "old Greek": "Ἀριστοτέλης ὁ Σταγειρίτης",
    "Russian": "Юлия Щукина-Ёлкина",
    "Ukrainian": "Їжакевич Ґалина",
    "Serbian": "Ђорђе Џаковић Љиљана",
    "Kazakh": "Әлия Құнанбайқызы",
    "combining": "Zoe\u0308 Dvor\u030ca\u0301k",
    "long": "Maria Anna Walburga Ignatia Berchtold zu Sonnenburg-Mozart " * 2,
    "markup": "O'Brien <b>& (Sons)\\",
    "none": "",
}
LAYOUTS = list(itertools.product(("a6", "a4"), ("en", "de", "fr", "es")))


def run(*words):
    return CliRunner().invoke(build(str(words[0])), [str(word) for word in words])


@pytest.fixture
def keys(tmp_path):
    run("keys", "new", "--out", tmp_path / "keys", "--event", "FEST26")
    return tmp_path / "keys"


def rows():
    yield "id,name,entries,valid_from,valid_until,code"
    for number, (script, name) in enumerate(NAMES.items()):
        code = [None, None, None, "XY-123", None, "Größe №7"][number % 6]
        code = f"{code}{script}" if code else ""
        until = "2096-07-05T02:00:00+02:00" if number % 2 else ""
        quoted = name.replace('"', '""')
        yield f'{script},"{quoted}",{1 + number % 3},2026-01-01T18:00Z,{until},{code}'


def read_back(pages, keys):
    """Payload -> verdict of every code on the pages, as `admit read` has them."""
    result = run("read", *pages, "--keys", keys, "--json")
    assert result.exit_code == 0, result.output
    found = [json.loads(line) for line in result.output.splitlines()]
    assert all(reading["payload"] for reading in found), "a page without a code"
    return [(base64.b64decode(f["payload"]).decode(), f["verdict"]) for f in found]


def rasterised(path, resolution):
    """The pages of a PDF as a printer, and then a camera, would show them."""
    stem = path.with_suffix("")
    subprocess.run(["pdftoppm", "-r", str(resolution), "-gray", "-png", path, stem], check=True)
    return sorted(path.parent.glob(f"{stem.name}-*.png"))


def issue(tmp_path, keys, out, *options):
    source = tmp_path / "tickets.csv"
    source.write_text("\n".join(rows()) + "\n")
    result = run("issue", source, "--out", tmp_path / out, "--keys", keys, "--json", *options)
    assert result.exit_code == 0, result.output
    shown = [json.loads(line) for line in result.output.splitlines()]
    return {row["text"] for row in shown if "text" in row}, tmp_path / out


@pytest.mark.parametrize(("paper", "language"), LAYOUTS)
def test_every_ticket_of_a_printed_book_is_read_back(tmp_path, keys, paper, language):
    options = ["--make", "book", "--paper", paper, "--language", language]
    issued, out = issue(tmp_path, keys, "out", *options, "--title", "Sommerfest · Θέρος · Лето")
    pages = rasterised(out / "tickets-0001.pdf", 100)
    assert len(pages) == {"a6": len(NAMES), "a4": len(NAMES) // 4}[paper]
    found = read_back(pages, keys)
    assert sorted(payload for payload, _ in found) == sorted(issued)
    signed = [verdict for payload, verdict in found if payload.startswith("AD1:")]
    assert set(signed) == {"admitted"}
    assert len(signed) == 11


def test_single_pages_and_pictures_are_read_back(tmp_path, keys):
    issued, out = issue(tmp_path, keys, "out")
    pages = [page for path in sorted(out.glob("*.pdf")) for page in rasterised(path, 72)]
    assert {payload for payload, _ in read_back(pages, keys)} == issued
    pictures = sorted(set(out.glob("*.png")) - set(pages))
    assert len(pictures) == len(NAMES)
    assert {payload for payload, _ in read_back(pictures, keys)} == issued


def test_names_and_the_code_to_be_typed_are_text_that_can_be_found(tmp_path, keys):
    """A ticket office searches its PDF for a guest's name; a screen reader speaks it."""
    _, out = issue(tmp_path, keys, "out", "--make", "book")
    done = subprocess.run(
        ["pdftotext", "-layout", out / "tickets-0001.pdf", "-"], capture_output=True, check=True
    )
    text = done.stdout.decode()
    for script in ("German", "Vietnamese", "Greek", "old Greek", "Ukrainian", "Kazakh", "markup"):
        assert NAMES[script] in text
    assert "Zoë Dvořák" in text
    assert text.count("the steward types") == len(NAMES)
