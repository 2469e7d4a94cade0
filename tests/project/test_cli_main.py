"""The command line: what it says and how it exits."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from project_tree import ROOT

from cli.__main__ import COMMANDS, Command, build, main
from tickets.errors import GateError

EXAMPLE = ROOT / "config" / "admit.example.toml"


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Exit code, output and errors of `admit` with `words`."""
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert isinstance(caught.value.code, int)
    return caught.value.code, *capsys.readouterr()


def test_a_good_file_exits_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "check", str(EXAMPLE))
    assert (code, err) == (0, "")
    assert out.startswith("admit.example.toml: good; gate north-1")


def test_a_fault_is_cause_and_remedy_on_standard_error(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, out, err = run(capsys, "check", str(tmp_path / "none.toml"))
    assert (code, out) == (1, "")
    assert err.splitlines() == [
        "none.toml: 1 problem(s)",
        f"  file: not found. Put the file at {tmp_path / 'none.toml'}, or name another",
        "Correct the file, then run: admit check FILE",
    ]


def test_a_check_as_json_is_one_object_good_or_not(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, out, _ = run(capsys, "check", "--json", str(EXAMPLE))
    assert (code, json.loads(out)) == (0, {"file": str(EXAMPLE), "ok": True, "problems": []})
    bad = tmp_path / "bad.toml"
    bad.write_text("[gate\n")
    code, out, err = run(capsys, "check", str(bad), "--json")
    report = json.loads(out)
    assert (code, err, report["ok"]) == (1, "", False)
    assert (report["problems"][0]["line"], report["problems"][0]["where"]) == (1, "file")


def test_the_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "schema")
    assert code == 0
    assert json.loads(out)["title"] == "AdmitConfig"


@pytest.mark.parametrize("words", [["check"], ["chek"], ["check", "--no-such-option", "x"]])
def test_wrong_usage_exits_with_2(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    code, out, err = run(capsys, *words)
    assert (code, out) == (2, "")
    assert "admit" in err


def test_the_version_is_that_of_the_distribution(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.__main__.version", lambda _: "9.8.7")
    code, out, _ = run(capsys, "--version")
    assert (code, out) == (0, "admit 9.8.7\n")


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--help")
    assert code == 0
    assert all(f" {name} " in out for name in COMMANDS)


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str], name: str) -> None:
    build(name)
    code, out, _ = run(capsys, name, "--help")
    assert code == 0
    assert f"admit {name}" in out


@pytest.mark.parametrize(
    ("raised", "code"),
    [(GateError("The lamp is dark", "Change the lamp"), 1), (KeyboardInterrupt(), 130)],
)
def test_what_a_command_raises_becomes_its_exit_code(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    raised: BaseException,
    code: int,
) -> None:
    def command() -> None:
        raise raised

    monkeypatch.setattr("cli.check.schema", command)
    monkeypatch.setitem(COMMANDS, "schema", Command("cli.check", "schema", ""))
    found, _, err = run(capsys, "schema")
    assert found == code
    assert err in ("", "The lamp is dark\nChange the lamp\n", "Aborted.\n")


def test_a_reader_that_went_away_is_no_traceback() -> None:
    """`admit schema | head` ends without a word when head has seen enough."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(
        [sys.executable, "-P", "-m", "cli", "schema"],
        stdout=write_end,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    os.close(write_end)
    assert (done.returncode, done.stderr) == (1, "")
