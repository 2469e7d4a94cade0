"""What README.md and docs/ show: their fenced blocks, and who runs each command.

A block of commands opens with ```` ```sh RUNNER ````; a reader does not see the second word. So
every command has exactly one runner; a block without one fails `tests/docs/test_docs_commands.py`:

- `desk`: `tests/docs/test_docs_desk.py`, in an empty directory with the files a reader has
- `server`, `organiser`: heavy suites of that name, with real processes
- `gate`: on the installed gate of `tests/heavy/test_install.py`
- `clone`: in this clone, by `tests/heavy/test_docs_clone.py`
- `ci`: by `.ci/run` itself
- `by-hand`: not here; `BY_HAND` says why

Any other block may name the file it is (```` ```toml policy.toml ````): the runners write it.
"""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
)
RUNNERS = frozenset({"desk", "server", "organiser", "gate", "clone", "ci", "by-hand"})
LANGUAGES = frozenset({"sh", "toml", "csv", "json", "text", "mermaid"})

_FENCE = re.compile(r"^ *```(.*?)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`\n]+)`")

NO_HARDWARE = "needs a device that is not here"
NO_SERVER = "needs another's server"
LONG = "takes minutes; tests/heavy/test_bench_runs.py runs the benchmarks with small numbers"
NETWORK = "325 MB from the network; tests/rigs/machine_rig.py does the same"
ARCHIVE = "needs Debian's archive; the machine of the tests has these packages"
BY_HAND = {
    "sudo apt install python3 python3-venv": ARCHIVE,
    "sudo apt install rpicam-apps": ARCHIVE,
    "python3 -m venv /tmp/fetch": NETWORK,
    "/tmp/fetch/bin/pip download --no-deps --dest wheels --require-hashes --only-binary :all: "
    "-r requirements.lock": NETWORK,
    "sudo raspi-config nonint do_serial_hw 0": NO_HARDWARE,
    "sudo raspi-config nonint do_serial_cons 1": NO_HARDWARE,
    "v4l2-ctl --list-devices": NO_HARDWARE,
    "v4l2-ctl -d /dev/video0 -L": NO_HARDWARE,
    "sudo modprobe -r pn533_usb": NO_HARDWARE,
    "sudo admit doctor --live": "somebody has to hold a ticket to each reader",
    "chromium --kiosk --noerrdialogs --disable-session-crashed-bubble "
    "--autoplay-policy=no-user-gesture-required "
    "'http://127.0.0.1:8080/lane/entry-1?kiosk=1'": "needs a display",
    "admit cards new tickets.csv --out cards.csv --reader nfc:usb:1-1.3 --keys keys": NO_HARDWARE,
    "admit central import cards.csv": "after cards were made, which takes a reader",
    "admit cards read --reader nfc:usb:1-1.3 --keys keys --tickets cards.csv": NO_HARDWARE,
    "admit central-check https://tickets.example --root KEY --enrol-token north=TOKEN "
    "--enrol-token south=TOKEN": NO_SERVER,
    "make bench": LONG,
    ".venv/bin/python -m benchmarks --only load": LONG,
    "make bench-readers": LONG,
    "make bench-central": LONG,
    "make nightly": "its last run is in docs/nightly.md",
    "make fuzz": "its last run is in docs/fuzzing.md; make heavy runs it with fewer inputs",
    ".venv/bin/python -m tests.fuzz.run --runs 2000 cbor statement": "make heavy runs all targets",
    "make properties": "long; the same tests run with fewer examples in make test",
}
"""Command -> why no test runs it. Their words and options are checked all the same."""


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block."""

    page: str
    """Path from the root of the repository."""
    line: int
    language: str
    label: str
    """Of `sh` the runner, of others the file's name; may be empty."""
    text: str

    @property
    def commands(self) -> list[str]:
        """Its lines without comments and empty ones; a line that ends with a backslash goes on."""
        lines = self.text.replace("\\\n", " ").splitlines()
        bare = (re.sub(r"(^|\s+)#\s.*$", "", line).strip() for line in lines)
        return [" ".join(line.split()) for line in bare if line]

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks_of(path: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    text = path.read_text("utf-8")
    found = []
    for match in _FENCE.finditer(text):
        language, _, label = match[1].strip().partition(" ")
        line = text.count("\n", 0, match.start()) + 1
        page = str(path.relative_to(ROOT))
        found.append(Block(page, line, language, label.strip(), match[2]))
    return found


def all_blocks() -> list[Block]:
    """Those of all pages."""
    return [block for path in PAGES for block in blocks_of(path)]


def prose_of(path: Path) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", path.read_text("utf-8"))


def spans_of(path: Path) -> list[str]:
    """The code spans in a page's prose."""
    return _SPAN.findall(prose_of(path))


def commands_for(runner: str, page: str | None = None) -> list[str]:
    """What one runner has to run, in the order of the pages."""
    return [
        command
        for block in all_blocks()
        if block.language == "sh" and block.label == runner and page in (None, block.page)
        for command in block.commands
    ]


def lay_out(page: str, directory: Path) -> None:
    """Write the files that a page shows by name into a directory."""
    for block in blocks_of(ROOT / page):
        if block.language != "sh" and block.label:
            (directory / block.label).write_text(block.text)


def words_of(command: str) -> list[str]:
    """The words of a command of ours after `admit`."""
    words = shlex.split(command)
    assert words[0] == "admit", command
    return words[1:]
