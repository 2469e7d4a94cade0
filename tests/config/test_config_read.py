"""Reading the provisioning file: whatever it holds, a configuration or named problems."""

import os
import tomllib
from pathlib import Path

import pytest
from config_texts import GOOD, changed, only_problem, problems
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from config.lines import LineIndex
from config.models import AdmitConfig
from config.problems import ConfigError, problems_of
from config.read import LARGEST, parse_config, read_config

EXAMPLE = Path(__file__).parents[2] / "config" / "admit.example.toml"


def test_a_good_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "admit.toml"
    file.write_text(GOOD)
    config = read_config(file)
    assert config.gate.name == "north-1"
    assert [lane.direction for lane in config.lanes] == ["entry", "exit"]


def test_the_example_is_good() -> None:
    assert read_config(EXAMPLE).gate.event == "FEST2026"


def test_every_optional_key_the_example_leaves_out_is_good_when_switched_on() -> None:
    """Commented keys must not rot: uncommenting them gives a good file."""
    switched = [
        line[2:] if line.startswith("# ") and " = " in line else line
        for line in EXAMPLE.read_text().splitlines()
    ]
    text = "\n".join(switched).replace('"..."', '"one-time-token"')
    config = parse_config(text.encode())
    assert config.lanes[0].fault is not None
    assert config.server.token is not None


@pytest.mark.parametrize(
    ("case", "data", "cause"),
    [
        ("empty", b"", "empty"),
        ("only blank lines", b"\n \n\t\n", "empty"),
        ("saved as UTF-16", GOOD.encode("utf-16"), "holds NUL bytes"),
        ("a card with lost blocks", GOOD.encode() + bytes(512), "holds NUL bytes"),
        ("Latin-1", "[gate]\nname = 'Süd'\n".encode("latin-1"), "not UTF-8"),
        ("a picture", b"\x89PNG\r\n\x1a\n\xff\xff", "not UTF-8"),
        ("an image of a card", b"#" * (LARGEST + 1), "larger than 64 KiB"),
        ("one endless line", b"a" * 4096, "longer than 2048 characters"),
        ("a key of a thousand parts", b"a" + b".a" * 1000 + b" = 1", "more than 64 dots"),
        ("nested too deeply", b"a = " + b"[\n" * 20_000, "nested too deeply"),
        ("a repeated key", b"[gate]\nname='a'\nname='b'\n", "not TOML"),
        ("a number too long for Python", b"a = 1" + b"_1" * 1000 + b"\n", ""),
    ],
)
def test_bytes_that_are_no_provisioning_file_are_named(case: str, data: bytes, cause: str) -> None:
    found = problems(data)
    assert found[0].cause.startswith(cause)
    assert all(problem.cause and problem.remedy for problem in found)


def test_a_truncated_file_is_named_at_its_end() -> None:
    problem = only_problem(GOOD[:-3])
    assert problem.cause.startswith("not TOML")
    assert problem.line == GOOD.count("\n")


def test_a_syntax_error_has_its_line() -> None:
    assert only_problem(changed('event = "FEST2026"', 'event = FEST2026"')).line == 3


@pytest.mark.parametrize("ending", ["\r\n", "\n"])
def test_windows_line_ends_and_byte_order_mark_are_accepted(ending: str) -> None:
    text = "\ufeff" + GOOD.replace("\n", ending)
    assert parse_config(text.encode()).gate.name == "north-1"


@pytest.mark.parametrize(
    ("case", "cause"),
    [
        ("missing", "not found"),
        ("directory", "not a regular file"),
        ("pipe nobody writes to", "not a regular file"),
        ("below a file", "cannot be read: Not a directory"),
        ("name with NUL", "cannot be read: "),  # the rest is Python's, and differs
    ],
)
def test_a_path_that_is_no_readable_file_is_named(tmp_path: Path, case: str, cause: str) -> None:
    path = tmp_path / "admit.toml"
    match case:
        case "directory":
            path.mkdir()
        case "pipe nobody writes to":
            os.mkfifo(path)
        case "below a file":
            path.touch()
            path = path / "admit.toml"
        case "name with NUL":
            path = tmp_path / "a\0b"
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    assert caught.value.problems[0].cause.startswith(cause)


def test_a_file_without_read_right_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("config.read.os.open", refuse)
    with pytest.raises(ConfigError, match="Permission denied"):
        read_config(tmp_path / "admit.toml")


def test_a_card_that_fails_while_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    file = tmp_path / "admit.toml"
    file.write_text(GOOD)
    monkeypatch.setattr("config.read.os.read", fail)
    with pytest.raises(ConfigError, match="Input/output error"):
        read_config(file)


def test_thousands_of_mistakes_make_a_short_report() -> None:
    text = GOOD + "".join(f"wrong_{number} = 1\n" for number in range(3_000))
    found = problems(text)
    assert len(found) == 101
    assert found[-1].cause == "2900 more"


@pytest.mark.parametrize(
    "line",
    [
        "[[lane]]",
        "[[lane]]\nreaders = []",
        '"x",',
        "{ a = { b = 1 } },",
    ],
)
def test_a_file_filled_with_one_line_gives_a_report(line: str) -> None:
    """The work on a hostile file is bounded by its size, not by its square."""
    head = "" if line.startswith("[") else "[screen]\nlanguages = [\n"
    count = (LARGEST - 100) // (len(line) + 1)
    body = f"{head}{(line + chr(10)) * count}{']' if head else ''}"
    assert 0 < len(problems(body)) <= 101


def test_dots_in_a_comment_are_only_dots() -> None:
    assert parse_config(f"# {'.' * 90}\n{GOOD}".encode())


FRAGMENTS = [
    *GOOD.splitlines(keepends=True),
    *("[[lane]]\n", "[lane]\n", "[a.b]\n", "a.b = 1\n", "x = {a = [1, {b = 2}]}\n", "'''", '"""'),
    *("nan", "inf", "[", "]", "{", "}", "=", "\\", '"', "'", "\n", "1979-05-27", "\x00", "\ufeff"),
]


@given(st.one_of(st.binary(max_size=300), st.text(max_size=300).map(str.encode)))
def test_no_bytes_raise_anything_but_a_config_error(data: bytes) -> None:
    with pytest.raises(ConfigError):
        parse_config(data)


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=40))
def test_no_shuffled_file_raises_anything_but_a_config_error(parts: list[str]) -> None:
    try:
        parse_config("".join(parts).encode("utf-8", "surrogatepass"))
    except ConfigError as error:
        assert error.problems


KEYS = [
    *(
        "name",
        "root_keys",
        "threshold",
        "kind",
        "url",
        "token",
        "ca_file",
        "claim_budget",
        "authority",
    ),
    *("languages", "warn_list_after", "port", "host", "mode", "check_in_list", "direction"),
    *("readers", "exit_readers", "turnstile", "passage_in"),
]

VALUES = st.recursive(
    st.one_of(
        st.text(max_size=8), st.integers(), st.floats(), st.booleans(), st.datetimes(), st.none()
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@given(
    section=st.sampled_from(["gate", "trust", "server", "policy", "screen", "clock", "lane"]),
    key=st.sampled_from(KEYS),
    value=VALUES,
    whole=st.booleans(),
)
def test_no_value_in_any_place_raises_anything_but_a_config_error(
    section: str, key: str, value: object, whole: bool
) -> None:
    tree = tomllib.loads(GOOD)
    if whole:
        tree[section] = value
    elif section == "lane":
        tree["lane"][0][key] = value
    else:
        tree.setdefault(section, {})[key] = value
    try:
        parse_tree(tree)
    except ConfigError as error:
        assert error.problems


def parse_tree(tree: dict[str, object]) -> None:
    """Check `tree` as if it had been read from a text without lines."""

    try:
        AdmitConfig.model_validate(tree)
    except ValidationError as error:
        raise ConfigError("admit.toml", problems_of(error, LineIndex(""))) from None
