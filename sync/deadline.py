"""Connections that die at the deadline of the call they serve, whatever the server does.

A read time-out starts anew with every byte; a server that drips one byte a second never meets it.
Here a timer shuts the connection down when the time of the whole call is over, which wakes a reader
in any phase: handshake, headers or body.
"""

import socket
import ssl
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from sync.certificates import check_pin

_current = threading.local()


class Call:
    """One request and its deadline."""

    def __init__(self) -> None:
        self.over = False
        """The deadline has passed; what the connection said after it is no answer."""
        self._lock = threading.Lock()
        self._handle: socket.socket | None = None

    def serve(self, handle: socket.socket | None) -> None:
        """Use this socket from now on; shut at once when the deadline is over already."""
        with self._lock:
            self._handle = handle
            if self.over:
                self._shut()

    def expire(self) -> None:
        """The deadline: shut what serves the call."""
        with self._lock:
            self.over = True
            self._shut()

    def _shut(self) -> None:
        if self._handle is None:
            return
        try:
            self._handle.shutdown(socket.SHUT_RDWR)
        except OSError:  # closed by the other end, or by ours: what we wanted
            return


@contextmanager
def deadline(seconds: float) -> Iterator[Call]:
    """Bound everything this thread sends and reads inside to `seconds`."""
    call = Call()
    timer = threading.Timer(seconds, call.expire)
    timer.daemon = True
    timer.start()
    _current.call = call
    try:
        yield call
    finally:
        timer.cancel()
        _current.call = None


class _Watched(HTTPConnection):
    """Keeps a second handle on its socket: TLS takes the first one away during the handshake."""

    _handle: socket.socket | None = None

    def _new_conn(self) -> socket.socket:
        made = super()._new_conn()
        self._let_go()
        self._handle = made.dup()
        _serve(self._handle)
        return made

    def request(self, *args: Any, **kwargs: Any) -> None:
        _serve(self._handle)
        super().request(*args, **kwargs)

    def close(self) -> None:
        super().close()
        self._let_go()

    def _let_go(self) -> None:
        _serve(None)
        if self._handle is not None:
            self._handle.close()
            self._handle = None


class _WatchedTls(_Watched, HTTPSConnection):
    pins: Collection[bytes] = ()
    """Keys of which the server must have one; empty: any that its certificate vouches for."""

    def connect(self) -> None:
        super().connect()
        if self.pins:  # before the first byte of a request: a bearer would be read by a stranger
            assert isinstance(self.sock, ssl.SSLSocket)
            check_pin(self.sock.getpeercert(binary_form=True), self.pins)
            self.is_verified = True


def _serve(handle: socket.socket | None) -> None:
    call: Call | None = getattr(_current, "call", None)
    if call is not None:
        call.serve(handle)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Watched


def _tls_pool(pins: Collection[bytes]) -> type[HTTPSConnectionPool]:
    connection = type("_PinnedTls", (_WatchedTls,), {"pins": pins})
    return type("_TlsPool", (HTTPSConnectionPool,), {"ConnectionCls": connection})


class DeadlineAdapter(HTTPAdapter):
    """The session's adapter: watched connections, no retries of its own.

    Args:
        pins: See `sync.certificates`.
    """

    def __init__(self, *args: Any, pins: Collection[bytes] = (), **kwargs: Any) -> None:
        self._pins = pins
        super().__init__(*args, **kwargs)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools with watched connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _tls_pool(self._pins)}
