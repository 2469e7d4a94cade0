"""The OpenAPI document is the server: routes, shapes, errors."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.routing import Route

from central.app import create_app
from central.openapi import document, written
from tests.central.conftest import ON_SQLITE
from tests.rigs.central_rig import ROOT, CentralRig, Device, serving

CASES = "10"
"""Requests of each kind and call; the same in every run."""


def test_the_copy_in_docs_is_the_document_that_is_served(client: Any) -> None:
    """Write it anew with: python -P -m central.openapi > docs/openapi.json."""
    assert (ROOT / "docs" / "openapi.json").read_text() == written()
    assert client.get("/openapi.json").json() == document()


def test_routes_and_document_agree(rig: CentralRig) -> None:
    """Every call of the server is in the document, and no other."""
    served = {
        (route.path, method)
        for route in create_app(rig.central).routes
        if isinstance(route, Route) and route.path.startswith("/v1/")
        for method in (route.methods or set()) - {"HEAD"}
    }
    described = {
        (path, method.upper()) for path, calls in document()["paths"].items() for method in calls
    }
    assert served == described


def test_every_reference_leads_somewhere() -> None:
    """Each schema is used, and each that is used is there."""
    text = written()
    used = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert used == set(document()["components"]["schemas"])


@ON_SQLITE
@pytest.mark.parametrize("query", ["open=0", "open=", "open=1&open=1", "open=1&open=0"])
def test_a_question_that_is_not_asked_is_named(north: Device, query: str) -> None:
    """A gate that asks for other claims than open ones must not take these for them."""
    answer = north.get(f"/v1/claims?{query}")
    assert (answer.status_code, answer.json()["error"]) == (400, "body_malformed")


@pytest.mark.heavy
@pytest.mark.timeout(300)
def test_schemathesis_finds_nothing(tmp_path: Path) -> None:
    """Every call with good, bad and hostile data, with a bearer and without."""
    with serving(tmp_path) as rig, httpx.Client(base_url=rig.url) as client:
        gate = Device(client, rig.enrol_token("north"), "north")
        presentation = os.urandom(16)
        gate.upload(gate.scan(presentation, rig.key("A1")), gate.outcome(presentation))
        command = [Path(sys.executable).with_name("schemathesis"), "run", f"{rig.url}/openapi.json"]
        command += [
            "--checks",
            "all",
            "--max-examples",
            CASES,
            "--seed",
            "8470",
            "--continue-on-failure",
        ]
        command += ["--header", f"Authorization: Bearer {gate.bearer}", "--no-color"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-6000:]
        assert json.loads(client.get("/v1/ping", headers=gate.headers).text) == {}
