"""`admit check` and `admit schema`: is this provisioning file right?"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from config.models import AdmitConfig
from config.problems import ConfigError
from config.read import read_config


def check(
    file: Annotated[Path, typer.Argument(help="Provisioning file, e.g. admit.toml")],
    json_: Annotated[bool, typer.Option("--json", help="One JSON object")] = False,
) -> None:
    """Read FILE and report every problem with its line and remedy. Opens no device.

    Exits with 0 when the file is good, with 1 when it is not.
    """
    try:
        config = read_config(file)
    except ConfigError as error:
        if not json_:
            raise
        print(_as_json(file, error))
        raise typer.Exit(1) from None
    print(_as_json(file, None) if json_ else f"{file.name}: good; {_summary(config)}")


def schema() -> None:
    """Print the JSON Schema (draft 2020-12) of the provisioning file, for editors."""
    print(schema_text(), end="")


def schema_text() -> str:
    """The schema as text; config/admit.schema.json is this."""
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **AdmitConfig.model_json_schema(),
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _summary(config: AdmitConfig) -> str:
    lanes = ", ".join(f"{lane.name} ({lane.direction})" for lane in config.lanes)
    return f"gate {config.gate.name}, event {config.gate.event}, lanes: {lanes}"


def _as_json(file: Path, error: ConfigError | None) -> str:
    problems = [asdict(problem) for problem in error.problems] if error else []
    return json.dumps({"file": str(file), "ok": not problems, "problems": problems})
