"""Who may open which page and change what: every page there is, by every way to come without."""

from collections.abc import Iterator

import pytest

from central.app import create_app
from central.organiser.accounts import Role
from central.organiser.doors import DOORS
from central.organiser.pages import PAGES
from central.organiser.web import BASE, HEADERS, Page
from tests.rigs.central_rig import CentralRig, Device, make_event
from tests.rigs.organiser_rig import Browser, Member, TestClient

UPLOAD = Page("/import", "POST", Role.ORGANISER, lambda: None)  # type: ignore[arg-type,return-value]
GUARDED = [*PAGES, *(page for page in DOORS if page.role), UPLOAD]
CHANGES = [page for page in GUARDED if page.method == "POST"]
LOOKS = [page for page in GUARDED if page.method == "GET"] + [
    Page("/import", "GET", Role.VIEWER, UPLOAD.work)
]


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CentralRig]:
    """One event for all: nothing here may change it."""
    rig = make_event(tmp_path_factory.mktemp("rights"))
    yield rig
    rig.central.database.close()


@pytest.fixture(scope="module")
def north(rig: CentralRig) -> Device:
    """A gate."""
    return Device(TestClient(create_app(rig.central)), rig.enrol_token("north"), "north")


@pytest.fixture(scope="module")
def ada(rig: CentralRig) -> Browser:
    """An organiser's browser, logged in."""
    browser = Browser(rig.central)
    assert Member(rig.central).welcome(browser).status_code == 303
    return browser


@pytest.fixture(scope="module")
def viewer(rig: CentralRig) -> Browser:
    """The browser of somebody who may look."""
    browser = Browser(rig.central)
    assert Member(rig.central, "vic", Role.VIEWER).welcome(browser).status_code == 303
    return browser


def address(page: Page, rig: CentralRig, north: Device) -> str:
    return page.path.format(key=rig.key("A1").hex(), device=north.name)


def state(rig: CentralRig) -> dict[str, int]:
    """How many rows there are of everything that a page can change, and of the log."""
    tables = ("command", "enrolment", "audit", "organiser_session", "statement", "ticket")
    with rig.central.database.reading() as connection:
        return {
            table: connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one()
            for table in tables
        }


@pytest.mark.parametrize("page", LOOKS, ids=lambda page: page.path)
def test_a_page_is_for_who_is_logged_in(rig: CentralRig, north: Device, page: Page) -> None:
    answer = Browser(rig.central).http.get(f"{BASE}{address(page, rig, north)}")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{BASE}/login")


@pytest.mark.parametrize("page", CHANGES, ids=lambda page: page.path)
def test_a_change_is_refused_without_login(rig: CentralRig, north: Device, page: Page) -> None:
    before = state(rig)
    answer = Browser(rig.central).http.post(f"{BASE}{address(page, rig, north)}", data={})
    assert answer.status_code == 401
    assert state(rig) == before


@pytest.mark.parametrize("mark", ["", "0" * 32])
@pytest.mark.parametrize("page", CHANGES, ids=lambda page: page.path)
def test_a_change_is_refused_without_the_sessions_mark(
    rig: CentralRig, ada: Browser, north: Device, page: Page, mark: str
) -> None:
    """Cross-site request forgery: a form of another page does not have it."""
    before = state(rig)
    if page.path == "/import":
        answer = ada.upload(b"id\nEVIL\n", csrf=mark)
    else:
        answer = ada.post(address(page, rig, north), csrf=mark)
    assert answer.status_code == 403
    assert state(rig) == before


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "null"},
        {"origin": "https://evil.example"},
    ],
    ids=str,
)
@pytest.mark.parametrize("page", [*CHANGES, *DOORS[1:4:2]], ids=lambda page: page.path)
def test_a_form_of_another_site_is_refused(
    rig: CentralRig, ada: Browser, north: Device, page: Page, headers: dict[str, str]
) -> None:
    """Also the login's: nobody is logged in as somebody else by a page they visit."""
    url = f"{BASE}{address(page, rig, north)}"
    answer = ada.http.post(url, data={"csrf": ada.csrf()}, headers=headers)
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "page", [page for page in CHANGES if page.role is Role.ORGANISER], ids=lambda page: page.path
)
def test_who_may_look_changes_nothing(
    rig: CentralRig, viewer: Browser, north: Device, page: Page
) -> None:
    before = state(rig)
    if page.path == "/import":
        answer = viewer.upload(b"id\nEVIL\n")
    else:
        answer = viewer.post(address(page, rig, north))
    assert answer.status_code == 403
    assert state(rig) == before


@pytest.mark.parametrize("page", LOOKS, ids=lambda page: page.path)
def test_who_may_look_sees_every_page_and_no_button_that_changes(
    rig: CentralRig, viewer: Browser, north: Device, page: Page
) -> None:
    answer = viewer.get(address(page, rig, north))
    assert answer.status_code == 200
    actions = answer.text.split('method="post"')
    assert len(actions) == 2, "log out, and nothing else"


@pytest.mark.parametrize("path", ["/", "/login", "/nothing", "/static/live.js", "/tickets/zz"])
def test_every_answer_forbids_scripts_of_others(ada: Browser, path: str) -> None:
    headers = ada.get(path).headers
    assert {name: headers[name] for name in HEADERS} == HEADERS


def test_a_fault_of_ours_forbids_scripts_of_others_too(
    ada: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("central.organiser.pages.overview.entries", lambda *_: 1 / 0)
    answer = ada.get("/entries")
    assert answer.status_code == 500
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
