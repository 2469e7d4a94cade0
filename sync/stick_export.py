"""Records onto a stick: all that the server has not answered for, until its files hold it.

The journal keeps every record until the server's signed answer comes back, so a stick that is lost,
torn or full loses nothing: the next one gets all of it. Files have up to 500 records each and are
named by their first; the last is written anew as it grows.
"""

import logging
import re
import time
from collections.abc import Callable
from typing import Any

from nacl.signing import SigningKey

from store.heads import sign_head
from store.mirror import Mirror
from store.stick import Stick, StickTorn
from store.stick_records import MOST_FILE, RecordsTorn, read_records, signed_records
from sync.link import Link
from sync.page import Page, ask_page

log = logging.getLogger(__name__)
RECORDS = 500
"""Records of one file at most: what one call of the protocol takes."""
FILES = 20
"""Files of one round at most: the role must give a sign of life between."""
LOOK_AGAIN = 600.0
"""Seconds after which files written before are read back: a stick may have been away unseen."""
_PAGE = 200
_NAME = re.compile(r"records/([0-9a-f]{16})-([0-9a-f]{16})-(\d{10})")


class Exporter:
    """Keeps the files of one gate on whatever stick is in. Used by one thread.

    Args:
        device, key: Who this gate is; the key signs each file.
        monotonic: Seconds that never jump.
    """

    def __init__(
        self,
        stick: Stick,
        device: str,
        key: SigningKey,
        mirror: Mirror,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stick, self._device, self._key = stick, device, key
        self._mirror, self._monotonic = mirror, monotonic
        self._good: dict[str, int] = {}
        """Files that were read back or written lately -> their last record."""
        self._look_at = 0.0
        self.waiting = 0
        """Records that neither the server nor this stick has, as of the last round."""

    def away(self) -> None:
        """The stick failed or was pulled out: nothing on it is taken for granted any more."""
        self._good = {}

    def round(self, link: Link) -> None:
        """Bring the stick up to the journal, as far as one round goes.

        Raises:
            StickFault: not now; what is missing is in the journal.
            ScannerGone, ScannerBabbles: the journal cannot be read now.
        """
        now = self._monotonic()
        if now >= self._look_at:
            self._good, self._look_at = {}, now + LOOK_AGAIN
        self._stick.index()  # or the mount point of no stick would fill the gate's own card
        present = ask_page(link, 0, 1)
        older = [ask_page(link, 0, 1, epoch) for epoch in present.older]
        self.waiting = sum(self._bring(link, page) for page in (*older, present))
        self._tidy()

    def _bring(self, link: Link, page: Page) -> int:
        """Write what the stick lacks of one journal; returns how many records it lacks still."""
        position = self._mirror.position(f"records/{page.epoch.hex()}")
        for _ in range(FILES):
            covered, last = self._covered(page.epoch, position)
            if covered >= page.head:
                return 0
            self._write(link, page, (last or covered + 1) - 1)
        return max(0, page.head - self._covered(page.epoch, position)[0])

    def _covered(self, epoch: bytes, position: int) -> tuple[int, int | None]:
        """(last record without a gap from ``position`` on, first of the last file if not full)."""
        covered, growing = position, None
        for name in self._stick.names("records"):
            match = _NAME.fullmatch(name)
            if not match or (match[1], match[2]) != (self._device, epoch.hex()):
                continue
            first, last = int(match[3]), self._last_of(name)
            if last is not None and first <= covered + 1 <= last + 1:
                covered = max(covered, last)
                growing = first if last - first + 1 < RECORDS else None
        return covered, growing

    def _last_of(self, name: str) -> int | None:
        """Number of the last record of a good file; None: it is not good."""
        if name not in self._good:
            try:
                data = self._stick.read(name, MOST_FILE)
                body = read_records(name, data, self._key.verify_key.encode())
            except (RecordsTorn, StickTorn) as error:
                log.warning("%s: written again", error.cause)
                return None
            self._good[name] = body["records"][-1]["seq"]
        return self._good[name]

    def _write(self, link: Link, journal: Page, after: int) -> None:
        records: list[dict[str, Any]] = []
        page = journal
        while len(records) < RECORDS:
            reached = records[-1]["seq"] if records else after
            most = min(_PAGE, RECORDS - len(records))
            page = ask_page(link, reached, most, journal.epoch)
            if page.epoch != journal.epoch or not page.records:
                break
            records += page.records
            if records[-1]["seq"] >= page.head:
                break
        if not records or page.epoch != journal.epoch:
            return
        name = f"records/{self._device}-{journal.epoch.hex()}-{records[0]['seq']:010d}"
        head = sign_head(self._key, self._device, page.epoch, page.tip, int(time.time()))
        self._stick.write(name, signed_records(self._key, head, records))
        self._good[name] = records[-1]["seq"]

    def _tidy(self) -> None:
        """Remove files whose every record the server has answered for."""
        for name, last in list(self._good.items()):
            match = _NAME.fullmatch(name)
            if match and last <= self._mirror.position(f"records/{match[2]}"):
                self._stick.remove(name)
                del self._good[name]
