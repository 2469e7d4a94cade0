"""`admit doctor --as-thief STATE_DIR`: what somebody could learn who has taken this gate's card.

Reads every file as whoever holds the card does: with no regard to rights, free pages and logs
included. Levels: `good` is of no use to a thief; `look` is what a gate has to hold, with how to
make it worthless; `BAD` should not be there. Source of what may be where: docs/adr/0022.
"""

import json
import re
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from nacl.signing import SigningKey

from cli.findings import Finding, bad, good, warn
from cli.thief_guess import Guessed, guess
from cli.thief_search import find_bytes, find_texts
from store.names_file import newest_names
from sync.pretix.enrolment import PRETIX_FILE
from sync.pretix.notary import NotaryKeys
from tickets.errors import GateError
from tickets.names import NAME_ROW_BYTES
from tickets.sealing import NotSealedForUs, open_sealed
from tickets.secret import SecretBytes

UNWRAPPED = (
    "file rights alone, which do not bind whoever holds the card; no key of the board wraps them"
)
"""How secrets of a gate are kept. Wrapping them by the board's one-time memory is not built."""
WITHDRAW = "admit central revoke DEVICE (at a pretix server: Devices > Revoke access)"
MOST_JSON = 64 * 1024
_LEFTOVERS = re.compile(r".*(~|\.bak|\.old|\.orig|\.save|\.sw[op]|\.tmp|\.copy)|#.*#|core(\.\d+)?")
_NAMED_SECRET = re.compile("secret|token|bearer|passw|seed|private|(?<!public)(?<!ticket)_key$")
_KNOWN = {"identity.json", "cards.json"}
_TWIN = {"event key": "pretix.json", "event_key in pretix.json": "identity.json"}
"""At pretix sync keeps all of its enrolment in one file, and beside it what scanner reads of it."""
_CORE = b"\x7fELF"


class NoStateThere(GateError):
    """There is nothing to look at."""


@dataclass(slots=True)
class Loot:
    """What was found on the way; each secret with the files it may lie in."""

    files: list[Path] = field(default_factory=list)
    readers: list[SecretBytes] = field(default_factory=list)
    """Seeds that open codes sealed for this gate."""
    event_key: SecretBytes | None = None
    secrets: dict[str, tuple[bytes, Path]] = field(default_factory=dict, repr=False)
    """What it is -> its bytes, the file it belongs in."""


def findings(state: Path, codes: tuple[str, ...] = ()) -> Iterator[Finding]:
    """Rob ``state``, a state directory, and say what was in it.

    Args:
        codes: Codes of real tickets that the owner lends for the test: none may lie in a file.
    Raises:
        NoStateThere: no directory, or nothing in it.
    """
    loot = Loot(sorted(path for path in _walk(state)))
    if not loot.files:
        raise NoStateThere(f"there is no file below {state}", "Name a gate's state directory")
    yield good("files", f"{len(loot.files)} files below {state}, read as root reads them")
    yield from _device_key(loot)
    yield from _identity(loot)
    yield from _cards(loot)
    yield from _other_secrets(loot)
    yield from _protection(loot)
    yield from _leftovers(loot)
    yield from _strays(loot)
    yield from _journals(loot)
    yield from _codes_in_files(loot, codes)
    guessed = guess(loot.files, loot.event_key, codes)
    yield from _guesses(guessed, codes)
    yield from _names(loot, guessed)


def _walk(state: Path) -> Iterator[Path]:
    if not state.is_dir():
        return
    for path in state.rglob("*"):
        with suppress(OSError):  # gone meanwhile, or of a dying card: what is left is looked at
            if stat.S_ISREG(path.lstat().st_mode):
                yield path


# -- keys ------------------------------------------------------------------------------------------


def _device_key(loot: Loot) -> Iterator[Finding]:
    for path in (path for path in loot.files if path.name == "device.key"):
        with suppress(OSError, ValueError):
            seed = SecretBytes.fromhex(path.read_text("ascii").strip())
            public = SigningKey(seed).verify_key.encode()
            device = blake2b(public, digest_size=8).hexdigest()
            loot.readers.append(seed)
            loot.secrets["device key"] = seed, path
            yield warn(
                "device key",
                f"{path.name}: could speak to the server as gate device {device}",
                f"Once the gate is missing: admit central revoke {device}",
            )
            yield from _rights(path)


def _identity(loot: Loot) -> Iterator[Finding]:
    for path in (path for path in loot.files if path.name == "identity.json"):
        said = _json(path)
        with suppress(ValueError, TypeError):
            key = SecretBytes.fromhex(str(said.get("event_key")))
            loot.event_key, loot.secrets["event key"] = key, (key, path)
            yield warn(
                "event key",
                f"{path.name}: could try guesses of ticket codes, as fast as a computer can; "
                "signed tickets and long random codes cannot be guessed",
                "Sell no tickets with codes below 80 bits; see the guesses below",
            )
            yield from _rights(path)


def _cards(loot: Loot) -> Iterator[Finding]:
    for path in (path for path in loot.files if path.name == "cards.json"):
        with suppress(ValueError, TypeError):
            key = SecretBytes.fromhex(str(_json(path).get("card_key")))
            loot.secrets["card key"] = key, path
            yield warn(
                "card key",
                f"{path.name}: could make cards that answer a gate as the event's cards do",
                "After a theft have cards count with their row on the list alone, and new keys "
                "for the next event",
            )
            yield from _rights(path)


def _other_secrets(loot: Loot) -> Iterator[Finding]:
    for path in loot.files:
        if path.suffix != ".json" or path.name in _KNOWN:
            continue
        for name, value in _json(path).items():
            if _NAMED_SECRET.search(name) and isinstance(value, str) and len(value) >= 8:
                loot.secrets[f"{name} in {path.name}"] = value.encode(), path
                if path.name == PRETIX_FILE and name == "seed":
                    loot.readers += _notary(value)
                yield warn(
                    name,
                    f"{path.name}: could be used as this gate does",
                    "Withdraw it after a theft",
                )
                yield from _rights(path)


def _notary(seed: str) -> Iterator[SecretBytes]:
    """What a gate at pretix reads its own unsent codes with: see docs/adr/0027."""
    with suppress(ValueError):
        yield SecretBytes(NotaryKeys(bytes.fromhex(seed)).signer("root")[1])


def _protection(loot: Loot) -> Iterator[Finding]:
    """What keeps a thief from these secrets: nothing but rights, which a card reader ignores."""
    if loot.secrets:
        yield warn(
            "protection",
            f"{', '.join(loot.secrets)}: {UNWRAPPED}",
            f"If the gate or its card is missing, withdraw it at once: {WITHDRAW}",
        )


def _rights(path: Path) -> Iterator[Finding]:
    if path.stat().st_mode & stat.S_IROTH:
        yield bad(
            "rights",
            f"every user of the gate can read {path}, which holds a secret",
            f"chmod o-r {path}; look how it came to be so",
        )


def _json(path: Path) -> dict[str, object]:
    try:
        said = json.loads(path.read_bytes()[:MOST_JSON])
    except (OSError, ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


# -- what should not be there ----------------------------------------------------------------------


def _leftovers(loot: Loot) -> Iterator[Finding]:
    for path in loot.files:
        if _is_core(path) or _LEFTOVERS.fullmatch(path.name):
            yield bad(
                "leftover",
                f"{path} is a core, a backup or an editor's copy: it may hold anything",
                "Delete it, and have nobody work in this directory",
            )


def _is_core(path: Path) -> bool:
    with suppress(OSError), path.open("rb") as file:
        head = file.read(18)
        return head[:4] == _CORE and len(head) == 18 and 4 in (head[16], head[17])
    return False


def _strays(loot: Loot) -> Iterator[Finding]:
    """A secret in a file that is not its own."""
    found = False
    for what, (secret, home) in loot.secrets.items():
        for path in loot.files:
            if path != home and path.name != _TWIN.get(what) and find_bytes(path, secret):
                found = True
                yield bad(
                    "stray", f"the {what} is in {path} too", "Delete it; find out who wrote it"
                )
    if loot.secrets and not found:
        yield good("stray", "each secret lies in its own file alone")


def _codes_in_files(loot: Loot, codes: tuple[str, ...]) -> Iterator[Finding]:
    for path in loot.files:
        if found := find_texts(path, codes):
            yield bad(
                "codes",
                f"{len(found)} of the {len(codes)} codes lent are in {path}",
                "This is a fault of Admit: report it",
            )


# -- the journal -----------------------------------------------------------------------------------


def _journals(loot: Loot) -> Iterator[Finding]:
    for path in (path for path in loot.files if path.name.startswith("journal") and _is_db(path)):
        try:
            with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as base:
                records, tickets, first, last = base.execute(
                    "SELECT count(*), count(DISTINCT ticket_key), min(at), max(at) FROM records"
                ).fetchone()
                sealed = _sealed(base)
        except sqlite3.Error:  # damaged, or another version's: its bytes were searched all the same
            continue
        hours = ((last or 0) - (first or 0)) / 3600
        yield good(
            "journal",
            f"{path.name}: {records} records of {tickets} tickets in {hours:.1f} hours: when which "
            "ticket was shown, by keyed hashes; no name, no code",
        )
        yield from _unsent(path, sealed, loot.readers)


def _sealed(base: sqlite3.Connection) -> list[bytes]:
    there = "SELECT 1 FROM sqlite_master WHERE name = 'outbox_secret'"
    if base.execute(there).fetchone() is None:
        return []
    return [bytes(row[0]) for row in base.execute("SELECT sealed FROM outbox_secret")]


def _unsent(path: Path, sealed: list[bytes], seeds: list[SecretBytes]) -> Iterator[Finding]:
    opened = sum(any(_opens(seed, one) for seed in seeds) for one in sealed)
    if opened:
        yield warn(
            "unsent codes",
            f"{path.name}: {opened} codes of scans that are not at the server yet, which open with "
            "a key of the gate",
            "Connect the gate: they are deleted when the server has them",
        )
    elif sealed:
        yield good("unsent codes", f"{path.name}: {len(sealed)}, sealed for the server alone")


def _opens(seed: SecretBytes, sealed: bytes) -> bool:
    try:
        open_sealed(seed, sealed)
    except NotSealedForUs:
        return False
    return True


def _is_db(path: Path) -> bool:
    with suppress(OSError), path.open("rb") as file:
        return file.read(16) == b"SQLite format 3\0"
    return False


# -- tickets and names -----------------------------------------------------------------------------


def _guesses(guessed: Guessed, codes: tuple[str, ...]) -> Iterator[Finding]:
    if guessed.listed == 0:
        return
    if guessed.by_pattern:
        yield bad(
            "guesses",
            f"{guessed.by_pattern} of {guessed.listed} tickets: their codes are numbers, found in "
            f"{guessed.tried} guesses",
            "Give random codes of 18 letters and digits, or signed tickets",
        )
    else:
        yield good("guesses", f"{guessed.tried} guesses met none of {guessed.listed} tickets")
    if codes:
        yield good("codes", f"{guessed.by_codes} of the {len(codes)} codes lent are on the list")


def _names(loot: Loot, guessed: Guessed) -> Iterator[Finding]:
    directories = {path.parent for path in loot.files if path.name.startswith("names-")}
    for path in filter(None, map(newest_names, sorted(directories))):
        rows = path.stat().st_size // NAME_ROW_BYTES
        opened = guessed.names
        if opened:
            yield bad(
                "names",
                f"{path.name}: {opened} of {rows} names open with codes that were guessed",
                "Import the tickets anew: weak codes get no names",
            )
        else:
            yield good("names", f"{path.name}: {rows} sealed names, none of which opens")
