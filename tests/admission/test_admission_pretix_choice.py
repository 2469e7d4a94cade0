"""Which of a code's tickets is judged, where none or several of them fit."""

from admission.pretix_choice import Candidate, choose
from admission.pretix_policy import PretixList, PretixProduct
from admission.rules import CheckInList, Product
from tickets.rows import VALID, Status, Ticket

NOW = 1000
SEVENTH = CheckInList("seventh", pretix=PretixList("fest", subevent=7))
ANY = CheckInList("any", pretix=PretixList("fest"))


def one(key: int, valid: tuple[int, int] = (0, 0), subevent: int = 7, flags: Status = VALID):
    """A ticket of a code."""
    product = Product(1, pretix=PretixProduct("fest", 1, subevent=subevent))
    return Candidate(bytes([key]), Ticket(bytes(16), 1, 1, flags, *valid), product)


def test_of_several_that_come_the_next_is_told_and_of_those_gone_the_last():
    coming = [one(1, (3000, 0)), one(2, (2000, 0)), one(3, (4000, 0))]
    gone = [one(1, (0, 700)), one(2, (0, 900)), one(3, (0, 800))]
    assert choose(coming, [ANY], NOW, by_medium=True).candidate.key == b"\x02"
    assert choose(gone, [ANY], NOW, by_medium=True).candidate.key == b"\x02"
    assert choose(gone + coming, [ANY], NOW, by_medium=True).candidate.key == b"\x02"
    assert not choose(gone + coming, [ANY], NOW, by_medium=True).ambiguous


def test_a_medium_s_tickets_of_another_date_count_among_those_that_fit():
    """As at the server, which looks for dates only where a ticket's own code is shown."""
    tickets = [one(1), one(2, subevent=8)]
    assert choose(tickets, [SEVENTH], NOW, by_medium=True).ambiguous
    assert not choose(tickets, [SEVENTH], NOW, by_medium=False).ambiguous


def test_a_code_that_two_tickets_have_is_ambiguous():
    assert choose([one(1, flags=Status.AMBIGUOUS)], [ANY], NOW, by_medium=False).ambiguous
