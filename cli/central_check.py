"""`admit central-check`: does this server keep the rules of the gate protocol?"""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cli.conformance.event import NotReady, TestEvent, csv_text
from cli.conformance.run import Result, in_order, try_rules
from cli.conformance.wire import http_wire


def check(
    url: Annotated[str, typer.Argument(help="Such as https://tickets.example")] = "",
    *,
    enrol_token: Annotated[
        list[str] | None, typer.Option(help="NAME=TOKEN, for two gates that exist in no other way")
    ] = None,
    root: Annotated[
        list[str] | None, typer.Option(help="Public root key in base64, as in admit.toml")
    ] = None,
    check_in_list: Annotated[str, typer.Option("--list", help="A list without rules")] = "main",
    only: Annotated[list[str] | None, typer.Option(help="Rules to try; see --rules")] = None,
    ca: Annotated[Path | None, typer.Option(help="PEM file of a private authority")] = None,
    tickets: Annotated[bool, typer.Option("--tickets", help="Print the CSV to import")] = False,
    rules: Annotated[bool, typer.Option("--rules", help="Print all rules")] = False,
    json_: Annotated[bool, typer.Option("--json", help="One JSON object a line")] = False,
) -> None:
    """Try every rule of docs/protocol.md on a server with the test event.

    Never on the server of a real event: it enters, cancels nothing, but uses tickets up.
    """
    if tickets:
        print(csv_text(), end="")
        return
    if rules:
        for rule in in_order():
            print(f"{rule.name:<22} {rule.says}")
        return
    if not url:
        raise NotReady("no server is named", "Give its address: admit central-check URL")
    event = TestEvent(http_wire(url, str(ca) if ca else None), _tokens(enrol_token or []),
                      root or [], check_in_list)  # fmt: skip
    results = []
    for result in try_rules(event, _known(only or [])):
        results.append(result)
        if json_:
            _print_json(result)
    if not json_:
        _print_table(results)
    if any(result.found is not None for result in results):
        raise typer.Exit(1)


def _tokens(given: list[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in given]
    for name, _, token in pairs:
        if not name or not token:
            raise NotReady(f"{name[:32]!r} has no token", "Write --enrol-token NAME=TOKEN")
    return {name: token for name, _, token in pairs}


def _known(names: list[str]) -> list[str]:
    known = {rule.name for rule in in_order()}
    for name in names:
        if name not in known:
            raise NotReady(f"there is no rule {name[:40]!r}", "See: admit central-check --rules")
    return names


def _print_json(result: Result) -> None:
    told = {"rule": result.rule.name, "kept": result.found is None, "found": result.found}
    print(json.dumps(told | {"says": result.rule.says, "remedy": result.rule.remedy}), flush=True)


def _print_table(results: list[Result]) -> None:
    console = Console()
    table = Table("", "Rule", "What it says", box=None, pad_edge=False)
    for result in results:
        mark = "[green]kept[/]" if result.found is None else "[bold red]BROKEN[/]"
        table.add_row(mark, result.rule.name, result.rule.says)
    console.print(table)
    broken = [result for result in results if result.found is not None]
    for result in broken:
        console.print(f"\n[bold red]BROKEN[/] {result.rule.name}: {result.rule.says}")
        console.print("  found:  ", result.found, markup=False, highlight=False)
        console.print("  remedy: ", result.rule.remedy, markup=False, highlight=False)
    console.print(f"\n{len(results) - len(broken)} of {len(results)} rules kept")
