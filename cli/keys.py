"""`admit keys`: the secrets of an event."""

import json
from base64 import b64encode
from pathlib import Path
from typing import Annotated

import typer

from tickets.key_files import KeyFault, Role, SecretKey, key_path, load_key, new_key, save_key

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _keys() -> None:
    """Make signing keys."""


@app.command()
def new(
    out: Annotated[Path, typer.Option(help="Directory for the key files, made if missing")],
    event: Annotated[str, typer.Option(help="Name of the event: 1 to 12 bytes, e.g. FEST2026")],
    json_: Annotated[bool, typer.Option("--json", help="One JSON object per key")] = False,
) -> None:
    """Make the keys of a new event: root, issuer, list, wallet, event secret, and that of cards.

    Writes one file for each, readable by you alone. Prints no secret.
    """
    keys = [new_key(role, event) for role in Role]
    _refuse_to_mix(out)
    for key in keys:
        path = save_key(key, out)
        print(json.dumps(_public(key, path)) if json_ else path)
    if not json_:
        print(f'root_keys = ["{_base64(keys[0].public)}"]  # for [trust] in admit.toml')


@app.command()
def cards(
    keys: Annotated[Path, typer.Option(help="Directory that 'admit keys new' has made")],
) -> None:
    """Add the key of cards to an event that was made before there were any.

    Afterwards restart central with that directory, and enrol each gate again.
    """
    event = load_key(keys, Role.EVENT).event
    print(save_key(new_key(Role.CARDS, event), keys))


@app.command()
def wallet(
    keys: Annotated[Path, typer.Option(help="Directory that 'admit keys new' has made")],
) -> None:
    """Add the key of tickets on phones to an event that was made before there were any.

    Afterwards publish the keyset anew, which names it, and restart central.
    """
    event = load_key(keys, Role.EVENT).event
    print(save_key(new_key(Role.WALLET, event), keys))


def _refuse_to_mix(out: Path) -> None:
    """Refuse before the first file is written, so that no directory holds keys of two events."""
    for role in Role:
        if (path := key_path(out, role)).exists():
            raise KeyFault(f"{path} exists already", "Choose an empty directory for the new keys")


def _public(key: SecretKey, path: Path) -> dict[str, str]:
    shown = {"file": str(path), "role": key.role.value, "event": key.event}
    if key.role.signs:
        shown |= {"public": _base64(key.public), "kid": key.kid.hex()}
    return shown


def _base64(data: bytes) -> str:
    return b64encode(data).decode("ascii")
