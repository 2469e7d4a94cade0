"""Pictures and videos as a camera: what is in view, when, and where the files go."""

import os
import random

import cv2
import numpy as np
import pytest
from qr_pictures import frame, pixels, png

from drivers.camera_files import FilesCamera, open_files
from drivers.camera_video import VideoCamera
from drivers.decoders import zxing
from drivers.errors import DeviceNotFound, PictureError
from drivers.pace import FakePace
from drivers.picture_folder import PictureFolder
from drivers.uri import DriverUri


class Show:
    """A camera on a directory, watched frame by frame without waiting."""

    def __init__(self, folder, **options):
        self.folder, self.pace, self.faults = folder, FakePace(), []
        self.start = self.pace.now()
        self.camera = FilesCamera(folder, self.faults.append, self.pace, **options)

    def watch(self, seconds):
        """Return what was in view: (payload or None, from, to), in seconds since the start."""
        views = []
        while (now := self.pace.now() - self.start) < seconds:
            seen = zxing(self.camera.read(), False)
            payload = seen[0].payload if seen else None
            at = round(self.pace.now() - self.start, 2)
            if views and views[-1][0] == payload:
                views[-1] = (payload, views[-1][1], at)
            else:
                views.append((payload, at, at))
            assert self.pace.now() - self.start > now
        return views


def put(folder, name, payload):
    (folder / name).write_bytes(png(payload))


def names(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def test_each_picture_is_held_for_a_second_then_two_seconds_of_blank(tmp_path):
    put(tmp_path, "b.png", b"second")
    put(tmp_path, "a.png", b"first")
    views = Show(tmp_path).watch(8)
    assert [payload for payload, _, _ in views] == [None, b"first", None, b"second", None]
    for payload, begun, ended in views[1:4]:
        assert ended - begun == pytest.approx(2 if payload is None else 1, abs=0.3)


def test_hold_and_pause_can_be_set(tmp_path):
    put(tmp_path, "a.png", b"x")
    put(tmp_path, "b.png", b"y")
    views = Show(tmp_path, hold=0.2, blank_for=0.4, fps=20).watch(2)
    _, begun, ended = views[1]
    assert ended - begun == pytest.approx(0.2, abs=0.1)


def test_shown_picture_is_moved_and_a_restart_does_not_show_it_again(tmp_path):
    put(tmp_path, "a.png", b"x")
    Show(tmp_path).watch(3)
    assert names(tmp_path) == ["shown"]
    assert [payload for payload, _, _ in Show(tmp_path).watch(3)] == [None]


def test_same_name_again_is_shown_again_and_nothing_is_overwritten(tmp_path):
    show = Show(tmp_path)
    for until in (4, 8):
        put(tmp_path, "a.png", b"x")
        assert b"x" in [payload for payload, _, _ in show.watch(until)]
    assert names(tmp_path / "shown") == ["a-2.png", "a.png"]


def test_picture_that_still_grows_is_not_read(tmp_path):
    """A copy in progress: the file is taken when size and time have settled."""
    whole, show = png(b"x" * 300), Show(tmp_path)
    for part in range(1, 4):
        (tmp_path / "a.png").write_bytes(whole[: len(whole) * part // 4])
        os.utime(tmp_path / "a.png", ns=(part, part))
        assert [payload for payload, _, _ in show.watch(part * 0.25)] == [None]
    (tmp_path / "a.png").write_bytes(whole)
    assert b"x" * 300 in [payload for payload, _, _ in show.watch(3)]
    assert show.faults == []


def test_hidden_and_unfinished_names_are_left_alone(tmp_path):
    for name in (".a.png", "b.png.part", "c.tmp", "d.png~", "e.crdownload"):
        put(tmp_path, name, b"x")
    (tmp_path / "folder").mkdir()
    assert [payload for payload, _, _ in Show(tmp_path).watch(2)] == [None]
    assert len(names(tmp_path)) == 6


def test_unreadable_picture_is_reported_once_and_set_aside(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no picture")
    (tmp_path / "b.png").write_bytes(png(b"x")[:100])
    put(tmp_path, "c.png", b"good")
    show = Show(tmp_path)
    assert b"good" in [payload for payload, _, _ in show.watch(5)]
    assert [error.cause.partition(":")[0] for error in show.faults] == ["a.png", "b.png"]
    assert names(tmp_path / "unreadable") == ["a.png", "b.png"]


def test_picture_that_cannot_be_moved_is_shown_once_all_the_same(tmp_path):
    """A read-only card: a file in the way of the directory is the same to us."""
    put(tmp_path, "a.png", b"x")
    (tmp_path / "b.png").write_bytes(b"no picture")
    (tmp_path / "shown").write_bytes(b"")
    (tmp_path / "unreadable").write_bytes(b"")
    show = Show(tmp_path)
    show.watch(20)
    (tmp_path / "shown").unlink()
    views = show.watch(40)
    assert [payload for payload, _, _ in views] == [None]
    assert len([e for e in show.faults if e.cause.startswith("b.png")]) == 1
    assert names(tmp_path)[:2] == ["a.png", "b.png"]


def test_missing_directory_is_a_named_fault_and_it_may_come_later(tmp_path):
    show = Show(tmp_path / "later")
    with pytest.raises(DeviceNotFound, match="picture directory") as caught:
        show.watch(1)
    assert "Create it" in caught.value.remedy
    (tmp_path / "later").mkdir()
    put(tmp_path / "later", "a.png", b"x")
    assert b"x" in [payload for payload, _, _ in show.watch(5)]


def test_file_that_goes_while_in_view_is_no_fault(tmp_path):
    put(tmp_path, "a.png", b"x")
    show = Show(tmp_path)
    show.watch(1)
    (tmp_path / "a.png").unlink()
    show.watch(5)
    assert show.faults == []


def test_folder_gives_pictures_in_order_of_name(tmp_path):
    for name in ("10.png", "2.png", "1.png"):
        put(tmp_path, name, b"x")
    folder, seen = PictureFolder(tmp_path), []
    assert folder.next(0.0) is None
    while (path := folder.next(1.0)) is not None:
        seen.append(path.name)
        folder.put_away(path, "shown")
    assert seen == ["1.png", "10.png", "2.png"]


# --- videos


def video(path, payloads, frames_each=3, rate=10):
    """A small lossless AVI (FFV1), each payload in view for some frames."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"FFV1"), rate, (640, 480))
    assert writer.isOpened()
    for payload in payloads:
        view = np.full((480, 640), 200, np.uint8)
        symbol = pixels(payload, scale=4, error="l")
        view[10 : 10 + symbol.shape[0], 10 : 10 + symbol.shape[1]] = symbol
        for _ in range(frames_each):
            writer.write(cv2.cvtColor(view, cv2.COLOR_GRAY2BGR))
    writer.release()


def test_video_plays_once_at_its_own_rate_then_blank(tmp_path):
    codes = [random.Random(n).randbytes(60) for n in range(5)]
    video(tmp_path / "codes.avi", codes)
    pace = FakePace()
    camera = VideoCamera(tmp_path / "codes.avi", pace)
    started, seen = pace.now(), []
    for _ in range(15):
        seen += [symbol.payload for symbol in zxing(camera.read(), False)]
    assert list(dict.fromkeys(seen)) == codes
    assert len(seen) == 15
    assert pace.now() - started == pytest.approx(1.5, abs=0.01)
    assert [zxing(camera.read(), False) for _ in range(30)] == [[]] * 30
    camera.close()


def test_video_cut_short_ends_early_without_a_crash(tmp_path):
    video(tmp_path / "whole.avi", [b"a" * 40, b"b" * 40, b"c" * 40])
    data = (tmp_path / "whole.avi").read_bytes()
    (tmp_path / "cut.avi").write_bytes(data[: len(data) * 2 // 3])
    camera = VideoCamera(tmp_path / "cut.avi", FakePace())
    seen = [symbol.payload for _ in range(60) for symbol in zxing(camera.read(), False)]
    assert seen[:1] == [b"a" * 40]
    assert b"c" * 40 not in seen


@pytest.mark.parametrize("data", [b"", b"no video", bytes(5000)])
def test_file_that_is_no_video_is_a_named_error(tmp_path, data):
    path = tmp_path / "x.avi"
    path.write_bytes(data)
    with pytest.raises(PictureError, match=r"x\.avi holds no picture"):
        open_files(DriverUri.parse(f"camera:files:{path}"), lambda error: None)


def test_uri_of_a_directory_gives_the_pictures(tmp_path):
    camera = open_files(DriverUri.parse(f"camera:files:{tmp_path}?hold=0"), lambda error: None)
    assert isinstance(camera, FilesCamera)
    assert camera.read().shape == frame().shape
    camera.close()
