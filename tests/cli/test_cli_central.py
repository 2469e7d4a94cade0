"""`admit central`: what the lists say."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.central import app
from tests.rigs.central_rig import database_url, make_event


@pytest.mark.parametrize("name", ["who", "gates", "conflicts", "parked", "alarms"])
def test_an_empty_list_says_so_to_a_person_alone(tmp_path: Path, name: str) -> None:
    """A blank screen could be a fault as well; a program counts the lines."""
    make_event(tmp_path).central.database.close()
    words = [name, "--db", database_url(tmp_path), "--keys", str(tmp_path / "keys")]
    assert CliRunner().invoke(app, words).output == "none\n"
    assert CliRunner().invoke(app, [*words, "--json"]).output == ""
