"""`admit doctor --as-thief`: what a state directory is worth to whoever stole it."""

import io
import json
import os
from hashlib import blake2b
from pathlib import Path

import pytest
from nacl.signing import SigningKey
from typer.testing import CliRunner

from cli import thief
from cli.__main__ import build
from cli.findings import Level
from cli.thief_search import find_bytes, find_texts
from store.journal import Journal
from store.listfile import build_list
from store.names_file import build_names
from store.records import Kind, Record
from sync.pretix.notary import NotaryKeys
from tickets.credential import Credential, Format
from tickets.keys import ticket_key
from tickets.names import seal_name
from tickets.rows import Ticket, pack
from tickets.sealing import Sealer

EVENT_KEY, SEED, CARD = (bytes([n]) * 32 for n in (1, 2, 3))
STRONG = "7QXW3RT9KM2VB8YHFC5N"
NAME = "Ada Lovelace"


def opaque(code: str) -> Credential:
    return Credential(Format.OPAQUE, code.encode())


class Loot:
    """A state directory as a gate leaves it, with further codes on its list."""

    def __init__(self, state: Path, *codes: str, named: str = STRONG) -> None:
        self.state, self.sync = state, state / "sync"
        for name in ("sync", "scanner"):
            (state / name).mkdir(parents=True)
        identity = {"device": "00", "event": "FEST2026", "event_key": EVENT_KEY.hex()}
        self.write("sync/identity.json", json.dumps(identity))
        self.write("sync/device.key", SEED.hex())
        keys = {ticket_key(EVENT_KEY, opaque(code)) for code in (STRONG, *codes)}
        build_list(self.sync, 5, b"".join(pack(Ticket(key)) for key in sorted(keys)))
        row = ticket_key(EVENT_KEY, opaque(named)) + seal_name(EVENT_KEY, opaque(named), NAME)
        build_names(self.sync, 5, io.BytesIO(row))

    def write(self, name: str, text: str | bytes, mode: int = 0o600) -> Path:
        path = self.state / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(mode)
        return path

    def said(self, *codes: str) -> dict[str, list[str]]:
        """Level -> what was found, as text."""
        told: dict[str, list[str]] = {level.value: [] for level in Level}
        for finding in thief.findings(self.state, codes):
            told[finding.level.value].append(f"{finding.what}: {finding.found}")
        return told


@pytest.fixture
def loot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Loot:
    monkeypatch.setattr("cli.thief_guess.DIGITS", 4)
    return Loot(tmp_path / "state")


def test_a_gate_as_it_should_be_gives_no_name_and_no_code(loot: Loot) -> None:
    """The keys that it has to hold are told with how to make them worthless."""
    said = loot.said(STRONG)
    assert said["bad"] == []
    device = blake2b(bytes(SigningKey(SEED).verify_key), digest_size=8).hexdigest()
    assert device in " ".join(said["warn"])
    told = [line.partition(":")[0] for line in said["warn"]]
    assert told == ["device key", "event key", "protection"]
    assert any("1 sealed names, none of which opens" in line for line in said["good"])
    assert any("1 of the 1 codes lent" in line for line in said["good"])


def test_it_says_how_each_secret_is_protected_and_what_to_do(loot: Loot) -> None:
    """By file rights alone: nothing of the board wraps them, and no line claims otherwise."""
    loot.write("sync/cards.json", json.dumps({"card_key": CARD[:16].hex()}))
    loot.write("sync/pretix.json", json.dumps({"token": "a-token-of-pretix"}))
    (told,) = (f for f in thief.findings(loot.state) if f.what == "protection")
    for secret in ("device key", "event key", "card key", "token in pretix.json"):
        assert secret in told.found
    assert "file rights alone" in told.found
    assert "withdraw it at once" in told.remedy


def test_a_gate_of_pretix_has_its_event_key_in_two_files_of_its_own(loot: Loot) -> None:
    """sync's own and what scanner reads of it: no stray."""
    kept = {"token": "a-token-of-pretix", "seed": CARD.hex(), "event_key": EVENT_KEY.hex()}
    loot.write("sync/pretix.json", json.dumps(kept))
    assert loot.said()["bad"] == []


def test_codes_that_are_numbers_are_guessed_and_names_under_them_open(tmp_path, monkeypatch):
    """What the flags at import are for."""
    monkeypatch.setattr("cli.thief_guess.DIGITS", 4)
    bad = Loot(tmp_path / "state", "0042", named="0042").said()["bad"]
    assert any(line.startswith("guesses: 1 of 2 tickets") for line in bad)
    assert any(line.startswith("names:") and "1 of 1 names open" in line for line in bad)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("sync/identity.json~", b"{}"),
        ("sync/.device.key.swp", b"x"),
        ("journal.bak", b"x"),
        ("scanner/core", b"x"),
        ("core.1234", b"x"),
        ("scanner/dump", b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x04\x00"),
        ("#notes#", b"x"),
    ],
)
def test_leftovers_are_named(loot: Loot, name: str, text: bytes) -> None:
    path = loot.write(name, text)
    assert any(str(path) in line for line in loot.said()["bad"])


@pytest.mark.parametrize("written", [SEED, SEED.hex().encode(), b"log: %s" % SEED.hex().encode()])
def test_a_key_in_another_file_is_found_however_it_is_written(loot: Loot, written: bytes) -> None:
    loot.write("scanner/lines.log", os.urandom(5000) + written + os.urandom(5000))
    assert any(line.startswith("stray: the device key") for line in loot.said()["bad"])


def test_a_secret_that_everybody_can_read_is_named(loot: Loot) -> None:
    (loot.sync / "identity.json").chmod(0o644)
    assert any("identity.json" in line for line in loot.said()["bad"])


def test_a_lent_code_in_a_file_is_found(loot: Loot) -> None:
    loot.write("scanner/lines.log", f"seen {STRONG}\n")
    assert any(line.startswith("codes: 1 of the 2") for line in loot.said(STRONG, "OTHER")["bad"])


def test_tokens_of_other_servers_and_cards_are_told(loot: Loot) -> None:
    loot.write("sync/pretix.json", json.dumps({"api_token": "t0ken-of-a-device"}))
    loot.write("sync/cards.json", json.dumps({"card_key": CARD.hex()}))
    warned = " ".join(loot.said()["warn"])
    assert "pretix.json" in warned and "card key" in warned


def test_unsent_codes_that_open_are_told_and_others_are_sealed(loot: Loot) -> None:
    """Sealed for this gate's own key a thief opens them; for the server's nobody here does."""
    journal = Journal(loot.state / "scanner" / "journal.db", "FEST2026")
    for seed in (SEED, bytes(32)):
        sealer = Sealer(bytes(SigningKey(seed).verify_key))
        with journal.transaction():
            journal.append(Record(kind=Kind.SCAN, at=1.0), sealed=sealer.seal(b"code"))
    journal.close()
    said = loot.said()
    assert any("1 codes of scans" in line for line in said["warn"])
    assert any(line.startswith("journal: journal.db: 2 records") for line in said["good"])


def test_unsent_codes_of_a_gate_at_pretix_open_with_its_notarys_seed(loot: Loot) -> None:
    loot.write("sync/pretix.json", json.dumps({"seed": SEED.hex()}))
    journal = Journal(loot.state / "scanner" / "journal.db", "FEST2026")
    sealer = Sealer(NotaryKeys(bytes(SEED)).root)
    with journal.transaction():
        journal.append(Record(kind=Kind.SCAN, at=1.0), sealed=sealer.seal(b"code"))
    journal.close()
    assert any("1 codes of scans" in line for line in loot.said()["warn"])


def test_damaged_files_end_nothing(loot: Loot) -> None:
    loot.write("sync/identity.json", b"\xff")
    loot.write("sync/device.key", "not hex")
    loot.write("sync/list-9.db", b"SQLite format 3\0" + bytes(40))
    loot.write("scanner/journal.db", b"SQLite format 3\0" + bytes(100))
    loot.write("sync/names-9.rows", b"short")
    assert loot.said()["bad"] == []


def test_an_empty_place_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(thief.NoStateThere):
        list(thief.findings(tmp_path / "nothing"))


def test_the_command_says_it_with_its_exit_code(loot: Loot, tmp_path: Path) -> None:
    codes = tmp_path / "codes.txt"
    codes.write_text(f"{STRONG}\n")
    words = ["doctor", "--as-thief", str(loot.state), "--codes", str(codes)]
    clean = CliRunner().invoke(build("doctor"), words)
    assert clean.exit_code == 0 and "no name and no code" in clean.output
    loot.write("scanner/core", b"x")
    found = CliRunner().invoke(build("doctor"), [*words, "--json"])
    assert found.exit_code == 1 and json.loads(found.output)["safe"] is False


@pytest.mark.parametrize("shift", [0, 1, 2])
def test_a_secret_in_base64_is_found_at_every_place(tmp_path: Path, shift: int) -> None:
    import base64

    path = tmp_path / "file"
    path.write_bytes(base64.b64encode(b"x" * shift + SEED + b"tail"))
    assert find_bytes(path, SEED)
    text = base64.b64encode(b"x" * shift + STRONG.encode() + b"tail")
    path.write_bytes(text)
    assert find_texts(path, [STRONG, "other-text-of-length"]) == {STRONG}


def test_a_text_is_found_however_it_is_written(tmp_path: Path) -> None:
    """Among bytes that are none, and with letters beyond ASCII."""
    for text in (STRONG, "Ada Lovelace", "Zoë Ångström"):
        for written in (text.encode(), text.encode().hex().encode(), text.encode("utf-16-le")):
            path = tmp_path / "file"
            path.write_bytes(os.urandom(999) + written + os.urandom(999))
            wide = not text.isascii() and written == text.encode("utf-16-le")
            assert find_texts(path, [text]) == (set() if wide else {text}), (text, written)


def test_a_secret_across_two_pieces_of_a_file_is_found(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("cli.thief_search.PIECE", 5000)
    path = tmp_path / "file"
    path.write_bytes(bytes(4990) + SEED + bytes(5000))
    assert find_bytes(path, SEED) and not find_bytes(path, CARD)
