"""Journals of this gate before the present one: what of them is not at the server yet goes up.

A journal is ended where its card was put back to an older state, or copied: see docs/adr/0021.
"""

import time
from collections.abc import Callable, Sequence

from store.mirror import Mirror
from sync.backend import Backend
from sync.link import Link
from sync.page import Seen
from sync.push import JournalReader, Pusher


class OlderJournals:
    """Readers and pushers of ended journals; one thread reads, another pushes.

    Args:
        monotonic: Seconds that never jump.
        on_seen: See `JournalReader`.
    """

    def __init__(
        self,
        backend: Backend,
        mirror: Mirror,
        monotonic: Callable[[], float] = time.monotonic,
        on_seen: Callable[[Seen], None] = lambda seen: None,
    ) -> None:
        self._backend, self._mirror, self._monotonic = backend, mirror, monotonic
        self._on_seen = on_seen
        self._journals: dict[bytes, tuple[JournalReader, Pusher]] = {}

    @property
    def waiting(self) -> int:
        """Records of them that are not acknowledged yet."""
        return sum(reader.waiting for reader, _ in list(self._journals.values()))

    def read(self, link: Link, epochs: Sequence[bytes]) -> None:
        """Read on in each that is not at the server whole; they do not grow any more.

        Raises:
            ScannerGone, ScannerBabbles: what was taken in stays.
        """
        kept = {epoch: self._journals.get(epoch) or self._of(epoch) for epoch in epochs}
        self._journals = kept  # one assignment: the pusher goes over the old or the new
        for reader, _ in kept.values():
            if reader.wanted:
                reader.read_to_head(link)

    def push(self) -> bool:
        """Send one batch of one of them; False: nothing was ready.

        Raises:
            ServerFault: see `Pusher`.
        """
        return any(pusher.push() for _, pusher in list(self._journals.values()))

    def send_again(self) -> None:
        """See `JournalReader`."""
        for reader, _ in list(self._journals.values()):
            reader.send_again()

    def note_again(self) -> None:
        """See `JournalReader`."""
        for reader, _ in list(self._journals.values()):
            reader.note_again()

    def _of(self, epoch: bytes) -> tuple[JournalReader, Pusher]:
        reader = JournalReader(self._mirror, self._monotonic, epoch, self._on_seen)
        return reader, Pusher(self._backend, self._mirror, reader, self._monotonic)
