"""Secret keys as small TOML files that only their owner can read.

The one module of this package that touches files: issuing, central and gates must all refuse the
same ones.
"""

import os
import secrets
import stat
import tomllib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tickets.cose import KEY_BYTES, key_id, public_key_of
from tickets.errors import GateError
from tickets.secret import SecretBytes
from tickets.trust import InvalidEvent, check_event

MAX_FILE = 4096
"""Largest key file in bytes."""


class KeyFault(GateError):
    """A key file is missing, unreadable, open to others or not of the right form."""


class Role(StrEnum):
    """What a key is for; its file is named after it."""

    ROOT = "root"
    ISSUER = "issuer"
    LIST = "list"
    WALLET = "wallet"
    EVENT = "event"
    CARDS = "cards"

    @property
    def signs(self) -> bool:
        """Whether it has a public half; the others are secrets shared by those who need them."""
        return self not in (Role.EVENT, Role.CARDS)


_MEANING = {
    Role.ROOT: "Root key: signs the keyset, which says whose tickets count. Keep it offline.",
    Role.ISSUER: "Issuer key: whoever holds it can make tickets. Keep it off the gates.",
    Role.LIST: "List key: signs ticket lists, policy and time. Lives on the server.",
    Role.WALLET: "Wallet key: signs tickets that live on phones. Lives on the server.",
    Role.EVENT: "Event secret: turns ticket ids into codes, and into the names that gates keep.",
    Role.CARDS: "Card key: makes cards, and has them prove themselves. Central gives gates a part.",
}


@dataclass(frozen=True, slots=True)
class SecretKey:
    """One secret of an event: an Ed25519 seed where its role signs."""

    role: Role
    event: str
    secret: SecretBytes
    """32 bytes."""

    @property
    def public(self) -> bytes:
        """The 32-byte public key; meaningless where the role does not sign."""
        return public_key_of(self.secret)

    @property
    def kid(self) -> bytes:
        """The 8-byte key id of `public`."""
        return key_id(self.public)


def new_key(role: Role, event: str) -> SecretKey:
    """Return a new random key.

    Raises:
        InvalidEvent: ``event`` is no event name.
    """
    return SecretKey(role, check_event(event), SecretBytes(secrets.token_bytes(KEY_BYTES)))


def key_path(directory: Path, role: Role) -> Path:
    """Return where the key of ``role`` lies in a key directory."""
    return directory / f"{role}.toml"


def save_key(key: SecretKey, directory: Path) -> Path:
    """Write ``key`` to a new file in ``directory`` (made if missing), and return its path.

    Raises:
        KeyFault: there is one already, or the directory cannot be written.
    """
    path = key_path(directory, key.role)
    text = "\n".join(_lines(key)) + "\n"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError as error:
        raise KeyFault(
            f"{path} exists already",
            "Choose another directory: tickets made with a key that is lost cannot be checked",
        ) from error
    except OSError as error:
        raise KeyFault(
            f"{path} cannot be written: {error.strerror}", "Choose a directory you can write to"
        ) from error
    return path


def load_key(directory: Path, role: Role) -> SecretKey:
    """Return the key of ``role`` in ``directory``.

    Raises:
        KeyFault: missing, not a file, open to others, too large, or not of the right form.
    """
    path = key_path(directory, role)
    try:
        # Not blocking: a pipe put in the file's place must not hold the caller.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            _check_access(path, os.fstat(descriptor))
            data = file.read(MAX_FILE + 1)
    except FileNotFoundError as error:
        raise KeyFault(
            f"{path} does not exist", "Name the directory that 'admit keys new' has made"
        ) from error
    except OSError as error:
        raise KeyFault(
            f"{path} cannot be read: {error.strerror}", "Run as the user who owns the key"
        ) from error
    return _parse(path, data, role)


def change_key(directory: Path, role: Role) -> tuple[Path, Path]:
    """Put the key of ``role`` in ``directory``/next in its place; the one before goes to /old.

    Returns:
        Where the new one is, and where the old one went.
    Raises:
        KeyFault: there is no next key, or the directory cannot be written.
    """
    for place in (directory, directory / "next"):  # both are whole, or nothing is moved
        load_key(place, role)
    kept = key_path(directory / "old", role)
    path = key_path(directory, role)
    try:
        kept.parent.mkdir(mode=0o700, exist_ok=True)
        if kept.exists():
            older = load_key(kept.parent, role).kid.hex()
            kept.replace(kept.with_name(f"{role}-{older}.toml"))
        os.link(path, kept)  # at no moment is a key without a name
        key_path(directory / "next", role).replace(path)
    except OSError as error:
        raise KeyFault(
            f"the {role} key cannot be changed: {error.strerror}",
            "Choose a directory you can write to",
        ) from error
    return path, kept


def _lines(key: SecretKey) -> list[str]:
    # JSON's string escapes are TOML's too, and an event name is printable: no quote slips out.
    name = key.event.replace("\\", "\\\\").replace('"', '\\"')
    lines = [f"# {_MEANING[key.role]}", f'role = "{key.role}"', f'event = "{name}"']
    if key.role.signs:
        lines.append(f'public = "{key.public.hex()}"')
    return [*lines, f'secret = "{key.secret.hex()}"']


def _check_access(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise KeyFault(f"{path} is not a file", "Name the directory that holds the key files")
    if status.st_mode & 0o077:
        mode = stat.S_IMODE(status.st_mode)
        raise KeyFault(
            f"{path} can be read or changed by others (mode {mode:04o})",
            f"Run 'chmod 600 {path}'; if others had a login, make new keys",
        )


def _parse(path: Path, data: bytes, role: Role) -> SecretKey:
    try:
        if len(data) > MAX_FILE:
            raise ValueError(f"more than {MAX_FILE} bytes")
        fields = tomllib.loads(data.decode("utf-8"))
        return _key(fields, role)
    except (ValueError, RecursionError, InvalidEvent) as error:
        raise KeyFault(
            f"{path} is not the {role} key: {error}", "Restore the file from its backup"
        ) from error


def _key(fields: dict[str, object], role: Role) -> SecretKey:
    names = {"role", "event", "secret"} | ({"public"} if role.signs else set())
    if fields.keys() != names or not all(isinstance(value, str) for value in fields.values()):
        raise ValueError(f"it does not hold {', '.join(sorted(names))} as text")
    if fields["role"] != role:
        raise ValueError("it says it is for another role")
    secret = SecretBytes.fromhex(str(fields["secret"]))
    if len(secret) != KEY_BYTES:
        raise ValueError(f"the secret has {len(secret)} bytes, not {KEY_BYTES}")
    key = SecretKey(role, check_event(str(fields["event"])), secret)
    if role.signs and fields["public"] != key.public.hex():
        raise ValueError("public and secret do not belong together")
    return key
