"""The guest's name on the steward's page: opened while the ticket is shown, told once, not kept.

The name opens with the code that was just presented. It goes to those subscribers who asked for
names and to nothing else: not to the ring of events, the status, the journal or a log.
A lane only leaves word here, after it has released; reading and opening happen in a thread of
their own, so that no card and no cipher holds up a guest.
"""

import queue
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from admission.errors import GateError
from scanner.books import Books
from scanner.showing import Showing
from store.names_file import newest_names, sealed_name
from tickets.credential import Credential
from tickets.names import fragment, open_name

MOST_WAITING = 8
"""Showings whose names wait to be opened; a further one's is not shown."""

Names = Literal["none", "fragment", "full"]
Tell = Callable[[dict[str, Any]], object]


class Guests:
    """Opens names for the steward. `introduce` is called by lanes, `serve` by one thread."""

    def __init__(
        self, directory: Path, shown: Names, books: Callable[[], Books], tell: Tell
    ) -> None:
        """
        Args:
            directory: Where sync puts the names file.
            shown: What the steward may see; `none`: nothing is ever opened.
            tell: Sends a message to those who asked for names.
        """
        self._directory, self._shown, self._books, self._tell = directory, shown, books, tell
        self._waiting: queue.Queue[Showing] = queue.Queue(MOST_WAITING)

    def introduce(self, showing: Showing) -> None:
        """Have the name of who shows this ticket told; returns at once."""
        if self._shown == "none" or not isinstance(showing.credential, Credential):
            return
        try:
            self._waiting.put_nowait(showing)
        except queue.Full:  # the card does not keep up: the next guest's name matters more
            return

    def serve(self, beat: Callable[[], None]) -> None:
        """Tell names for ever; `beat` at least once a second."""
        while True:
            self.step(1.0)
            beat()

    def step(self, timeout: float) -> None:
        """Tell the name of the next showing, if one comes within ``timeout`` seconds."""
        try:
            showing = self._waiting.get(timeout=timeout)
        except queue.Empty:
            return
        name = self._name(showing)
        if name:
            told = {"lane": showing.lane, "presentation": showing.presentation.hex(), "name": name}
            self._tell({"guest": told})

    def _name(self, showing: Showing) -> str | None:
        credential, path = showing.credential, newest_names(self._directory)
        if path is None or showing.ticket_key is None or not isinstance(credential, Credential):
            return None
        sealed = sealed_name(path, showing.ticket_key)
        if sealed is None:
            return None
        try:
            event_key = self._books().event_key
        except GateError:  # no books any more: the lane says so itself
            return None
        name = open_name(event_key, credential, sealed)
        return name if name is None or self._shown == "full" else fragment(name)
