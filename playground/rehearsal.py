"""Every ticket of the tray once, without a page: does each meet what it should?"""

import sys

from playground.stage import Stage
from playground.tray import KINDS, NOTHING


async def rehearse(stage: Stage) -> bool:
    """Show each kind of ticket and print what it met; whether all was as expected."""
    await stage.settled()
    good = True
    for kind, place in KINDS.items():
        wanted = stage.expected(kind, place.lane)
        showing = stage.show(kind)
        await showing.done.wait()
        found = showing.found or NOTHING
        mark = "" if found == wanted else f"   EXPECTED {wanted}"
        sys.stdout.write(f"{place.lane:<6} {place.label:<24} {found}{mark}\n")
        sys.stdout.flush()
        good = good and found == wanted
    return good
