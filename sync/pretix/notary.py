"""The organiser's notary on the gate itself: signs what was downloaded from pretix as statements.

pretix signs codes, but no lists and no rules. So sync signs what a server it trusts by TLS has
said, with a key made when the gate was enrolled; scanner pins that key and treats list, delta and
policy as ever. Whoever takes over sync can therefore sign a list: see docs/adr/0026.
"""

import gzip
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from nacl.signing import SigningKey

from store.files import sync_directory
from store.mirror import Mirror
from sync.answers import WireStatement
from sync.pretix.errors import StagingNotWritten, TooManyKinds
from sync.pretix.staging import Staging
from tickets import cbor
from tickets.attacks import Attack, StatementRejected
from tickets.bodies import Body, Delta, Keyset, ListHead, ServerTime, Type, to_plain, type_of
from tickets.cose import key_id, public_key_of
from tickets.keyring import Keyring, pinned
from tickets.rows import ROW_BYTES
from tickets.statements import read_statement, sign_statement

LIST_AFTER = 2_000
"""Changed rows since a list from which a new list is published, or a tenth of a larger list: deltas
are kept in memory, lists are written anew."""
_LASTS = 10 * 365 * 86_400
"""Seconds until a statement expires: how current the list is, the server's answers tell."""
_SLICE = 8_192
_ROLES = {"root": b"admit-root", "list": b"admit-list"}


@dataclass(frozen=True, slots=True)
class NotaryKeys:
    """The two keys of this gate's own notary."""

    seed: bytes = field(repr=False)
    """32 random bytes, made at enrolment."""

    def _seed(self, role: str) -> bytes:
        return blake2b(key=self.seed, digest_size=32, person=_ROLES[role]).digest()

    @property
    def root(self) -> bytes:
        """32-byte public key that scanner pins."""
        return public_key_of(self._seed("root"))

    @property
    def list(self) -> bytes:
        """32-byte public key that signs policy, lists and time."""
        return public_key_of(self._seed("list"))

    def signer(self, role: str) -> tuple[bytes, bytes]:
        """(key id, seed) of `root` or `list`."""
        seed = self._seed(role)
        return key_id(public_key_of(seed)), seed


class Notary:
    """Publishes statements into pretix.db, each when what it says has changed.

    Args:
        event: The gate's own name of it all.
        directory: Where bodies of lists are kept.
        mirror: What it holds already may be more than pretix.db knows: numbers go on above it.
        now: Unix seconds.
    """

    def __init__(
        self,
        staging: Staging,
        keys: NotaryKeys,
        event: str,
        directory: Path,
        *,
        mirror: Mirror,
        now: Callable[[], float],
    ) -> None:
        self._staging, self._keys, self._event = staging, keys, event
        self._directory, self._now, self._mirror = directory, now, mirror
        self._floor: dict[str, int] = {}
        for row in mirror.statements():
            kind = _sequence(Type(row.type))
            self._floor[kind] = max(self._floor.get(kind, 0), row.serial)

    def keyset(self, pretix: Iterable[bytes]) -> None:
        """Say whose signatures count; `pretix` are the 32-byte keys of the events' codes."""
        self._publish_if_new(self._keyset(pretix))

    def policy(self, body: Mapping[str, object]) -> None:
        """Say the rules."""
        self._publish_if_new(body)

    def rows(self) -> None:
        """Say what has changed in the list: a delta, or a new list where there is none near."""
        with self._staging.transaction() as base:
            changed = [key for (key,) in base.execute("SELECT key FROM changed ORDER BY key")]
            since = int(self._staging.note("delta_rows") or 0)
            head = self._staging.note("list")
            if head and not changed:
                return
            if not head or since + len(changed) > max(LIST_AFTER, self._staging.count("row") // 10):
                self._list()
            else:
                self._delta(changed, int(head), since)
            base.execute("DELETE FROM changed")

    def time(self, at: float, nonce: bytes) -> bytes:
        """A signed answer to scanner's question for the time."""
        body = ServerTime(nonce, round(at * 1000))
        return self._sign(body, 1, b"")

    # -- what was published --------------------------------------------------------------------

    def statements(self, after: int) -> tuple[list[WireStatement], int]:
        """What was published after a cursor, and the newest cursor."""
        query = "SELECT cursor, type, serial, wire FROM statement WHERE cursor > ? ORDER BY cursor"
        with self._staging.transaction() as base:
            found = base.execute(query, (after,)).fetchall()
        rows = [
            WireStatement.model_construct(cursor=cursor, type=kind, serial=serial, wire=wire)
            for cursor, kind, serial, wire in found
        ]
        return rows, max([after, *(row.cursor for row in rows)])

    def body(self, digest: bytes, sink: Callable[[bytes], object]) -> bool:
        """Give the compressed rows of a list; False: they are not here, a new list will come."""
        try:
            with self._path(digest).open("rb") as file:
                while chunk := file.read(1 << 16):
                    sink(chunk)
        except FileNotFoundError:
            self._staging.put("list", "")
            return False
        return True

    # -- inside --------------------------------------------------------------------------------

    def _publish_if_new(self, body: Body) -> None:
        said = f"{type_of(body)}/said"
        digest = blake2b(cbor.encode(to_plain(body)), digest_size=16).hexdigest()
        with self._staging.transaction():
            if self._staging.note(said) != digest:
                self._publish(body)
                self._staging.put(said, digest)

    def _publish(self, body: Body) -> int:
        """Sign and keep a statement after those of its sequence; returns its serial."""
        sequence = _sequence(type_of(body))
        serial, previous = self._next(sequence)
        wire = self._sign(body, serial, previous)
        digest = read_statement(wire, self._event, self._keyring()).digest
        with self._staging.transaction() as base:
            kinds = ("list", "delta") if isinstance(body, ListHead) else (type_of(body).value,) * 2
            if not isinstance(body, Delta):  # those before it are of no use to anybody
                base.execute("DELETE FROM statement WHERE type IN (?, ?)", kinds)
            base.execute(
                "INSERT INTO statement VALUES (?, ?, ?, ?, ?)",
                (self._cursor(), type_of(body).value, serial, digest, wire),
            )
            self._staging.put(f"{sequence}/newest", f"{serial} {digest.hex()}")
        return serial

    def _cursor(self) -> int:
        return self._staging.rise("statements", self._mirror.position("statements"))

    def _next(self, sequence: str) -> tuple[int, bytes]:
        """Serial and link of the next statement; above all that this gate may have believed."""
        newest = self._staging.note(f"{sequence}/newest")
        floor = self._floor.get(sequence, 0)
        if newest:
            serial, digest = newest.split()
            if int(serial) >= floor:
                return int(serial) + 1, bytes.fromhex(digest)
        # pretix.db is new: what was said before is not known, so no link to it is claimed.
        return max(floor + 2, int(self._now())), b""

    def _sign(self, body: Body, serial: int, previous: bytes) -> bytes:
        issued = max(0, int(self._now()))
        role = "root" if isinstance(body, Keyset) else "list"
        try:
            return sign_statement(
                body,
                event=self._event,
                serial=serial,
                issued=issued,
                expires=issued + _LASTS,
                signers=[self._keys.signer(role)],
                previous=previous,
            )
        except StatementRejected as error:
            if error.attack is Attack.OVERSIZED:
                raise TooManyKinds("kinds of ticket, dates and rules") from error
            raise

    def _keyring(self) -> Keyring:
        return pinned([self._keys.root]).with_keyset(self._keyset(()))

    def _keyset(self, pretix: Iterable[bytes]) -> Keyset:
        lists = {key_id(self._keys.list): self._keys.list}
        roots = {key_id(self._keys.root): self._keys.root}
        return Keyset(roots, 1, {}, lists, pretix=tuple(sorted(set(pretix))))

    def _list(self) -> None:
        rows, digest = self._write_body()
        head = ListHead(rows, rows * ROW_BYTES, digest)
        serial = self._publish(head)
        self._staging.put("list", str(serial))
        self._staging.put("delta_rows", "0")
        self._prune(digest)

    def _delta(self, changed: list[bytes], head: int, since: int) -> None:
        query = "SELECT packed FROM row WHERE key = ?"
        found = {key: self._staging.base.execute(query, (key,)).fetchone() for key in changed}
        rows = b"".join(row[0] for row in found.values() if row)
        removed = b"".join(key for key, row in found.items() if not row)
        self._publish(Delta(head, rows, removed))
        self._staging.put("delta_rows", str(since + len(changed)))

    def _write_body(self) -> tuple[int, bytes]:
        """Write the rows, compressed, under the name of their hash; returns their number too."""
        digest, count = blake2b(digest_size=32), 0
        part = self._directory / "pretix-list.part"
        try:
            with part.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as file:
                for slice_ in self._slices():
                    digest.update(slice_)
                    file.write(slice_)
                    count += len(slice_) // ROW_BYTES
                file.close()
                raw.flush()
                os.fsync(raw.fileno())
            part.replace(self._path(digest.digest()))
            sync_directory(self._directory)
        except OSError as error:
            raise StagingNotWritten(error) from error
        return count, digest.digest()

    def _slices(self) -> Iterator[bytes]:
        cursor = self._staging.base.execute("SELECT packed FROM row ORDER BY key")
        while rows := cursor.fetchmany(_SLICE):
            yield b"".join(packed for (packed,) in rows)

    def _path(self, digest: bytes) -> Path:
        return self._directory / f"pretix-list-{digest.hex()[:32]}.gz"

    def _prune(self, digest: bytes) -> None:
        for path in self._directory.glob("pretix-list-*.gz"):
            if path != self._path(digest):
                path.unlink()


def new_seed() -> bytes:
    """A notary's seed."""
    return SigningKey.generate().encode()


def _sequence(kind: Type) -> str:
    return "rows" if kind in (Type.LIST, Type.DELTA) else kind.value
