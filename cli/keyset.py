"""`admit keys keyset|sign|check|root|next|change`: the ceremony by which an event's keys change.

The request travels as a file; the roots stay where they are. See docs/keys.md.
"""

import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from cli.requests import read_request, write_request
from tickets.bodies import Keyset
from tickets.ceremony import (
    Request,
    RequestFault,
    finished,
    keyset_in,
    prepare,
    signed_by,
)
from tickets.ceremony_words import missing, words
from tickets.cose import KEY_BYTES, KID_BYTES, key_id
from tickets.errors import GateError
from tickets.key_files import (
    KeyFault,
    Role,
    SecretKey,
    change_key,
    key_path,
    load_key,
    new_key,
    save_key,
)
from tickets.pretix_sig1 import key_from_valid_keys

ONLINE = {Role.ISSUER: "issuers", Role.WALLET: "issuers", Role.LIST: "lists"}
"""Roles that a keyset names, and where."""
DAY = 86_400

File = Annotated[Path, typer.Argument(help="Request, made by admit keys keyset")]
KeysDir = Annotated[Path, typer.Option(help="Directory that 'admit keys new' has made")]


def keyset(
    out: Annotated[Path, typer.Option(help="Where to write the request")],
    *,
    keys: KeysDir = Path("keys"),
    after: Annotated[
        Path | None, typer.Option(help="Keyset in force: admit central keyset --save FILE")
    ] = None,
    root: Annotated[
        list[Path] | None,
        typer.Option(help="root.pub, once per root; none: as before"),
    ] = None,
    threshold: Annotated[int | None, typer.Option(help="Roots that must sign together")] = None,
    leave_out: Annotated[
        list[str] | None, typer.Option(help="Key id, or its file, that is named no more")
    ] = None,
    withdraw: Annotated[
        list[str] | None,
        typer.Option(help="Key id, or its file: stolen, it must never count again"),
    ] = None,
    pretix_key: Annotated[
        list[str] | None,
        typer.Option(help="A value of valid_keys.pretix_sig1 in pretix' API; none: as before"),
    ] = None,
    days: Annotated[int, typer.Option(help="How long it is news", min=1, max=3660)] = 366,
) -> None:
    """Prepare a keyset for the roots to sign: those before, and what lies in --keys (and its next).

    Signs nothing, and needs no root key.
    """
    event = load_key(keys, Role.EVENT).event
    before = finished(read_request(after)) if after else b""
    body = _asked(before, keys, event, [_read_public(path) for path in root or ()], threshold)
    if pretix_key:
        body = replace(body, pretix=tuple(map(key_from_valid_keys, pretix_key)))
    body = _without(body, [*map(_kid, leave_out or ())], [*map(_kid, withdraw or ())])
    request = prepare(body, event, before, time.time(), days * DAY)
    write_request(out, request)
    _say(request)


def sign(
    file: File,
    key: Annotated[Path, typer.Option(help="Directory with root.toml, on its stick")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask")] = False,
) -> None:
    """Add one root's signature to a request. For the computer without a network."""
    request, root = read_request(file), load_key(key, Role.ROOT)
    _say(request)
    if not yes:
        typer.confirm(f"Sign all this with root {root.kid.hex()}?", abort=True)
    request = signed_by(request, root)
    write_request(file, request)
    print("\n".join(missing(request)))


def check(file: File) -> None:
    """Say what a request asks, and who has signed. Exit code 1 while signatures are missing."""
    request = read_request(file)
    _say(request)
    if any(line.startswith("Missing") for line in missing(request)):
        raise typer.Exit(1)
    finished(request)
    print("Complete: admit central keyset FILE")


def root(
    event: Annotated[str, typer.Option(help="Name of the event")],
    out: Annotated[Path, typer.Option(help="Directory on the stick of this root")],
) -> None:
    """Make one more root key, with its public half for `admit keys keyset --root`."""
    key = new_key(Role.ROOT, event)
    print(save_key(key, out))
    print(save_public(key, out))


def next_key(
    role: Annotated[str, typer.Argument(help="issuer, list or wallet")],
    keys: KeysDir = Path("keys"),
) -> None:
    """Make the key that is to follow; `admit keys keyset` then names both."""
    key = new_key(_role(role), load_key(keys, Role.EVENT).event)
    print(save_key(key, keys / "next"))
    print(f"key id {key.kid.hex()}")


def change(
    role: Annotated[str, typer.Argument(help="issuer, list or wallet")],
    keys: KeysDir = Path("keys"),
) -> None:
    """Use the key that was to follow from now on; restart central afterwards."""
    path, kept = change_key(keys, _role(role))
    print(f"{path} is the new {role} key; the one before is {kept}")


COMMANDS: dict[str, Callable[..., None]] = {
    "keyset": keyset,
    "sign": sign,
    "check": check,
    "root": root,
    "next": next_key,
    "change": change,
}


def save_public(key: SecretKey, directory: Path) -> Path:
    """Write the public half of a root beside it: one line of base64.

    Raises:
        KeyFault: the directory cannot be written.
    """
    path = directory / "root.pub"
    try:
        path.write_text(b64encode(key.public).decode() + "\n", "ascii")
    except OSError as error:
        raise KeyFault(f"{path} cannot be written: {error.strerror}", "Free space there") from error
    return path


def _read_public(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            key = b64decode(file.read(200).strip(), validate=True)
        if len(key) != KEY_BYTES:
            raise ValueError(f"{len(key)} bytes, not {KEY_BYTES}")
    except (OSError, ValueError) as error:
        raise KeyFault(
            f"{path} is no public half of a root: {error}", "Name the file root.pub of each root"
        ) from error
    return key


def _asked(
    before: bytes, keys: Path, event: str, roots: list[bytes], threshold: int | None
) -> Keyset:
    """The keyset before, with the keys that lie here, and perhaps other roots."""
    body = keyset_in(before) if before else Keyset({}, 1, {}, {})
    for key, name in _online(keys, event):
        if name == "lists":
            body = replace(body, lists={**body.lists, key.kid: key.public})
        else:
            body = replace(body, issuers={**body.issuers, key.kid: key.public})
    if roots:
        body = replace(body, roots={key_id(public): public for public in roots})
    body = replace(body, threshold=threshold or body.threshold)
    if not 1 <= body.threshold <= len(body.roots):
        raise RequestFault(
            f"{body.threshold} of {len(body.roots)} roots cannot sign",
            "Name each root by --root FILE, and how many must sign by --threshold",
        )
    return body


def _online(keys: Path, event: str) -> Iterator[tuple[SecretKey, str]]:
    for role, name in ONLINE.items():
        for directory in (keys, keys / "next"):
            if key_path(directory, role).exists():  # an issuer key may be in a safe place
                key = load_key(directory, role)
                if key.event != event:
                    raise KeyFault(f"the {role} key is of event {key.event}", "Name one event")
                yield key, name


def _without(body: Keyset, left_out: list[bytes], withdrawn: list[bytes]) -> Keyset:
    gone = {*left_out, *withdrawn}
    known = {**body.roots, **body.issuers, **body.lists}
    if unknown := [kid for kid in left_out if kid not in known]:
        raise RequestFault(f"no key {unknown[0].hex()} is named", "See: admit keys check FILE")
    body = replace(
        body,
        roots=_rest(body.roots, gone),
        issuers=_rest(body.issuers, gone),
        lists=_rest(body.lists, gone),
        pretix=tuple(key for key in body.pretix if key_id(key) not in gone),
        revoked=tuple(dict.fromkeys([*body.revoked, *withdrawn])),
    )
    if len(body.roots) < body.threshold or not body.lists:
        raise RequestFault(
            "too few roots, or no list key, would be left",
            "Name the new ones too: --root FILE, or admit keys next list",
        )
    return body


def _rest(keys: Mapping[bytes, bytes], gone: set[bytes]) -> dict[bytes, bytes]:
    return {kid: key for kid, key in keys.items() if kid not in gone}


def _kid(text: str) -> bytes:
    """A key id, or that of a key in a file: `keys/old/list.toml`, `root-1/root.pub`."""
    path = Path(text)
    if path.suffix == ".pub":
        return key_id(_read_public(path))
    if path.suffix == ".toml" and path.stem in (Role.ROOT, *ONLINE):
        return load_key(path.parent, Role(path.stem)).kid
    try:
        kid = bytes.fromhex(text)
    except ValueError:
        kid = b""
    if len(kid) != KID_BYTES:
        raise RequestFault(
            f"{text[:40]!r} is no key id", "Give its 16 hexadecimal digits, or its file"
        )
    return kid


def _role(name: str) -> Role:
    if name not in ONLINE:
        raise GateError(f"{name[:20]!r} is no key that changes so", f"One of: {', '.join(ONLINE)}")
    return Role(name)


def _say(request: Request) -> None:
    print("\n".join(words(request)))
