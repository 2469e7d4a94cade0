"""`admit read`: one object a code, one for a picture without, a named error for a bad one."""

import base64
import json
import time

import cv2
import numpy as np
import pytest
import segno
from typer.testing import CliRunner

from cli.__main__ import build
from cli.read import Judgement, readings
from tickets import ad1, ad2, cose
from tickets.key_files import Role, load_key, new_key, save_key


def run(*words):
    return CliRunner().invoke(build("read"), ["read", *(str(word) for word in words)])


def objects(result):
    return [json.loads(line) for line in result.stdout.splitlines()]


def picture(path, *texts):
    """A PNG with the codes of ``texts`` side by side, the first one largest."""
    parts = []
    for number, text in enumerate(texts):
        segno.make_qr(text).save(str(path), scale=8 - 2 * number, border=6)
        parts.append(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE))
    height = max((part.shape[0] for part in parts), default=300)
    parts = [np.pad(p, ((0, height - p.shape[0]), (0, 0)), constant_values=255) for p in parts]
    view = np.hstack(parts) if parts else np.full((height, height), 255, np.uint8)
    assert cv2.imwrite(str(path), view)
    return path


def b64(text):
    return base64.b64encode(text.encode()).decode()


@pytest.fixture
def keys(tmp_path):
    for role in (Role.ISSUER, Role.EVENT):
        save_key(new_key(role, "FEST26"), tmp_path / "keys")
    return tmp_path / "keys"


def signed(directory):
    key = load_key(directory, Role.ISSUER)
    return ad1.to_qr_text(ad1.sign(key.secret, key.kid, key.event, bytes(16)))


def test_each_code_is_one_object_and_a_picture_without_is_one_too(tmp_path):
    two = picture(tmp_path / "two.png", "TICKET-1", "TICKET-2")
    none = picture(tmp_path / "none.png")
    result = run("--json", two, none)
    empty = {"format": None, "verdict": None, "reason": None}
    code = empty | {"image": str(two), "format": "opaque"}
    assert objects(result) == [
        code | {"payload": b64("TICKET-1")},
        code | {"payload": b64("TICKET-2")},
        empty | {"image": str(none), "payload": None},
    ]
    assert result.exit_code == 0


@pytest.mark.parametrize(
    ("case", "data"),
    [("empty", b""), ("text", b"hello"), ("cut short", b"\x89PNG\r\n\x1a\n")],
)
def test_unreadable_picture_is_told_and_the_others_are_read(tmp_path, case, data):
    bad = tmp_path / "bad.png"
    bad.write_bytes(data)
    good = picture(tmp_path / "good.png", "TICKET-1")
    result = run("--json", bad, tmp_path / "missing.png", good)
    first, second, third = objects(result)
    for told in (first, second):
        assert told["payload"] is None
        assert set(told["error"]) == {"cause", "remedy"}
    assert third["payload"] == b64("TICKET-1")
    assert result.exit_code == 1, case


def test_signed_ticket_is_named_by_its_format_without_keys(tmp_path, keys):
    """Without keys nobody can say whether it is forged, so nobody does."""
    shown = picture(tmp_path / "a.png", signed(keys))
    (told,) = objects(run("--json", shown))
    assert (told["format"], told["verdict"], told["reason"]) == ("ad1", None, None)


def test_code_that_no_key_could_make_right_is_refused(tmp_path):
    (told,) = objects(run("--json", picture(tmp_path / "a.png", "AD1:NOT A TICKET")))
    assert (told["format"], told["verdict"], told["reason"]) == ("ad1", "refused", "unreadable")


def test_ticket_of_another_issuer_is_forged_by_our_keys(tmp_path, keys):
    save_key(new_key(Role.ISSUER, "FEST26"), tmp_path / "other")
    theirs = picture(tmp_path / "a.png", signed(tmp_path / "other"))
    ours = picture(tmp_path / "b.png", signed(keys))
    first, second = objects(run("--json", "--keys", keys, theirs, ours))
    assert (first["verdict"], first["reason"]) == ("refused", "forged")
    assert (second["format"], second["verdict"]) == ("ad1", "admitted")


def test_a_picture_of_a_live_ticket_is_judged_by_the_wallet_key_and_the_time(tmp_path, keys):
    key, phone = new_key(Role.WALLET, "FEST26"), bytes(range(32))
    save_key(key, keys)
    shown = ad1.sign(
        key.secret, key.kid, key.event, bytes(16), holder_key=cose.public_key_of(phone)
    )
    pictures = [
        picture(tmp_path / f"{ago}.png", ad2.to_qr_text(ad2.sign(phone, shown, at)))
        for ago, at in ((0, int(time.time()) + 25), (1, int(time.time()) - 60))
    ]
    now, old = objects(run("--json", "--keys", keys, *pictures))
    assert (now["format"], now["verdict"]) == ("ad2", "admitted")
    assert (old["verdict"], old["reason"]) == ("refused", "stale_code")


def test_verdict_comes_from_the_judge(tmp_path):
    shown = picture(tmp_path / "a.png", "TICKET-1")
    (reading,) = readings([shown], lambda payload: Judgement("opaque", "admitted", None))
    assert reading.as_json()["verdict"] == "admitted"


def test_table_tells_the_same_without_moving_the_cursor(tmp_path):
    (tmp_path / "bad.png").write_bytes(b"")
    code = picture(tmp_path / "[red]a.png", "\x1b[2J[bold]TICKET")
    result = run(code, picture(tmp_path / "none.png"), tmp_path / "bad.png")
    text = " ".join(result.stdout.split())
    assert "\x1b[2J" not in result.stdout
    assert "no code" in text
    assert "unreadable" in text
    assert result.exit_code == 1


def test_no_picture_named_is_wrong_usage():
    assert run("--json").exit_code == 2
