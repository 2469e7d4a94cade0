"""A stick as the source of news, in the place of a server. Source: docs/adr/0012."""

import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from store.stick import Index, Stick, StickFault, StickOfAnotherEvent, StickTorn
from store.stick_records import MOST_FILE, NotTheOrganisers, read_signed
from sync.answers import ConflictRow, Conflicts, Redemption, Redemptions, WireStatement
from sync.errors import ServerFault
from tickets.statements import MAX_WIRE

MOST_STATEMENTS = 64 << 20
"""Bytes of all statements of a stick: they are in memory together."""

_STATEMENT = re.compile(r"statements/(\d{12})-([a-z]+)")
_REDEMPTIONS = re.compile(r"answers/redemptions-(\d{12})")


class _AllConflicts(Conflicts):
    """Of one gate, in one file; the file's size is their bound."""

    conflicts: list[ConflictRow]


class StickUnread(ServerFault):
    """A list on the stick cannot be read now; asked again at the next round."""

    def __init__(self, fault: StickFault) -> None:
        super().__init__(fault.cause, fault.remedy)


class StickServer:
    """The server's side of one stick; fills `sync.backend.Source`. Used by one thread.

    Args:
        device: This gate's device, 16 hex digits.
        monotonic: Seconds that never jump.
    """

    kind = "file"

    def __init__(
        self,
        stick: Stick,
        event: str,
        device: str,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.stick, self.device, self._event = stick, device, event
        self._monotonic = monotonic
        self.list_keys: Callable[[], Mapping[bytes, bytes]] = dict
        """Key id -> public key of the list keys that count now."""
        self.torn: StickFault | None = None
        """A statement that could not be read at the last look; the others were."""
        self._index = Index(event, 0, {})
        self._read: Index | None = None
        self._contact: float | None = None

    @property
    def last_contact(self) -> float | None:
        """Monotonic seconds of the last look at a stick of ours; None: never."""
        return self._contact

    def look(self) -> Index:
        """See what is on the stick now.

        Raises:
            StickFault: nothing of ours.
        """
        index = self.stick.index()
        if index.event != self._event:
            raise StickOfAnotherEvent(self._event, index.event)
        self._index, self._contact = index, self._monotonic()
        return index

    @property
    def is_news(self) -> bool:
        """Whether the stick holds something else than what `settled` was told of."""
        return self._index != self._read

    def settled(self, done: bool) -> None:
        """All of it is taken in (`done`), or is to be read once more."""
        self._read = self._index if done else None

    def statements(self, after: int) -> tuple[list[WireStatement], int]:
        """All statements of a stick that is new: an older one must show, whatever the cursor."""
        self.torn = None
        if not self.is_news:
            return [], after
        found = []
        names = self._index.within("statements")
        if sum(self._index.files[name].size for name in names) > MOST_STATEMENTS:
            raise StickTorn(f"more than {MOST_STATEMENTS} bytes of statements")
        for name in names:
            if match := _STATEMENT.fullmatch(name):
                try:
                    wire = self.stick.checked(self._index, name, MAX_WIRE)
                except StickTorn as error:
                    self.torn = error
                    continue
                found.append(
                    WireStatement.model_construct(
                        cursor=int(match[1]), type=match[2], serial=int(match[1]), wire=wire
                    )
                )
        return found, after

    def rows(self, digest: bytes, sink: Callable[[bytes], object], limit: int) -> None:
        """See `Source`; the index says the size, the list's own hash the rest."""
        name = f"lists/{digest.hex()}.gz"
        try:
            if name not in self._index.files:
                raise StickTorn(f"{name} is missing")
            if self._index.files[name].size > limit:
                raise StickTorn(f"{name} is larger than {limit} bytes")
            self.stick.stream(self._index, name, sink)
        except StickFault as error:
            raise StickUnread(error) from error

    def redemptions(self, after: int) -> tuple[list[Redemption], int]:
        """See `Source`: what the server knew of other gates when it wrote the stick."""
        if not self.is_news:
            return [], after
        for name in self._index.within("answers"):
            match = _REDEMPTIONS.fullmatch(name)
            if match and int(match[1]) > after:
                said = self.signed("redemptions", name)
                page = self._model(Redemptions, name, said)
                if type(said.get("after")) is not int or said["after"] > after:
                    raise StickTorn(f"a file before {name} is missing")
                return page.redemptions, page.next
        return [], after

    def conflicts(self, after: int) -> tuple[list[ConflictRow], int]:
        """See `Source`: of this gate's entries, as far as the server has them."""
        name = f"answers/{self.device}"
        if not self.is_news or name not in self._index.files:
            return [], after
        said = self.signed("answers", name)
        page = self._model(_AllConflicts, name, said.get("conflicts"))
        return [row for row in page.conflicts if row.cursor > after], max(after, page.next)

    def signed(self, kind: str, name: str) -> dict[str, Any]:
        """What the organiser signed as ``kind`` in a file of the index.

        Raises:
            StickFault: torn, or not signed by a list key that counts now.
        """
        data = self.stick.checked(self._index, name, MOST_FILE)
        return read_signed(kind, name, data, self._event, self.list_keys())

    @staticmethod
    def _model(model: Any, name: str, said: object) -> Any:
        try:
            return model.model_validate(said)
        except ValidationError as error:
            raise NotTheOrganisers(name) from error
