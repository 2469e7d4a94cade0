"""What happens here when the organiser withdraws this gate: its mark, then all else is wiped.

The journal is scanner's and stays. Records that the server has not are refused from a withdrawn
device; they go up once the gate is enrolled anew. See docs/adr/0021.
"""

import logging
import os
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path

from store.mirror import Mirror
from store.withdrawn import MARK, Withdrawn, read_mark, wipe_all_but_mark, write_mark
from sync.errors import ServerRefused
from sync.identity import Identity
from tickets.errors import GateError

log = logging.getLogger(__name__)


def says_so(error: GateError) -> bool:
    """Whether a server's refusal means that this gate was withdrawn."""
    refused = isinstance(error, ServerRefused)
    return refused and (error.status, error.error) == (403, "device_revoked")  # type: ignore[attr-defined]


def token_hash(token: str | None) -> str:
    """What is kept of a token to know it again."""
    return blake2b((token or "").encode(), digest_size=16, person=b"admit-withdrawn").hexdigest()


def end_by(
    directory: Path, mirror: Mirror, identity: Identity, token: str | None
) -> Callable[[], None]:
    """What ends this process when the gate is withdrawn: the next run waits for a new token."""

    once = threading.Lock()

    def end() -> None:
        once.acquire()  # for good: whoever is told at the same moment waits for the end
        log.critical("withdrawn by the organiser: keys, lists and mirror are wiped")
        _mark_and_wipe(
            directory,
            Withdrawn(identity.device, token_hash(token), acknowledged=_acknowledged(mirror)),
        )
        logging.shutdown()
        os._exit(1)  # what is in memory, the bearer among it, goes with the process

    return end


def _mark_and_wipe(directory: Path, mark: Withdrawn) -> None:
    """That all is wiped is for the next run to say: threads of this one may be writing still."""
    marked = _done(lambda: write_mark(directory, mark))
    _done(lambda: wipe_all_but_mark(directory))
    if not marked:  # a full card has room now
        _done(lambda: write_mark(directory, mark))


def _done(step: Callable[[], None]) -> bool:
    try:
        step()
    except OSError as error:  # the next run goes on with it
        log.critical("not all of it could be wiped: %s", error)
        return False
    return True


def _acknowledged(mirror: Mirror) -> dict[str, tuple[int, list[int]]]:
    """What the server has; nothing where that cannot be read: it is sent once more then."""
    try:
        return mirror.acknowledgements()
    except (GateError, sqlite3.Error) as error:
        log.error("what the server has is not known any more: %s", error)
        return {}


def may_enrol(directory: Path, token: str | None) -> bool:
    """Finish what a power cut interrupted; say whether this gate may ask for a new enrolment.

    Raises:
        OSError: something could not be deleted.
    """
    mark = read_mark(directory)
    if mark is None:
        return True
    anew = token is not None and token_hash(token) != mark.token
    if not (mark.wiped and anew):  # else a new key may be here already, with the token used by it
        _wipe_whole(directory, mark)
    return anew


def finish_wipe(directory: Path) -> None:
    """Wipe what a power cut left over. Raises OSError."""
    mark = read_mark(directory)
    if mark is not None and not mark.wiped:
        _wipe_whole(directory, mark)


def _wipe_whole(directory: Path, mark: Withdrawn) -> None:
    wipe_all_but_mark(directory)
    write_mark(directory, replace(mark, wiped=True))


def enrolled_anew(directory: Path, mirror: Mirror) -> None:
    """The new enrolment is saved: what the server has of the journals is known, the mark goes."""
    mark = read_mark(directory)
    if mark is None:
        return
    for epoch, (up_to, beyond) in mark.acknowledged.items():
        mirror.acknowledge(bytes.fromhex(epoch), beyond, up_to)
    (directory / MARK).unlink()
