"""A hundred thousand tickets from pretix: all of them, though it is cut, in bounded memory."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.rigs.pretix_load import EACH, LargePretix

ROOT = Path(__file__).parents[2]


def download(directory: Path, orders: int, cut_every: int) -> dict[str, Any]:
    server = LargePretix(orders, cut_every)
    directory.mkdir()
    try:
        words = [sys.executable, "-P", "-m", "tests.rigs.pretix_load"]
        words += [server.url, server.token, str(directory)]
        done = subprocess.run(
            words,
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        )
        told: dict[str, Any] = json.loads(done.stdout)
        return told | {"cuts": server.cuts, "pages": server.pages}
    finally:
        server.stop()


@pytest.mark.heavy
@pytest.mark.timeout(400)
def test_a_hundred_thousand_tickets_need_no_more_memory_than_a_thousand(tmp_path):
    small = download(tmp_path / "small", 1_000 // EACH, 0)
    large = download(tmp_path / "large", 100_000 // EACH, 20)
    print(json.dumps({"small": small, "large": large}))
    assert large["rows"] == 100_000
    assert large["cuts"] >= 15
    assert large["faults"] >= large["cuts"]
    # A page, a slice of rows, and what deltas wait for the next list: nothing grows with the event.
    assert large["rss_kib"] - small["rss_kib"] < 48 * 1024
