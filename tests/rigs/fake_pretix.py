"""A small server in the shape of pretix' answers, for what a real one cannot be asked to do.

server = FakePretix(); server.order("A1", server.position(secret="s1")); server.url
server.cut_at = 3          # the connection breaks at the third request from now on
server.refuse["orders/"] = (403, {"detail": "..."})

Its state is plain attributes, in the shape of the REST API of pretix 2026.8 as recorded from a
real one (tests/pretix/recorded). Orders carry names and mail, as the real ones do.
"""

import base64
import json
import ssl
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.rigs.fake_checkins import FakeCheckIns

ORGANIZER, EVENT = "big", "demo"
START = datetime(2026, 11, 20, 12, tzinfo=UTC)
GUEST = "Ottilie Zwiebelturm"
"""Who bought everything: no byte of it may reach a file of the gate."""
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
REVOKED = {"detail": "Device access has been revoked."}
FORBIDDEN = {"detail": "Request denied by device security profile."}
NO_PERMISSION = {"detail": "You do not have permission to perform this action."}
Json = dict[str, Any]
_Reply = tuple[int, Any, dict[str, str]]


def valid_key(key: Ed25519PrivateKey = KEY) -> str:
    """A key of signed codes as an event's page has it."""
    form = PublicFormat.SubjectPublicKeyInfo
    return base64.b64encode(key.public_key().public_bytes(Encoding.PEM, form)).decode()


class FakePretix:
    """One organizer with one event, `demo`, and a check-in list, `main`, number 1."""

    def __init__(self) -> None:
        self.token, self.api_token = "once-only-token", "T" * 64
        self.device: Json = {
            "organizer": ORGANIZER,
            "device_id": 7,
            "unique_serial": "SERIAL123",
            "name": "north",
            "security_profile": "pretixscan",
            "gate": {"id": 3, "name": "North", "identifier": "N"},
        }
        self.told: list[Json] = []
        self.revoked_device = False
        self.events: dict[str, Json] = {}
        self.now = START
        self.count = 0
        """Numbers given so far, of anything."""
        self.asked: list[str] = []
        self.cut_at: int | None = None
        """Requests until the connection is cut, from now on."""
        self.refuse: dict[str, tuple[int, Json]] = {}
        """Part of a path -> what is answered instead."""
        self.retry_after = ""
        self.media: list[Json] = []
        self.add_event(EVENT)
        self.scans = FakeCheckIns(self.events, self.number, self.moved)
        self.lose_answers = 0
        """So many check-in calls from now on are carried out, and the answer is lost."""
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()

    def over_tls(self, context: ssl.SSLContext) -> None:
        """Speak TLS from the next connection on."""
        self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        self.url = self.url.replace("http:", "https:")

    def stop(self) -> None:
        """Go away for good."""
        self._http.shutdown()
        self._http.server_close()

    # -- what a test arranges ------------------------------------------------------------------

    def add_event(self, slug: str, **changes: Any) -> Json:
        """An event with one item and one list."""
        event: Json = {
            "slug": slug,
            "timezone": "Europe/Berlin",
            "date_from": "2026-12-01T19:00:00+01:00",
            "has_subevents": False,
            "modified": "Thu, 01 Jan 2026 00:00:00 GMT",
            "valid_keys": {"pretix_sig1": [valid_key()]},
            "settings": {"reusable_media_usage_enforced": False},
            "items": [{"id": 11, "name": {"en": "Standard"}, "variations": []}],
            "questions": [],
            "subevents": [],
            "checkinlists": [self.check_in_list("main", id=1 + len(self.events))],
            "orders": [],
            "revokedsecrets": [],
            "blockedsecrets": [],
        }
        self.events[slug] = event | changes
        return self.events[slug]

    def check_in_list(self, name: str, **changes: Any) -> Json:
        """A list with pretix' defaults."""
        row: Json = {
            "id": self.number(),
            "name": name,
            "all_products": True,
            "limit_products": [],
            "subevent": None,
            "include_pending": False,
            "allow_multiple_entries": False,
            "allow_entry_after_exit": True,
            "addon_match": False,
            "rules": {},
            "exit_all_at": None,
            "checkin_count": 0,
            "position_count": 0,
        }
        return row | changes

    def position(self, secret: str, **changes: Any) -> Json:
        """A ticket of an order."""
        row: Json = {
            "id": self.number(),
            "item": 11,
            "variation": None,
            "subevent": None,
            "secret": secret,
            "addon_to": None,
            "canceled": False,
            "blocked": None,
            "valid_from": None,
            "valid_until": None,
            "checkins": [],
            "answers": [],
            "attendee_name": GUEST,
            "attendee_email": "ottilie@zwiebelturm.example",
        }
        return row | changes

    def order(self, code: str, *positions: Json, event: str = EVENT, **changes: Any) -> Json:
        """Put an order, paid, or change one that is there."""
        self.tick()
        orders = self.events[event]["orders"]
        found = next((row for row in orders if row["code"] == code), None)
        if found is None:
            found = {
                "code": code,
                "status": "p",
                "datetime": self.stamp(),
                "require_approval": False,
                "valid_if_pending": False,
                "checkin_attention": False,
                "checkin_text": None,
                "positions": [],
                "email": "ottilie@zwiebelturm.example",
                "invoice_address": {"name": GUEST},
            }
            orders.append(found)
        if positions:
            found["positions"] = list(positions)
        found |= changes | {"last_modified": self.stamp()}
        return found

    def check_in(self, order: Json, number: int = 0, **changes: Any) -> Json:
        """Let another gate scan a ticket."""
        self.tick()
        row = {
            "id": self.number(),
            "datetime": self.stamp(),
            "list": 1,
            "type": "entry",
            "gate": None,
            "device": 99,
            "device_id": 2,
            "auto_checked_in": False,
        }
        made = row | changes
        order["positions"][number]["checkins"].append(made)
        order["last_modified"] = self.stamp()
        return made

    def withdraw(self, secret: str, event: str = EVENT) -> None:
        """Put a code on the list of those taken back."""
        self.tick()
        row = {"id": self.number(), "secret": secret, "created": self.stamp()}
        self.events[event]["revokedsecrets"].append(row)

    def block(self, secret: str, blocked: bool = True, event: str = EVENT) -> None:
        """Block a code, or let it be good again."""
        self.tick()
        rows = self.events[event]["blockedsecrets"]
        found = next((row for row in rows if row["secret"] == secret), None)
        if found is None:
            rows.append(found := {"id": self.number(), "secret": secret})
        found |= {"blocked": blocked, "updated": self.stamp()}

    def medium(self, identifier: str, *positions: int, **changes: Any) -> Json:
        """A reusable medium that stands for tickets."""
        self.tick()
        before = [old for old in self.media if old["identifier"] == identifier]
        row: Json = {
            "id": before[0]["id"] if before else self.number(),
            "identifier": identifier,
            "type": "barcode",
            "active": True,
            "expires": None,
            "updated": self.stamp(),
            "linked_orderposition": positions[0] if len(positions) == 1 else None,
            "linked_orderpositions": list(positions),
        }
        self.media = [old for old in self.media if old["identifier"] != identifier]
        self.media.append(row | changes)
        return self.media[-1]

    def replay(
        self,
        events: Mapping[str, Json],
        rows: Mapping[tuple[str, str], list[Json]],
        media: list[Json],
    ) -> None:
        """Become the server of a recording: its events, their resources, all pages together."""
        names = ("items", "questions", "subevents", "checkinlists", "orders")
        self.events, self.media = {}, media
        for slug, event in events.items():
            told = {name: rows.get((slug, name), []) for name in names}
            for name in ("revokedsecrets", "blockedsecrets"):
                told[name] = rows.get((slug, name), [])
            self.add_event(slug)
            self.events[slug] |= {**event, **told}

    def number(self) -> int:
        """A number of its own."""
        self.count += 1
        return 100 + self.count

    def tick(self, seconds: float = 1.0) -> None:
        """Let time pass at the server."""
        self.now += timedelta(seconds=seconds)

    def moved(self) -> str:
        """A moment later, as its answers write it."""
        self.tick()
        return self.stamp()

    def stamp(self) -> str:
        """Its time as its answers write it."""
        return self.now.isoformat()

    # -- what it answers -----------------------------------------------------------------------

    def answer(self, method: str, path: str, query: Mapping[str, list[str]], body: Json) -> _Reply:
        """(status, body, headers) of one request."""
        parts = [part for part in path.split("/") if part][2:]
        if parts[0] == "version":
            return 200, {"pretix": "2026.8.0"}, {}
        if parts[0] == "device":
            return self._device(parts[1], body)
        if method == "POST" and (told := self.scans.call(parts[2:], body)) is not None:
            return *told, {}
        if parts[2] == "reusablemedia":
            return 200, self._paged(self.media, query, "updated"), self._generated()
        if parts[3] not in self.events:
            return 404, {"detail": "Not found."}, {}
        return self._event(self.events[parts[3]], parts[4:], query)

    def _event(self, event: Json, rest: list[str], query: Mapping[str, list[str]]) -> _Reply:
        if not rest:
            return 200, {k: v for k, v in event.items() if not isinstance(v, list)}, {}
        if rest[0] == "settings":
            return 200, event["settings"], {}
        return self._resource(event, rest[0], query)

    def _device(self, call: str, body: Json) -> _Reply:
        if call == "initialize":
            if body["token"] != self.token:
                used = "This initialization token has already been used."
                return 400, {"token": [used]}, {}
            self.token = ""
            self.told.append(body)
        if call == "update":
            self.told.append(body)
        if call == "roll":
            self.api_token = "U" * 64
        if call == "eventselection":
            return 200, {"event": {"slug": EVENT, "name": {}}, "subevent": None}, {}
        device = self.device | {"api_token": self.api_token}
        return 200, {"device": device} if call == "info" else device, {}

    def _resource(self, event: Json, name: str, query: Mapping[str, list[str]]) -> _Reply:
        field = {"orders": "datetime", "revokedsecrets": "created", "blockedsecrets": "updated"}
        rows = event[name]
        if name == "orders" and query.get("testmode") == ["false"]:
            rows = [row for row in rows if not row.get("testmode")]
        body = self._paged(rows, query, field.get(name, "id"))
        if name in ("items", "questions", "subevents"):
            return 200, body, {"Last-Modified": event["modified"]}
        return 200, body, self._generated()

    def _paged(self, rows: Sequence[Json], query: Mapping[str, list[str]], field: str) -> Json:
        for name in ("created", "modified", "updated"):
            if since := query.get(f"{name}_since"):
                key = {"modified": "last_modified", "updated": "updated"}.get(name, field)
                rows = [row for row in rows if _at(row[key]) >= _at(since[0])]
        ordering = query.get("ordering", [field])[0]
        key = ordering.lstrip("-")
        rows = sorted(rows, key=lambda row: row[key], reverse=ordering.startswith("-"))
        page, size = int(query.get("page", ["1"])[0]), 50
        there = rows[(page - 1) * size : page * size]
        following = "http://elsewhere.example/?page=next" if len(rows) > page * size else None
        return {"count": len(rows), "next": following, "previous": None, "results": there}

    def _generated(self) -> dict[str, str]:
        return {"X-Page-Generated": self.stamp()}


def _at(stamp: str) -> datetime:
    return datetime.fromisoformat(stamp)


def _handler(server: FakePretix) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # or each answer waits 40 ms for an acknowledgement

        def do_GET(self) -> None:
            self._answer("GET")

        def do_POST(self) -> None:
            self._answer("POST")

        def _answer(self, method: str) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            parts = urlsplit(self.path)
            server.asked.append(self.path)
            if server.cut_at is not None:
                server.cut_at -= 1
                if server.cut_at <= 0:
                    self.close_connection = True
                    return
            status, said, headers = self._said(method, parts.path, parse_qs(parts.query), body)
            if server.lose_answers and "check" in parts.path and method == "POST":
                server.lose_answers -= 1
                self.close_connection = True
                return
            self._send(status, said, headers)

        def _said(self, method: str, path: str, query: dict[str, list[str]], body: bytes) -> _Reply:
            if (wrong := self._wrong(path)) is not None:
                return wrong
            asked = json.loads(body) if body else {}
            status, said, headers = server.answer(method, path, query, asked)
            unless = self.headers.get("If-Modified-Since")
            if unless and unless == headers.get("Last-Modified"):
                return 304, None, headers
            return status, said, headers

        def _wrong(self, path: str) -> _Reply | None:
            for part, (status, said) in server.refuse.items():
                if part in path:
                    again = {"Retry-After": server.retry_after} if server.retry_after else {}
                    return status, said, again
            if path.endswith(("/initialize", "/version")):
                return None
            if server.revoked_device:
                return 401, REVOKED, {}
            if self.headers.get("Authorization") != f"Device {server.api_token}":
                return 401, {"detail": "Invalid token."}, {}
            return None

        def _send(self, status: int, said: Any, headers: Mapping[str, str]) -> None:
            data = b"" if said is None else json.dumps(said).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def date_time_string(self, timestamp: float | None = None) -> str:
            return format_datetime(server.now, usegmt=True)

        def log_message(self, *_: object) -> None: ...

    return Handler
