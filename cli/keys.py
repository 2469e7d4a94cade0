"""`admit keys`: the secrets of an event."""

import json
from base64 import b64encode
from pathlib import Path
from typing import Annotated

import typer

from cli.keyset import COMMANDS, save_public
from tickets.key_files import KeyFault, Role, SecretKey, key_path, load_key, new_key, save_key

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _keys() -> None:
    """Make signing keys."""


@app.command()
def new(
    out: Annotated[Path, typer.Option(help="Directory for the key files, made if missing")],
    event: Annotated[str, typer.Option(help="Name of the event: 1 to 12 bytes, e.g. FEST2026")],
    roots: Annotated[
        int, typer.Option(help="Root keys, each in a directory of its own: root-1, …", min=1, max=8)
    ] = 1,
    threshold: Annotated[int, typer.Option(help="Roots that must sign together", min=1)] = 1,
    *,
    json_: Annotated[bool, typer.Option("--json", help="One JSON object per key")] = False,
) -> None:
    """Make the keys of a new event: root, issuer, list, wallet, event secret, and that of cards.

    Writes one file for each, readable by you alone. Prints no secret. Several roots go to a stick
    each: see docs/keys.md.
    """
    if threshold > roots:
        raise KeyFault(f"{threshold} of {roots} roots cannot sign", "Choose a lower --threshold")
    _refuse_to_mix(out)
    names = ["."] if roots == 1 else [f"root-{number}" for number in range(1, roots + 1)]
    made = [(new_key(Role.ROOT, event), out / name) for name in names]
    for key, place in [*made, *((new_key(role, event), out) for role in [*Role][1:])]:
        path = save_key(key, place)
        print(json.dumps(_public(key, path)) if json_ else path)
        if key.role is Role.ROOT and roots > 1:
            save_public(key, place)
    if not json_:
        told = ", ".join(f'"{_base64(key.public)}"' for key, _ in made)
        print(f"root_keys = [{told}]  # for [trust] in admit.toml")
        if threshold > 1:
            print(f"threshold = {threshold}  # there too")


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


for _name, _command in COMMANDS.items():
    app.command(_name)(_command)


def _refuse_to_mix(out: Path) -> None:
    """Refuse before the first file is written, so that no directory holds keys of two events."""
    if (first := out / "root-1").exists():
        raise KeyFault(f"{first} exists already", "Choose an empty directory for the new keys")
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
