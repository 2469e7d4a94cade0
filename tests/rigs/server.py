"""A server of the gate protocol that misbehaves on demand, over real sockets.

server = Server(); server.publish(...); server.mode = Mode.HANG; server.answer_twice(); ...
"""

import base64
import gzip
import json
import os
import re
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from enum import Enum, auto
from hashlib import blake2b
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tickets.bodies import Body, Delta, Keyset, ListHead
from tickets.cose import key_id, public_key_of
from tickets.keyring import Keyring, pinned
from tickets.rows import Ticket, pack
from tickets.statements import read_statement, sign_statement

EVENT = "FEST2026"
EVENT_KEY = bytes(range(32))
ROOT_SEED, LIST_SEED, ISSUER_SEED, STRANGER_SEED = (bytes([n]) * 32 for n in (1, 2, 3, 4))
ISSUED, EXPIRES = 1_795_000_000, 1_895_000_000


class Mode(Enum):
    """How the server answers."""

    GOOD = auto()
    HANG = auto()
    """Takes the request and says nothing."""
    DRIP = auto()
    """A header that goes on, a byte at a time."""
    DRIP_BODY = auto()
    HTML = auto()
    FAIL = auto()
    """Status 500 without a word of the protocol."""
    HALF = auto()
    ENDLESS = auto()
    SCHEMA = auto()
    """JSON of another schema."""
    NOISE = auto()
    """Not HTTP at all."""
    REDIRECT = auto()
    LIES = auto()
    """Speaks of another presentation than it was asked about."""
    ZIPPED = auto()
    REFUSE_BEARER = auto()
    TAKE_AND_CUT = auto()
    """Does what it is asked, then cuts the connection: the answer is lost."""


def signer(seed: bytes) -> tuple[bytes, bytes]:
    """(kid, seed) of a signing key."""
    return key_id(public_key_of(seed)), seed


def keys(*seeds: bytes) -> dict[bytes, bytes]:
    """kid -> public key."""
    return {key_id(public_key_of(seed)): public_key_of(seed) for seed in seeds}


def roots() -> Keyring:
    """What a gate's configuration pins."""
    return pinned([public_key_of(ROOT_SEED)])


def rows_of(tickets: list[Ticket]) -> bytes:
    """The rows of a list."""
    return b"".join(pack(ticket) for ticket in sorted(tickets, key=lambda ticket: ticket.key))


class Server:
    """Its state is plain attributes; a test reads and changes them."""

    def __init__(self) -> None:
        self.mode = Mode.GOOD
        self.only: str = ""
        """Paths that contain this misbehave; others are good."""
        self.asked: list[tuple[str, str]] = []
        self.statements: list[dict[str, Any]] = []
        self.lists: dict[str, bytes] = {}
        self.redemptions: list[dict[str, Any]] = []
        self.conflicts: list[dict[str, Any]] = []
        self.records: dict[tuple[str, int], str] = {}
        self.received: list[int] = []
        """Seq of every record that came, again when it came again."""
        self.verdicts: dict[int, dict[str, Any]] = {}
        """What to answer to a record instead of `stored`, by seq."""
        self.known: dict[str, Any] | None = None
        """What is said to be the farthest head."""
        self.missing: list[list[int]] = []
        self.poison: set[int] = set()
        """Seqs for which a whole batch is refused with 400."""
        self.claims: dict[str, str] = {}
        self.tombstones: set[str] = set()
        self.enrolled: dict[str, str] = {}
        self.card_key: str | None = None
        """Of an event with cards, 16 bytes in hex."""
        self.bearers = 0
        self.commands: list[dict[str, str]] = []
        self._previous: dict[str, bytes] = {}
        self._lock = threading.Lock()
        self.connections: set[socket.socket] = set()
        self.released = threading.Event()
        """Set: those that hang go on."""
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self.port: int = self._http.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()

    def go_offline(self) -> None:
        """Refuse connections from now on."""
        self.released.set()
        self._http.shutdown()
        self._http.server_close()
        for connection in list(self.connections):
            with suppress(OSError):  # the gate has closed it
                connection.shutdown(socket.SHUT_RDWR)

    def answer_twice(self) -> None:
        """The next answer is lost after the deed is done, so that the gate asks again."""
        self.mode = Mode.TAKE_AND_CUT

    # Publishing

    def publish(self, body: Body, serial: int, **changes: Any) -> bytes:
        """Sign and serve a statement; returns its wire bytes."""
        kind = "keyset" if isinstance(body, Keyset) else None
        kind = kind or ("list" if isinstance(body, ListHead) else None)
        kind = kind or ("delta" if isinstance(body, Delta) else "policy")
        chain = "list" if kind == "delta" else kind
        seed = ROOT_SEED if kind == "keyset" else LIST_SEED
        fields: dict[str, Any] = {
            "event": EVENT, "serial": serial, "issued": ISSUED, "expires": EXPIRES,
            "previous": self._previous.get(chain, b""), "signers": [signer(seed)],
        }  # fmt: skip
        wire = sign_statement(body, **(fields | changes))
        self.serve(kind, serial, wire)
        if not changes:
            ring = roots().with_keyset(self.keyset())
            self._previous[chain] = read_statement(wire, EVENT, ring).digest
        return wire

    def serve(self, kind: str, serial: int, wire: bytes) -> None:
        """Serve bytes as a statement, whatever they are."""
        self.statements.append(
            {
                "cursor": len(self.statements) + 1,
                "type": kind,
                "serial": serial,
                "wire": base64.b64encode(wire).decode(),
            }
        )

    @staticmethod
    def keyset() -> Keyset:
        """The organiser's keys."""
        return Keyset(keys(ROOT_SEED), 1, keys(ISSUER_SEED), keys(LIST_SEED), ())

    def publish_keyset(self) -> None:
        """Serve the keyset, serial 1."""
        self.publish(self.keyset(), 1)

    def publish_list(self, serial: int, tickets: list[Ticket], body: bytes | None = None) -> None:
        """Serve a list and its body, or another body under its hash."""
        rows = rows_of(tickets)
        digest = blake2b(rows, digest_size=32).digest()
        self.lists[digest.hex()] = gzip.compress(rows) if body is None else body
        self.publish(ListHead(len(tickets), len(rows), digest), serial)

    def redeem(self, presentation: bytes, ticket_key: bytes, **changes: Any) -> None:
        """Add a row to the feed of redemptions."""
        row = {
            "cursor": len(self.redemptions) + 1, "presentation": presentation.hex(),
            "ticket_key": ticket_key.hex(), "list": "main", "direction": "entry", "at": 1000.0,
            "gate": "south", "device": "d" * 16, "epoch": "00" * 8, "stands": True,
        }  # fmt: skip
        self.redemptions.append(row | changes)

    def contest(self, presentation: bytes, other: bytes, stands: bool = True) -> None:
        """Add a row to the feed of conflicts."""
        entry = {"presentation": other.hex(), "ticket_key": "4b" * 16, "list": "main"}
        self.conflicts.append(
            {
                "cursor": len(self.conflicts) + 1,
                "presentation": presentation.hex(),
                "other": entry | {"gate": "south", "at": 990.0},
                "stands": stands,
            }
        )

    # Answering

    def answer(self, method: str, path: str, body: Any, bearer: str) -> tuple[int, Any]:
        """Status and body for one call."""
        with self._lock:
            plain, _, query = path.partition("?")
            after = int(match[1]) if (match := re.search(r"after=(\d+)", query)) else 0
            last = plain.rsplit("/", 1)[-1]
            if plain not in ("/v1/enrol", "/v1/token") and bearer != f"bearer-{self.bearers}":
                return 401, {"error": "bearer_expired", "cause": "too old", "remedy": "renew"}
            if method == "DELETE":
                return self._annul(last)
            if method == "GET" and plain.startswith("/v1/lists/"):
                found = self.lists.get(last)
                return (200, found) if found is not None else (404, {"error": "gone"})
            return {
                "/v1/enrol": self._enrol,
                "/v1/token": self._token,
                "/v1/statements": lambda _: _page("statements", self.statements, after),
                "/v1/conflicts": lambda _: _page("conflicts", self.conflicts, after),
                "/v1/redemptions": lambda _: _page("redemptions", self.redemptions, after),
                "/v1/records": self._records,
                "/v1/claims": self._claims if method == "POST" else self._open,
                "/v1/heartbeat": self._heartbeat,
                "/v1/ping": lambda _: (200, {}),
            }[plain](body)

    def _enrol(self, body: Mapping[str, str]) -> tuple[int, Any]:
        if self.enrolled.setdefault(body["token"], body["public_key"]) != body["public_key"]:
            return 403, {"error": "token_refused", "cause": "used", "remedy": "make another"}
        answer = {"device": "ab" * 8, "event": EVENT, "event_key": EVENT_KEY.hex()}
        return 201, answer | ({"card_key": self.card_key} if self.card_key else {})

    def _token(self, _: object) -> tuple[int, Any]:
        self.bearers += 1
        return 200, {"bearer": f"bearer-{self.bearers}", "expires": ISSUED}

    def _records(self, body: Mapping[str, Any]) -> tuple[int, Any]:
        seqs = [record["seq"] for record in body["records"]]
        if self.poison & set(seqs):
            return 400, {"error": "malformed", "cause": "a record is strange", "remedy": "look"}
        answers = []
        for record in body["records"]:
            key = (body["epoch"], record["seq"])
            known = key in self.records
            self.records[key] = record["hash"]
            self.received.append(record["seq"])
            answer = {"seq": record["seq"], "result": "duplicate" if known else "stored"}
            answers.append(answer | self.verdicts.get(record["seq"], {}))
            if record.get("presentation"):
                self.claims.pop(record["presentation"], None)
        known = {} if self.known is None else {"known": self.known}
        return 200, {"answers": answers, "missing": self.missing} | known

    def _claims(self, body: Mapping[str, str]) -> tuple[int, Any]:
        presentation, ticket_key = body["presentation"], body["ticket_key"]
        if presentation in self.tombstones:
            return 200, {"result": "refused", "reason": "annulled"}
        others = {p for p, key in self.claims.items() if key == ticket_key}
        if others - {presentation}:
            return 200, {"result": "taken", "gate": "south", "at": 999.0}
        self.claims[presentation] = ticket_key
        lie = {"presentation": os.urandom(16).hex()} if self.mode is Mode.LIES else {}
        return 200, {"result": "granted"} | lie

    def _open(self, _: object) -> tuple[int, Any]:
        found = [
            {"presentation": p, "ticket_key": key, "list": "main", "at": 1000.0}
            for p, key in self.claims.items()
        ]
        return 200, {"claims": found}

    def _annul(self, presentation: str) -> tuple[int, Any]:
        self.claims.pop(presentation, None)
        self.tombstones.add(presentation)
        return 200, {"result": "annulled"}

    def _heartbeat(self, _: object) -> tuple[int, Any]:
        return 200, {"time": "c2lnbmVk", "commands": self.commands}


def _page(name: str, rows: list[dict[str, Any]], after: int) -> tuple[int, Any]:
    page = rows[after : after + 3] if name == "redemptions" else rows[after:]
    return 200, {name: page, "next": after + len(page)}


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # or each answer waits 40 ms for an acknowledgement

        def handle_any(self) -> None:
            size = int(self.headers.get("Content-Length", 0))
            raw = self.rfile.read(size)
            server.asked.append((self.command, self.path))
            if server.mode is Mode.GOOD or server.only not in self.path:
                self.reply(*self.told(raw))
            else:
                self.misbehave(raw)

        do_GET = do_POST = do_DELETE = handle_any

        def told(self, raw: bytes) -> tuple[int, Any]:
            bearer = self.headers.get("Authorization", "").removeprefix("Bearer ")
            body = json.loads(raw) if raw else None
            return server.answer(self.command, self.path, body, bearer)

        def reply(self, status: int, body: Any, **headers: str) -> None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def misbehave(self, raw: bytes) -> None:
            self.close_connection = True
            try:
                getattr(self, f"do_{server.mode.name.lower()}")(raw)
            except OSError:  # the gate has had enough, as it should
                return

        def do_hang(self, _: bytes) -> None:
            server.released.wait(30)

        def do_drip(self, _: bytes) -> None:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            self.drip()

        def do_drip_body(self, _: bytes) -> None:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n")
            self.drip()

        def drip(self) -> None:
            while not server.released.is_set():
                self.wfile.write(b"a")
                time.sleep(0.02)

        def do_html(self, _: bytes) -> None:
            self.reply(200, b"<html>Please log in</html>")

        def do_fail(self, _: bytes) -> None:
            self.reply(500, b"Internal Server Error")

        def do_half(self, _: bytes) -> None:
            self.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"result"')

        def do_endless(self, _: bytes) -> None:
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            while not server.released.is_set():
                self.wfile.write(b" " * 65_536)

        def do_schema(self, _: bytes) -> None:
            self.reply(200, {"result": ["granted"], "statements": {}, "answers": 7})

        def do_noise(self, _: bytes) -> None:
            self.wfile.write(bytes(range(256)) * 4)

        def do_redirect(self, _: bytes) -> None:
            self.reply(302, b"", Location="http://127.0.0.1:1/")

        def do_lies(self, raw: bytes) -> None:
            self.reply(*self.told(raw))

        def do_zipped(self, raw: bytes) -> None:
            self.reply(200, gzip.compress(b"{}"), Content_Encoding="gzip")

        def do_refuse_bearer(self, _: bytes) -> None:
            self.reply(401, {"error": "bearer_expired", "cause": "old", "remedy": "renew"})

        def do_take_and_cut(self, raw: bytes) -> None:
            server.mode = Mode.GOOD
            self.told(raw)

        def setup(self) -> None:
            super().setup()
            server.connections.add(self.connection)

        def finish(self) -> None:
            server.connections.discard(self.connection)
            super().finish()

        def log_message(self, *_: object) -> None:
            """Tests print nothing."""

    return Handler
