"""Files of `tickets.ceremony`, read and written for the commands that need them."""

from pathlib import Path

from store.files import replace_durably
from tickets.ceremony import MAX_FILE, Request, RequestFault, from_text, to_text


def read_request(path: Path) -> Request:
    """The request in a file.

    Raises:
        RequestFault: it cannot be read, or is none.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except OSError as error:
        raise RequestFault(f"{path} cannot be read: {error.strerror}", "Check the path") from error
    if len(data) > MAX_FILE:
        raise RequestFault(f"{path} is no request: it is too large", "Check the path")
    return from_text(data)


def write_request(path: Path, request: Request) -> None:
    """Write a request; whole, or not at all.

    Raises:
        RequestFault: the disk is full or read-only.
    """
    try:
        replace_durably(path, to_text(request).encode("ascii"))
    except OSError as error:
        raise RequestFault(
            f"{path} cannot be written: {error.strerror}", "Choose another place"
        ) from error
