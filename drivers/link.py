"""The reader child's end of its socket: it never waits and never loses a fault."""

import socket
from collections import deque
from collections.abc import Iterator, Sequence

from drivers.messages import Fault, Heartbeat, Message, Notice, Recovered, Sighting, encode

BUFFER = 32 << 10
"""Bytes asked of the kernel: a parent that stalls shall find few old sightings, not hundreds."""
MOST_FAULTS = 256


class ParentGone(Exception):
    """Nobody reads any more: the reader ends."""


class Link:
    """Sends without blocking. What the parent cannot take yet waits here:

    faults and recoveries all, in order (equal ones once, until they recover); sightings of the
    newest frame only; heartbeats and notices not at all.
    """

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        self._socket = connection
        self._faults: deque[Fault | Recovered] = deque()
        self._sightings: deque[Sighting] = deque()
        self.dropped = 0
        """Sightings that newer ones replaced before the parent took them."""

    def sightings(self, found: Sequence[Sighting]) -> None:
        """Send the sightings of one frame, larger first. Raises ParentGone."""
        self.dropped += len(self._sightings)
        self._sightings = deque(found)
        self.flush()

    def fault(self, message: Fault | Recovered) -> None:
        """Send a fault or its end, now or as soon as the parent takes it. Raises ParentGone."""
        if not any(_same(message, waiting) for waiting in self._since_recovery(message.name)):
            self._faults.append(message)
        if len(self._faults) > MOST_FAULTS:
            raise ParentGone("the parent takes no faults")  # dead or hung: it starts us anew
        self.flush()

    def notice(self, message: Notice) -> None:
        """Send a word to the guest if the parent can take it now. Raises ParentGone."""
        if self.flush():
            self._sent(message)

    def heartbeat(self, message: Heartbeat) -> None:
        """Send a heartbeat if the parent can take it. Raises ParentGone."""
        if self.flush():
            self._sent(message)

    def flush(self) -> bool:
        """Send what waits; False when the parent cannot take it all yet. Raises ParentGone."""
        while self._faults:
            if not self._sent(self._faults[0]):
                return False
            self._faults.popleft()
        while self._sightings:
            if not self._sent(self._sightings[0]):
                return False
            self._sightings.popleft()
        return True

    def _since_recovery(self, name: str) -> Iterator[Fault | Recovered]:
        """What waits behind the last recovery of `name`: a fault that comes back is another."""
        for waiting in reversed(self._faults):
            if isinstance(waiting, Recovered) and waiting.name == name:
                return
            yield waiting

    def _sent(self, message: Message) -> bool:
        try:
            self._socket.send(encode(message))
        except BlockingIOError:
            return False
        except OSError as error:
            raise ParentGone(str(error)) from error
        return True


def _same(one: Fault | Recovered, other: Fault | Recovered) -> bool:
    if isinstance(one, Fault) and isinstance(other, Fault):
        return (one.name, one.cause) == (other.name, other.cause)
    return False
