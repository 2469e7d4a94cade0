"""Read the provisioning file: a configuration, or every problem at once."""

import os
import re
import stat
import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from config.lines import LineIndex
from config.models import AdmitConfig
from config.problems import EXAMPLE, ConfigError, Problem, problems_of

LARGEST = 65_536
"""Bytes of a file that is read at all; eight commented lanes take a tenth of it."""
LONGEST_LINE = 2_048
"""Characters of a line; the longest device URI takes half of it."""
MOST_DOTS = 64
"""Dots outside comments in a line: the parser's time grows with the square of a dotted key."""


def read_config(path: Path | str) -> AdmitConfig:
    """Read and check one provisioning file.

    Raises:
        ConfigError: the file cannot be read, is not TOML, or breaks a rule; `.problems` has all
            that could be found. Nothing else is raised, whatever the file holds.
    """
    path = Path(path)
    return parse_config(_bytes_of(path), path.name)


def parse_config(data: bytes, source: str = "admit.toml") -> AdmitConfig:
    """Check the bytes of a provisioning file; `source` names it in the report.

    Raises:
        ConfigError: as in `read_config`.
    """
    text = _text_of(data, source)
    tree = _tree_of(text, source)
    try:
        return AdmitConfig.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(source, problems_of(error, LineIndex(text))) from None


def _one(source: str, cause: str, remedy: str, line: int | None = None) -> ConfigError:
    return ConfigError(source, [Problem(line, "file", cause, remedy)])


def _bytes_of(path: Path) -> bytes:
    name = path.name or str(path)
    try:
        # Non-blocking: the path may be a pipe that nobody writes to.
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise _one(name, "not found", f"Put the file at {path}, or name another") from None
    except (OSError, ValueError) as error:
        cause = getattr(error, "strerror", None) or str(error)
        raise _one(name, f"cannot be read: {cause}", "Check its path and rights") from error
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise _one(name, "not a regular file", "Name the admit.toml itself")
        return _all_of(handle)
    except OSError as error:
        raise _one(name, f"cannot be read: {error.strerror}", "Check the card") from error
    finally:
        os.close(handle)


def _all_of(handle: int) -> bytes:
    """The file's bytes, and at most one more than is allowed."""
    data = b""
    while len(data) <= LARGEST and (part := os.read(handle, LARGEST + 1 - len(data))):
        data += part
    return data


def _text_of(data: bytes, source: str) -> str:
    if not data.strip():
        raise _one(source, "empty", f"Write the provisioning file. {EXAMPLE}")
    if len(data) > LARGEST:
        raise _one(
            source,
            f"larger than {LARGEST // 1024} KiB",
            "Name the admit.toml, not an image or archive",
        )
    if b"\x00" in data:
        line = data.count(b"\n", 0, data.index(b"\x00")) + 1
        raise _one(source, "holds NUL bytes", "Save it as UTF-8 text, or copy it again", line)
    try:
        text = data.decode("utf-8-sig")  # editors on Windows put a byte order mark in front
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _one(source, "not UTF-8", "Save the file as UTF-8", line) from None
    return text.replace("\r\n", "\n")


def _tree_of(text: str, source: str) -> dict[str, Any]:
    for number, line in enumerate(text.split("\n"), start=1):
        if len(line) > LONGEST_LINE:
            cause = f"longer than {LONGEST_LINE} characters"
            raise _one(source, cause, "Break up this line", number)
        if line.count(".") > MOST_DOTS and line.partition("#")[0].count(".") > MOST_DOTS:
            raise _one(source, f"more than {MOST_DOTS} dots", "Correct this line", number)
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise _one(source, "nested too deeply", f"{EXAMPLE}: tables hold plain values") from None
    except ValueError as error:  # TOMLDecodeError, and numbers beyond Python's own limits
        raise _syntax(str(error), text, source) from None


def _syntax(message: str, text: str, source: str) -> ConfigError:
    found = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", message)
    line = None
    if found:
        message = message[: found.start()]
        line = int(found[1]) if found[1] else text.count("\n") + 1
    remedy = 'Correct this line: text stands in "quotes", lists in [brackets]'
    return _one(source, f"not TOML: {message}", remedy, line)
