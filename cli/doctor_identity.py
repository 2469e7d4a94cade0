"""Who this gate is to its server: number, key, bearer, and what the server last accepted."""

import json
import stat
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cli.findings import Finding, bad, good, of_error, warn
from cli.thief import UNWRAPPED, WITHDRAW
from config.models import AdmitConfig
from store.withdrawn import CAUSE, REMEDY, is_withdrawn
from sync.answers import Pong
from sync.errors import ServerFault, ServerRefused
from sync.http import Http

WHAT = "identity"
SECRETS = {
    "device.key": "device key",
    "identity.json": "event key",
    "cards.json": "card key",
    "pretix.json": "token and signing key for pretix",
}
"""File of sync -> what in it is worth something to a thief."""
_SECONDS = 5.0


def findings(
    config: AdmitConfig, state: Path, status: Mapping[str, Any] | None
) -> Iterator[Finding]:
    """Judge what sync keeps in ``state``, and what the running gate says of its server.

    Args:
        status: Of docs/ipc.md; None: the gate does not run.
    """
    directory = state / "sync"
    ours = config.server.kind in ("admit", "file")
    if ours and is_withdrawn(directory):
        yield bad(WHAT, CAUSE, REMEDY)
        return
    yield from _protection(directory)
    if not ours:
        return
    yield _enrolment(directory)
    yield from _key(directory / "device.key")
    if config.server.kind == "admit":
        yield from _bearer(status)
        yield _server(config)


def _protection(directory: Path) -> Iterator[Finding]:
    """How what a thief could use is kept, and what to do once it is stolen."""
    held = [what for name, what in SECRETS.items() if (directory / name).exists()]
    if held:
        yield good(
            f"{WHAT}: protection",
            f"{', '.join(held)}: {UNWRAPPED}. If the gate or its card is missing, withdraw it at "
            f"once: {WITHDRAW}",
        )


def _enrolment(directory: Path) -> Finding:
    path = directory / "identity.json"
    try:
        device = str(json.loads(path.read_bytes())["device"])
        since = path.stat().st_mtime
    except FileNotFoundError:
        return bad(
            WHAT,
            "this gate is not enrolled",
            "Put a token into admit.toml: admit central token --gate NAME",
        )
    except PermissionError:
        return warn(WHAT, "cannot be read by you", "Run this as root")
    except (OSError, ValueError, KeyError, TypeError) as error:
        return bad(WHAT, f"{path.name} is damaged: {error}", "Enrol the gate with a new token")
    when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(since))
    return good(WHAT, f"gate {device}, enrolled {when}")


def _key(path: Path) -> Iterator[Finding]:
    what = f"{WHAT}: device key"
    try:
        found = path.stat()
    except FileNotFoundError:
        yield bad(what, "there is none", "It is made at the first start of sync: start the gate")
        return
    except OSError as error:
        yield warn(what, f"cannot be looked at: {error.strerror}", "Run this as root")
        return
    mode = stat.S_IMODE(found.st_mode)
    if mode & 0o077:
        yield bad(what, f"others may read it (mode {mode:04o})", f"Run: chmod 600 {path}")
    else:
        yield good(what, f"its owner's alone (mode {mode:04o})")


def _bearer(status: Mapping[str, Any] | None) -> Iterator[Finding]:
    if status is None:
        return
    server = status.get("server", {})
    hours, head = server.get("bearer"), server.get("head")
    if hours is None:
        yield warn(f"{WHAT}: bearer", "none", "It is asked for at the first call; see server below")
    else:
        yield good(f"{WHAT}: bearer", f"good for {hours / 3600:.0f} h more at least")
    if head is None:
        yield good(f"{WHAT}: journal head", "none accepted by the server since the start")
    else:
        yield good(f"{WHAT}: journal head", f"the server accepted record {head} as the last")


def _server(config: AdmitConfig) -> Finding:
    """Whether the server shows the certificate or key that admit.toml wants of it."""
    what, server = "server's certificate", config.server
    url = server.url or ""
    if not url.startswith("https://"):
        return good(what, "none: it is on this machine")
    try:
        Http(url, server.ca_file, pins=server.pin).ask(Pong, "GET", "/v1/ping", seconds=_SECONDS)
    except ServerRefused:  # who refuses has been reached
        pass
    except ServerFault as error:
        return of_error(what, error)
    how = "its pinned key" if server.pin else "vouched for"
    return good(what, f"{how}, {server.ca_file.name if server.ca_file else url}")
