"""Pictures and videos as a camera: for demonstrations, tests and lanes without a camera."""

from __future__ import annotations

from pathlib import Path

from drivers.camera_video import VideoCamera
from drivers.canvas import blank, on_canvas
from drivers.errors import PictureError
from drivers.frames import Frame
from drivers.pace import Pace, RealPace
from drivers.picture_folder import PictureFolder
from drivers.pictures import load_picture
from drivers.protocols import Camera, Report
from drivers.uri import DriverUri

LOOK_EVERY = 0.2
"""Seconds between two looks into the directory."""


def open_files(uri: DriverUri, report: Report) -> Camera:
    """Open ``camera:files:DIR`` or ``camera:files:VIDEO``. Raises GateError."""
    path = Path(uri.address)
    if path.is_file():
        return VideoCamera(path, RealPace())
    return FilesCamera(
        path,
        report,
        RealPace(),
        hold=uri.number("hold", 1.0),
        blank_for=uri.number("blank", 2.0),
        fps=uri.number("fps", 15.0),
    )


class FilesCamera:
    """Shows each new picture of a directory for ``hold`` seconds, then blank for ``blank_for``.

    The pause lets the same ticket be shown again as a new presentation. A shown picture goes to
    ``shown/``, one that cannot be read to ``unreadable/`` and is reported.
    """

    live = False

    def __init__(
        self,
        path: Path,
        report: Report,
        pace: Pace,
        *,
        hold: float = 1.0,
        blank_for: float = 2.0,
        fps: float = 15.0,
    ) -> None:
        self._folder = PictureFolder(path)
        self._report = report
        self._pace = pace
        self._hold = hold
        self._blank_for = blank_for
        self._period = 1 / fps
        self._blank = blank()
        self._shown: tuple[Path, Frame] | None = None
        now = pace.now()
        self._due, self._until, self._look_at = now, now, now

    def read(self) -> Frame | None:
        self._keep_pace()
        now = self._pace.now()
        if self._shown is not None and now >= self._until:
            self._folder.put_away(self._shown[0], "shown")
            self._shown, self._until = None, now + self._blank_for
        if self._shown is None and now >= max(self._until, self._look_at):
            self._look_at = now + LOOK_EVERY
            self._show_next(now)
        return self._blank if self._shown is None else self._shown[1]

    def close(self) -> None:
        """Nothing is held open. A picture still in view is shown again after a restart."""

    def _keep_pace(self) -> None:
        now = self._pace.now()
        self._due = max(self._due + self._period, now)  # late once is not late for ever
        self._pace.wait(self._due - now)

    def _show_next(self, now: float) -> None:
        path = self._folder.next(now)
        if path is None:
            return
        try:
            self._shown = (path, on_canvas(load_picture(path)))
        except PictureError as error:
            self._report(PictureError(f"{path.name}: {error.cause}", error.remedy))
            self._folder.put_away(path, "unreadable")
        else:
            self._until = now + self._hold
