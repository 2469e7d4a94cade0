"""What stewards are taught is what the gate says: each table against the code it tells of."""

import re
from pathlib import Path

from admission import decide
from admission.verdict import NEXT_STEP, Reason
from screen.faces import Face
from screen.words import FACES, words
from tests.rigs.shown_commands import ROOT

PAGE = (ROOT / "docs" / "steward.md").read_text("utf-8")


def table(heading: str) -> list[list[str]]:
    """The rows of the table under a heading, without its head."""
    part = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [line for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]


def test_every_reason_has_its_word_and_its_next_step_in_the_order_of_the_checks() -> None:
    """As the steward page and the guest's screen say them; and what it means."""
    told = [(said, read, step) for said, read, meaning, step in table("Every refusal") if meaning]
    assert told == [
        (
            reason.replace("_", " ").capitalize(),
            words("refused", reason, "en")[0],
            NEXT_STEP[reason],
        )
        for reason in Reason
    ]


def test_every_face_of_the_guests_screen_is_explained() -> None:
    """By the word that stands on it."""
    told = [row[0] for row in table("What the guest sees")]
    assert told == [FACES["en"][face][0] for face in Face]


def test_every_mark_on_an_admission_is_explained() -> None:
    """Those that the decision can set, and no others (the first row is the organiser's own)."""
    source = Path(decide.__file__).read_text("utf-8")
    marks = set(re.findall(r'noting\("([^"]+)"\)', source)) | {"exit with warning"}
    assert 'f"exit with warning: ' in source
    assert {row[0] for row in table("Admitted, but look")[1:]} == marks
