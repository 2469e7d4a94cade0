"""A thousand tickets with names through a real gate: then no name, code or secret is in any file.

Real are central, scanner, sync and screen, their files, sockets and logs; simulated are turnstile
and person. The screen shows names, and a follower of the live events hears them: they do come.
"""

import json
import random
import re
import socket
import string
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from urllib.request import urlopen

import pytest

from cli.findings import Level
from cli.gate_client import GateClient
from cli.thief import findings
from cli.thief_search import find_bytes, find_texts
from tests.rigs.central_rig import CentralRig, make_event
from tests.rigs.real_gate import RealGate, code_of, until
from tickets.key_files import Role, load_key
from tickets.keys import cti_of
from tickets.typed import typed_code

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(300)]

GUESTS = 1000
LANES = ("east", "west", "middle", "side")
LONG = 5
"""Letters from which a part of a name is looked for."""
SIGNS = string.ascii_uppercase + string.digits
POLICY: dict[str, object] = {"lists": {"main": {}}, "products": {"1": {"name": "Day ticket"}}}
NAMED = '[screen]\nnames = "full"\n'


def guest(number: int) -> tuple[str, str, str]:
    """Id, name and code; every other ticket has no code and is signed."""
    chance = random.Random(number)
    first, last = ("".join(chance.choices(string.ascii_lowercase, k=9)) for _ in range(2))
    code = "".join(chance.choices(SIGNS, k=20)) if number % 2 else ""
    return f"T{number}", f"{first.title()} {last.title()}", code


PEOPLE = [guest(number) for number in range(GUESTS)]
CSV = "id,name,code\n" + "".join(f"{','.join(person)}\n" for person in PEOPLE)


@dataclass
class Evening:
    """What was there when the last guest was in."""

    central: CentralRig
    gate: RealGate
    heard: dict[str, str] = field(default_factory=dict)
    """Presentation -> name, as told to a steward's page."""
    admitted: int = 0
    memory: dict[str, dict[str, str]] = field(default_factory=dict)
    """Process -> what the kernel says of its cores."""
    page: str = ""
    """The steward's stream, as a browser got it last."""

    def texts(self) -> list[str]:
        """Names, their parts, and codes in the forms in which they are shown and written."""
        parts = {part for _, name, _ in PEOPLE for part in name.split() if len(part) >= LONG}
        codes = {code for _, _, code in PEOPLE if code}
        signed = [person for person in PEOPLE if not person[2]]
        ctis = [cti_of(self.central.central.event_secret, one) for one, _, _ in signed]
        typed = {typed_code(cti) for cti in ctis}
        return [*parts, *codes, *typed, *(cti.hex() for cti in ctis)]

    def ctis(self) -> list[bytes]:
        """The secret ids of the signed tickets."""
        secret = self.central.central.event_secret
        return [cti_of(secret, one) for one, _, code in PEOPLE if not code]

    def code(self, person: tuple[str, str, str]) -> str:
        """What a guest holds up."""
        return person[2] or code_of(self.central, person[0])


def free_port() -> int:
    """One that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def listen(evening: Evening, done: threading.Event) -> None:
    """A follower that asks for names, as the screen does."""
    with GateClient(evening.gate.run, "events") as client:
        client.tell(op="events", after=-1, names=True)
        while not done.is_set():
            for message in client.follow(0.5):
                if told := message.get("guest"):
                    evening.heard[told["presentation"]] = told["name"]


@pytest.fixture(scope="module")
def evening(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evening]:
    """Everybody went in; the gate was killed in the middle of standing idle."""
    base = tmp_path_factory.mktemp("evening")
    central = make_event(base / "central", csv=CSV, policy=POLICY)
    central.start()
    port = free_port()
    with RealGate(base, "north", central, central.url, lanes=LANES, screen=port) as gate:
        text = gate.config.read_text().replace("[screen]\n", NAMED)
        free = 'mode = "free_flow"\nrelease_for'
        gate.config.write_text(text.replace("release_for", free))
        gate.start("scanner", "sync", "screen")
        gate.ready()
        until(lambda: list((gate.state / "sync").glob("names-*.rows")), "the names have come")
        made = Evening(central, gate)
        done = threading.Event()
        ear = threading.Thread(target=listen, args=(made, done), daemon=True)
        ear.start()
        # In turns: a lane remembers so many codes at once, and holds each for 1.5 s.
        for person, lane in zip(PEOPLE, cycle(LANES), strict=False):
            made.admitted += gate.present(made.code(person), lane)["verdict"] == "admitted"
        made.page = stewards_page(port)
        made.memory = {part: limits(gate, part) for part in ("scanner", "sync", "screen")}
        until(lambda: gate.status()["server"].get("waiting") == 0, "all records are up", 60.0)
        done.set()
        ear.join(5)
        for part in ("scanner", "sync", "screen"):
            gate.kill(part)
        yield made
    central.kill()
    central.central.database.close()


def stewards_page(port: int) -> str:
    """The first of the steward's live stream, right after a verdict."""
    with urlopen(f"http://127.0.0.1:{port}/stream", timeout=5) as answer:
        return b"".join(answer.readline() for _ in range(14)).decode()


def limits(gate: RealGate, part: str) -> dict[str, str]:
    process = Path(f"/proc/{gate.parts[part].pid}")
    lines = (process / "limits").read_text().splitlines()
    core = next(line.split()[4:6] for line in lines if line.startswith("Max core file size"))
    return {"limit": " ".join(core), "filter": (process / "coredump_filter").read_text().strip()}


def gate_files(evening: Evening) -> list[Path]:
    """State, sockets' directory, logs, configuration: all that the gate has on its disk."""
    found = [path for path in evening.gate.directory.rglob("*") if path.is_file()]
    assert {"journal.db", "mirror.db", "scanner.log", "sync.log", "screen.log", "status.json"} <= {
        path.name for path in found
    }
    return found


def test_everybody_was_let_in_and_every_name_was_shown(evening: Evening) -> None:
    """Else the absence below would tell nothing."""
    assert evening.admitted == GUESTS
    assert sorted(evening.heard.values()) == sorted(name for _, name, _ in PEOPLE)
    assert PEOPLE[-1][1] in evening.page


def test_no_name_and_no_code_is_in_any_file(evening: Evening) -> None:
    """Names, parts of five letters and more, codes: as they are, in hexadecimal, base64, UTF-16."""
    texts = evening.texts()
    assert len(texts) > 3 * GUESTS
    found = {path.name: sorted(find_texts(path, texts))[:3] for path in gate_files(evening)}
    assert {name: there for name, there in found.items() if there} == {}


def test_no_signed_ticket_is_in_any_file(evening: Evening) -> None:
    """Neither its secret id nor its signature, in no form."""
    ctis = evening.ctis()
    for path in gate_files(evening):
        data = path.read_bytes()
        assert not any(cti in data for cti in ctis), path
        assert b"AD1:" not in data, path


def test_each_secret_is_in_its_own_file_and_in_no_other(evening: Evening) -> None:
    """What may lie where; nothing else does, nor does anything at all of the organiser's."""
    sync = evening.gate.state / "sync"
    seed = bytes.fromhex((sync / "device.key").read_text())
    identity = json.loads((sync / "identity.json").read_text())
    central = evening.central.central
    assert identity["event_key"] == central.event_key.hex()
    allowed = {
        "device seed": (seed, {"device.key"}),
        "event key": (central.event_key, {"identity.json"}),
        "card key": (central.card_key or b"", {"cards.json"}),
        "event secret": (central.event_secret, set()),
        "list key": (central.list_seed, set()),
        "issuer key": (load_key(evening.central.keys, Role.ISSUER).secret, set()),
    }
    for what, (secret, homes) in allowed.items():
        assert len(secret) >= 16, what
        where = {path.name for path in gate_files(evening) if find_bytes(path, secret)}
        assert where == homes, what


def test_no_bearer_is_in_any_file(evening: Evening) -> None:
    """It lives in sync's memory alone: the server keeps its hash, the gate nothing."""
    for path in gate_files(evening):
        data = path.read_bytes()
        assert not re.search(rb"[Bb]earer[\"': ]+[A-Za-z0-9_-]{16,}", data), path


def test_the_kernel_would_write_no_core_of_any_process(evening: Evening) -> None:
    assert evening.memory == {
        part: {"limit": "0 0", "filter": "00000000"} for part in ("scanner", "sync", "screen")
    }


def test_a_thief_finds_nothing_to_read(evening: Evening) -> None:
    """The command says the same: keys that can be withdrawn, no name, no code."""
    codes = tuple(code for _, _, code in PEOPLE if code)
    found = list(findings(evening.gate.state, codes))
    assert [one for one in found if one.level is Level.BAD] == []
    assert any(f"{GUESTS} sealed names, none of which opens" in one.found for one in found)
    assert any(f"{len(codes)} of the {len(codes)} codes" in one.found for one in found)


def test_central_has_no_name_and_no_code_in_its_database(evening: Evening) -> None:
    texts = [text for text in evening.texts() if len(text) > LONG]
    for path in evening.central.directory.glob("central.db*"):
        assert find_texts(path, texts) == set(), path
