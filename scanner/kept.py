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

    def load(self) -> tuple[list[bytes], dict[str, Mark]]:
        """(wire bytes in the order to verify them in, the newest that were ever believed)."""
        trust, marks = _marks(self._directory / SERIALS)
        self.foreign = trust != self._trust
        wires = [wire for path in self._all() for wire in _wires(path)]
        self._keysets = [] if self.foreign else list(_wires(self._directory / "keyset.cbor"))
        return wires, {} if self.foreign else marks

    def save(self, news: News, marks: Mapping[str, Mark], oldest: int) -> None:
        """Add what is newly believed.

        Args:
            marks: The newest statement by sequence.
            oldest: Serial of the oldest list still of use.
        Raises:
            OSError: the card is full or read-only; give the same again later.
        """
        self._directory.mkdir(mode=0o700, exist_ok=True)
        if self.foreign:
            for path in self._all():
                path.unlink(missing_ok=True)
            self.foreign = False
        if keysets := _of("keyset", news):
            whole = list(dict.fromkeys([*self._keysets, *keysets]))
            replace_durably(self._directory / "keyset.cbor", cbor2.dumps(whole))
            self._keysets = whole
        if policies := _of("policy", news):
            replace_durably(self._directory / "policy.cbor", cbor2.dumps(policies[-1:]))
        rows = [(s.serial, wire) for s, wire in news if sequence_of(s) == "rows"]
        if rows:
            name = f"rows-{rows[0][0]:019d}-{rows[-1][0]:019d}.cbor"
            replace_durably(self._directory / name, cbor2.dumps([wire for _, wire in rows]))
        told = {name: [mark.serial, mark.digest.hex()] for name, mark in marks.items()}
        body = json.dumps({"trust": self._trust, "serials": told})
        replace_durably(self._directory / SERIALS, body.encode())
        self._drop(oldest)

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


def _marks(path: Path) -> tuple[str, dict[str, Mark]]:
    try:
        body = json.loads(path.read_bytes())
        told = {name: body["serials"][name] for name in SEQUENCES if name in body["serials"]}
        marks = {n: Mark(int(serial), bytes.fromhex(d)) for n, (serial, d) in told.items()}
        return str(body["trust"]), marks
    except FileNotFoundError:
        return "", {}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        log.error("%s is damaged, what was believed is not known: %s", path.name, error)
        return "", {}


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
