"""Guessing codes against the ticket keys of a list, with the event key of a stolen gate."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from store.listfile import ListDamaged, ListFile
from store.names_file import newest_names, sealed_name
from tickets.credential import Credential, Format
from tickets.keys import TICKET_KEY_BYTES, ticket_key
from tickets.names import open_name
from tickets.rows import ROW_BYTES
from tickets.secret import SecretBytes
from tickets.typed import read_typed

DIGITS = 6
"""Numbers up to so many digits are tried, with and without leading zeros."""


@dataclass(slots=True)
class Guessed:
    """What guessing came to."""

    listed: int = 0
    """Tickets on the lists."""
    tried: int = 0
    by_pattern: int = 0
    """Tickets whose codes were guessed."""
    by_codes: int = 0
    """Tickets that lent codes belong to."""
    names: int = 0
    """Names that open with the codes that were guessed."""


def guess(files: Iterable[Path], event_key: SecretBytes | None, codes: Sequence[str]) -> Guessed:
    """Try numbers, and codes that were lent, on the lists among ``files``."""
    done, lists = Guessed(), [path for path in files if path.match("list-*.db")]
    listed = {key for path in lists for key in _keys(path)}
    done.listed = len(listed)
    if event_key is None or not listed:
        return done
    done.by_codes = sum(_key(event_key, code) in listed for code in codes)
    names = next(filter(None, map(newest_names, sorted({path.parent for path in lists}))), None)
    for code in _numbers():
        done.tried += 1
        credential = Credential(Format.OPAQUE, code)
        key = ticket_key(event_key, credential)
        if key in listed:
            done.by_pattern += 1
            sealed = sealed_name(names, key) if names else None
            done.names += (
                sealed is not None and open_name(event_key, credential, sealed) is not None
            )
    return done


def _numbers() -> Iterator[bytes]:
    for width in range(1, DIGITS + 1):
        for number in range(10**width):
            yield b"%0*d" % (width, number)


def _key(event_key: SecretBytes, code: str) -> bytes:
    """The ticket key of a code as it is printed: that of the picture or the one below it."""
    typed = read_typed(code)
    if isinstance(typed, Credential):
        return ticket_key(event_key, typed)
    return ticket_key(event_key, Credential(Format.OPAQUE, code.encode()))


def _keys(path: Path) -> Iterator[bytes]:
    try:
        with closing(ListFile(path)) as opened:
            for rows in opened.packed():
                for at in range(0, len(rows), ROW_BYTES):
                    yield rows[at : at + TICKET_KEY_BYTES]
    except ListDamaged:  # of no use to a thief either
        return
