"""What this gate has believed, on its own card: whoever takes over sync cannot make it forget.

sync's files are sync's to change: from them alone, a gate that starts anew could be handed an older
keyset, policy or list, and would admit what was cancelled or revoked since.
"""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path

import cbor2

from admission.errors import GateError
from scanner.admissions import NotReady
from scanner.statements import Mark, sequence_of
from store.files import replace_durably
from tickets.statements import Statement

log = logging.getLogger("admit.scanner.kept")

News = Sequence[tuple[Statement, bytes]]
"""Statements with their wire bytes, in the order in which they were believed."""


STATEMENTS = "statements"
"""The directory's name."""
SERIALS = "serials.json"
"""The file that says how new what was believed was: it outlives a withdrawal."""
SEQUENCES = ("keyset", "policy", "rows")
"""In the order in which their statements can be verified."""


def fingerprint(event: str, root_keys: Sequence[bytes], threshold: int) -> str:
    """What statements are kept for; another event or other roots begin anew."""
    told = [event, sorted(root_keys), threshold]
    return blake2b(cbor2.dumps(told), digest_size=16).hexdigest()


class StateNotWritten(GateError):
    """What the gate should know after a restart could not be written."""

    def __init__(self, error: OSError) -> None:
        super().__init__(
            f"the gate cannot keep what it knows of its lists: {error.strerror or error}",
            "Free space on the card, or replace it; until then do not restart the gate offline",
        )


class Kept:
    """A directory of scanner's own. Files: `keyset`, `policy`, `rows-<first>-<last>` with a CBOR
    array of wire bytes each, and `serials.json`, written last.

    Every keyset stays: from the roots in admit.toml, each is verified by those before it, and so
    are the roots that count now. They are few, and only the organiser's roots can make more.
    """

    def __init__(self, directory: Path, trust: str) -> None:
        """`trust`: see `fingerprint`."""
        self._directory, self._trust = directory, trust
        self.foreign = True
        """Whether what lies there is of another event or other roots, as far as is known."""
        self._keysets: list[bytes] = []
        self._had: dict[str, Mark] = {}
        self._event_key = ""

    def pin(self, event_key: bytes) -> None:
        """Hold to the event key of the first run: tickets that were used are known by it.

        sync keeps the key itself. With another one, used tickets would have other names, and work
        again wherever no list is needed.

        Raises:
            NotReady: it is another than before, of the same event and roots.
        """
        told = blake2b(event_key, digest_size=16, person=b"admit event key").hexdigest()
        trust, _, before = _told(self._directory / SERIALS)
        if trust == self._trust and before not in ("", told):
            raise NotReady(
                "the gate was given another event key than before: its tickets have other names",
                "Enrol it at the server it was enrolled at; for an event begun anew under the same "
                "roots, empty the gate's state directory but for the journal",
            )
        self._event_key = told

    def load(self) -> tuple[list[bytes], dict[str, Mark]]:
        """(wire bytes in the order to verify them in, the newest that were ever believed)."""
        trust, marks, _ = _told(self._directory / SERIALS)
        self.foreign = trust != self._trust
        self._had = {} if self.foreign else marks
        wires = [wire for path in self._all() for wire in _wires(path)]
        self._keysets = [] if self.foreign else list(_wires(self._directory / "keyset.cbor"))
        return wires, self._had

    def save(self, news: News, marks: Mapping[str, Mark], oldest: int) -> None:
        """Add what is newly believed.

        Args:
            marks: The newest statement by sequence; one that was there before and is newer stays.
            oldest: Serial of the oldest list still of use.
        Raises:
            OSError: the card is full or read-only; give the same again later.
        """
        self._directory.mkdir(mode=0o700, exist_ok=True)
        stale = {*self._all()} if self.foreign else set()  # gone when what replaces it is there
        if keysets := _of("keyset", news):
            whole = list(dict.fromkeys([*self._keysets, *keysets]))
            stale.discard(self._write("keyset.cbor", whole))
            self._keysets = whole
        if policies := _of("policy", news):
            stale.discard(self._write("policy.cbor", policies[-1:]))
        rows = [(s.serial, wire) for s, wire in news if sequence_of(s) == "rows"]
        if rows:
            name = f"rows-{rows[0][0]:019d}-{rows[-1][0]:019d}.cbor"
            stale.discard(self._write(name, [wire for _, wire in rows]))
        for path in stale:
            path.unlink(missing_ok=True)
        self._tell(marks)
        self.foreign = False
        self._drop(oldest)

    def _write(self, name: str, wires: list[bytes]) -> Path:
        path = self._directory / name
        replace_durably(path, cbor2.dumps(wires))
        return path

    def _tell(self, marks: Mapping[str, Mark]) -> None:
        # What a spoilt card or a hacked sync makes of the statements, this only rises: else older
        # ones, believed as far as they go, would be good enough for the start after the next.
        newer = {
            n: m for n, m in self._had.items() if n not in marks or marks[n].serial <= m.serial
        }
        told = {name: [m.serial, m.digest.hex()] for name, m in {**marks, **newer}.items()}
        body = {"trust": self._trust, "serials": told, "event_key": self._event_key}
        replace_durably(self._directory / SERIALS, json.dumps(body).encode())

    def _drop(self, oldest: int) -> None:
        for path in self._rows():
            if int(path.stem.split("-")[2]) < oldest:
                path.unlink()

    def _all(self) -> list[Path]:
        """In the order in which statements build on one another."""
        return [self._directory / f"{name}.cbor" for name in SEQUENCES[:2]] + self._rows()

    def _rows(self) -> list[Path]:
        pattern = f"rows-{'[0-9]' * 19}-{'[0-9]' * 19}.cbor"
        return sorted(self._directory.glob(pattern))


def _of(sequence: str, news: News) -> list[bytes]:
    return [wire for statement, wire in news if sequence_of(statement) == sequence]


def _told(path: Path) -> tuple[str, dict[str, Mark], str]:
    """(what it is kept for, the newest by sequence, what the event key was pinned by)."""
    try:
        body = json.loads(path.read_bytes())
        told = {name: body["serials"][name] for name in SEQUENCES if name in body["serials"]}
        marks = {n: Mark(int(serial), bytes.fromhex(d)) for n, (serial, d) in told.items()}
        return str(body["trust"]), marks, str(body.get("event_key", ""))
    except FileNotFoundError:
        return "", {}, ""
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        log.error("%s is damaged, what was believed is not known: %s", path.name, error)
        return "", {}, ""


def _wires(path: Path) -> Iterator[bytes]:
    try:
        found = cbor2.loads(path.read_bytes())
        if not isinstance(found, list) or not all(isinstance(wire, bytes) for wire in found):
            raise ValueError("no list of statements")
    except FileNotFoundError:
        return
    except (OSError, ValueError, cbor2.CBORError, RecursionError) as error:
        log.error("%s is damaged, sync's copy is waited for: %s", path.name, error)
        return
    yield from found
