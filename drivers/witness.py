"""Tells a spectator what is done to a simulated device, for pages that draw it."""

import contextlib
import json
import socket
import time

from drivers.uri import DriverUri


class Witness:
    """Sends datagrams to a Unix socket; never waits, and nobody has to listen.

    A message is ``{"device", "name", "did", "at"}``: kind and name of the device as its URI gives
    them, what was done, and when, in seconds of CLOCK_MONOTONIC.
    """

    def __init__(self, device: str, name: str, path: str) -> None:
        """``path``: the spectator's socket (SOCK_DGRAM); empty: there is none."""
        self._device, self._name, self._path = device, name, path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) if path else None

    @classmethod
    def of(cls, uri: DriverUri) -> "Witness":
        """The witness of a device opened by ``uri``: its option ``tell`` is the socket."""
        return cls(uri.kind, uri.address, uri.word("tell", ""))

    def tell(self, did: str) -> None:
        """One thing was done, now."""
        if self._socket is None:
            return
        told = {"device": self._device, "name": self._name, "did": did, "at": time.monotonic()}
        with contextlib.suppress(OSError):
            self._socket.sendto(json.dumps(told).encode(), socket.MSG_DONTWAIT, self._path)

    def close(self) -> None:
        """Say nothing any more; safe to call twice."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


NOBODY = Witness("", "", "")
"""For a device that nobody watches."""
