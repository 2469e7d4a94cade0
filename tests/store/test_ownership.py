"""I6: one writer, one owner per directory."""

from pathlib import Path

import pytest

from config.models import AdmitConfig
from config.read import parse_config
from store.ownership import AlreadyRunning, NoSuchState, has_owner, take_ownership
from sync.__main__ import _run as run_sync

CONFIG = Path(__file__).parents[2] / "config" / "admit.example.toml"


def config() -> AdmitConfig:
    """The example's gate."""
    return parse_config(CONFIG.read_bytes())


@pytest.mark.parametrize("process", ["scanner", "sync"])
def test_a_second_owner_is_refused_by_name(tmp_path: Path, process: str) -> None:
    """And told how to stop the first."""
    take_ownership(tmp_path, process)
    assert has_owner(tmp_path)
    with pytest.raises(AlreadyRunning) as refused:
        take_ownership(tmp_path, process)
    assert refused.value.cause == f"another {process} is running on {tmp_path}"
    assert f"systemctl stop admit-{process}" in refused.value.remedy


def test_a_second_sync_touches_nothing(tmp_path: Path) -> None:
    """It ends before it opens the mirror of the first."""
    take_ownership(tmp_path, "sync")
    with pytest.raises(AlreadyRunning):
        run_sync(config(), tmp_path, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.write_text("a file")])
def test_a_state_that_is_no_directory_is_named(tmp_path: Path, make) -> None:  # type: ignore[no-untyped-def]
    """A mistyped --state makes nothing."""
    state = tmp_path / "state"
    make(state)
    with pytest.raises(NoSuchState) as refused:
        take_ownership(state)
    assert str(state) in refused.value.cause
    assert not has_owner(state)
