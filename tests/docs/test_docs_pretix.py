"""The guide says of each security profile what `admit doctor` says of it."""

import pytest

from cli.doctor_pretix import OFFLINE, STOLEN
from tests.rigs.shown_commands import ROOT

PAGE = ROOT / "docs" / "pretix.md"


@pytest.mark.parametrize("profile", sorted(OFFLINE))
def test_a_profile_is_in_the_guide_in_the_words_of_doctor(profile: str) -> None:
    """What it allows offline, and what a stolen token would open."""
    rows = [row for row in PAGE.read_text("utf-8").splitlines() if f"(`{profile}`)" in row]
    cells = [[cell.strip() for cell in row.strip("|").split(" | ")][1:] for row in rows]
    assert cells == [[OFFLINE[profile], STOLEN[profile]]]
