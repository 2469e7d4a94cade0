"""Options that every command of `admit central` takes."""

from pathlib import Path
from typing import Annotated

import typer

Db = Annotated[
    str, typer.Option("--db", envvar="ADMIT_CENTRAL_DB", help="Such as sqlite:///central.db")
]
Keys = Annotated[
    Path,
    typer.Option("--keys", envvar="ADMIT_CENTRAL_KEYS", help="The directory of 'admit keys new'"),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line")]
DB = "sqlite:///central.db"
KEYS = Path("keys")
