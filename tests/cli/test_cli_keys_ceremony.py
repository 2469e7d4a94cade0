"""`admit keys`: what goes wrong in the ceremony is said, and nothing is signed by mistake."""

from pathlib import Path

import pytest
import typer

from cli.__main__ import main

NEW = "keys new --out keys --event FEST2026 --roots 2 --threshold 2"
ROOTS = "--root keys/root-1/root.pub --root keys/root-2/root.pub"
ASK = f"keys keyset --keys keys {ROOTS} --threshold 2 --out first.keyset"


def admit(command: str) -> int:
    """Run it; its exit code."""
    try:
        main(command.split())
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty directory with the keys of two roots, and a request."""
    monkeypatch.chdir(tmp_path)
    assert admit(NEW) == 0
    assert admit(ASK) == 0


def test_check_fails_until_enough_have_signed(capsys: pytest.CaptureFixture[str]) -> None:
    """And says how many are missing."""
    assert admit("keys sign first.keyset --key keys/root-1 --yes") == 0
    assert admit("keys check first.keyset") == 1
    assert "Missing: 1 more" in capsys.readouterr().out
    assert admit("keys sign first.keyset --key keys/root-2 --yes") == 0
    assert admit("keys check first.keyset") == 0


def test_who_is_asked_and_says_nothing_signs_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`sign` shows the words, and asks."""
    before = Path("first.keyset").read_bytes()

    def no(*_: object, **__: object) -> None:
        raise typer.Abort

    monkeypatch.setattr("typer.confirm", no)
    assert admit("keys sign first.keyset --key keys/root-1") == 1
    assert Path("first.keyset").read_bytes() == before
    assert "Fingerprint:" in capsys.readouterr().out


def test_no_secret_is_printed_or_written_into_a_request(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither by making keys, nor by asking for a keyset."""
    secrets = [
        line.split('"')[1]
        for path in Path("keys").rglob("*.toml")
        for line in path.read_text().splitlines()
        if line.startswith("secret")
    ]
    admit("keys sign first.keyset --key keys/root-1 --yes")
    shown = capsys.readouterr().out + Path("first.keyset").read_text()
    assert len(secrets) == 7
    assert not [secret for secret in secrets if secret in shown]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("keys new --out other --event FEST2026 --roots 2 --threshold 3", "3 of 2 roots"),
        (NEW, "exists already"),
        ("keys keyset --keys keys --out x", "roots cannot sign"),
        (f"{ASK} --withdraw 12", "no key id"),
        (f"{ASK} --leave-out {'00' * 8}", "no key 0000000000000000 is named"),
        (f"{ASK} --withdraw keys/list.toml", "no list key"),
        (f"{ASK} --root keys/list.toml", "no public half"),
        ("keys sign keys/list.toml --key keys/root-1 --yes", "cannot be read"),
        ("keys sign nothing --key keys/root-1 --yes", "nothing cannot be read"),
        ("keys next event --keys keys", "no key that changes so"),
        ("keys change list --keys keys", "does not exist"),
        ("central init --keyset first.keyset", "nobody has signed it"),
    ],
)
def test_what_cannot_be_done_is_said(
    command: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In two lines, and with an exit code."""
    assert admit(command) != 0
    told = capsys.readouterr()
    assert said in told.err + told.out


def test_a_key_that_follows_takes_its_place_and_the_old_one_is_kept() -> None:
    """At no moment is there none; two changes keep both old ones."""
    for _ in range(2):
        before = Path("keys/list.toml").read_text()
        assert admit("keys next list --keys keys") == 0
        assert admit("keys change list --keys keys") == 0
        assert Path("keys/old/list.toml").read_text() == before
        assert Path("keys/list.toml").read_text() != before
    assert len(list(Path("keys/old").iterdir())) == 2
