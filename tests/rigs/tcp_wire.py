"""A wire between gate and server that a test can slow down, cut, or plug in elsewhere."""

import socket
import threading
import time
from contextlib import suppress

ANSWER_PIECE = 65_536


class Wire:
    """Forwards TCP from a port of its own on loopback to `target`.

    Args:
        target: Port of the server; may be changed, new connections then go there.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.delay = 0.0
        """Seconds that every piece of an answer takes longer."""
        self._open = True
        self._pairs: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def cut(self) -> None:
        """End all connections and accept no more, until `mend`."""
        self._open = False
        self._end_all()

    def plug(self, target: int) -> None:
        """Lead to another server from now on."""
        self.target = target
        self._end_all()

    def mend(self, target: int | None = None) -> None:
        """Whole and quick again."""
        self._open, self.delay = True, 0.0
        if target is not None and target != self.target:
            self.plug(target)

    def close(self) -> None:
        """Let go of the port."""
        self._listener.close()
        self._end_all()

    def _end_all(self) -> None:
        for end in list(self._pairs):
            with suppress(OSError):  # ended by the other side
                end.shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        while True:
            try:
                gate, _ = self._listener.accept()
            except OSError:  # closed
                return
            try:
                server = (
                    socket.create_connection(("127.0.0.1", self.target), 5) if self._open else None
                )
            except OSError:  # nobody is there
                server = None
            if server is None:
                gate.close()
                continue
            self._pairs |= {gate, server}
            for source, sink, slow in ((gate, server, False), (server, gate, True)):
                threading.Thread(target=self._pump, args=(source, sink, slow), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, slow: bool) -> None:
        with suppress(OSError):  # either end may go at any time: that is what it is for
            while data := source.recv(ANSWER_PIECE):
                if slow and self.delay:
                    time.sleep(self.delay)
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._pairs -= {source, sink}
