"""Every command that a page shows for a desk is run, in the order of the page, as it stands."""

from pathlib import Path

import pytest

from tests.rigs.shown_commands import PAGES, ROOT, commands_for
from tests.rigs.shown_desk import run_desk

NAMES = [str(path.relative_to(ROOT)) for path in PAGES]
SHOWN = [name for name in NAMES if commands_for("desk", name)]


@pytest.mark.parametrize("page", SHOWN)
def test_the_commands_of_a_page_run_as_they_stand(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With exit code 0, in a directory that has what the page shows and no more."""
    monkeypatch.chdir(tmp_path)
    run_desk(page)
