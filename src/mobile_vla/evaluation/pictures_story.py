"""The pictures of a drive's GIF: what the camera saw, the path as it grows seen from above, and the instruction under both.

+----------+-------+
|  camera  |  map  |
+----------+-------+
|  instruction     |
+------------------+
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image, ImageDraw

from mobile_vla.core.errors import DataError, problem
from mobile_vla.evaluation.outcome import Drive
from mobile_vla.evaluation.pictures_floor import corners
from mobile_vla.evaluation.pictures_text import drawable, latin_font, wrapped
from mobile_vla.task.observation import check_image

Colour = tuple[int, int, int]

PAPER: Final[Colour] = (247, 246, 242)
CAPTION_PAPER: Final[Colour] = (27, 31, 39)
CAPTION_INK: Final[Colour] = (244, 244, 240)
BOX: Final[Colour] = (176, 137, 104)
GOAL: Final[Colour] = (42, 157, 92)
BAD: Final[Colour] = (194, 47, 61)
SIDE: Final[dict[object, Colour]] = {"left": (29, 111, 209), "right": (200, 87, 10)}
DRAWN_COLOURS: Final = (PAPER, CAPTION_PAPER, CAPTION_INK, BOX, GOAL, BAD, *SIDE.values())
"""Every colour that is drawn rather than photographed."""

_SUPERSAMPLE: Final = 3


@dataclass(frozen=True)
class Size:
    """Sizes of a story's picture in pixels.

    Attributes:
        height: of camera and map.
        map_width: of the map.
        caption: height of the strip below.
        text: height of the letters.
    """

    height: int = 240
    map_width: int = 160
    caption: int = 52
    text: int = 16


def story(drive: Drive, size: Size | None = None) -> list[Image.Image]:
    """Return one RGB picture per camera frame of `drive`. Raises DataError when the drive kept no frames."""
    if not drive.frames:
        raise DataError(
            problem("drive.frames", (), "a GIF needs camera frames", "Keep the frames of this drive when it is rolled out")
        )
    size = size or Size()
    plan = _Plan(drive, size)
    last = len(drive.frames) - 1
    return [_picture(drive, plan, size, index, index == last) for index in range(last + 1)]


def camera_picture(frame: object, height: int) -> Image.Image:
    """Return the camera frame `(H, W, 3)` uint8 scaled to `height` pixels; enlarged more than sixfold, with crisp edges."""
    check_image(frame, "drive.frames[]")
    image = Image.fromarray(np.asarray(frame, dtype=np.uint8))
    width = max(1, round(image.width * height / image.height))
    method = Image.Resampling.NEAREST if height > 6 * image.height else Image.Resampling.BICUBIC
    return image.resize((width, height), method)


def _picture(drive: Drive, plan: _Plan, size: Size, index: int, is_last: bool) -> Image.Image:
    camera = camera_picture(drive.frames[index], size.height)
    picture = Image.new("RGB", (camera.width + size.map_width, size.height + size.caption), CAPTION_PAPER)
    picture.paste(camera, (0, 0))
    picture.paste(plan.draw(_step_of_frame(drive, index), is_last), (camera.width, 0))
    _caption(picture, drive, size)
    return picture


def _step_of_frame(drive: Drive, index: int) -> int:
    """Frames are spread evenly over the path, also when only every second one was kept."""
    return round(index * (len(drive.path) - 1) / max(len(drive.frames) - 1, 1))


def _caption(picture: Image.Image, drive: Drive, size: Size) -> None:
    text, font = drawable(drive.instruction or "(no instruction)", size.text)
    lines = wrapped(text, font, picture.width - 24)[:2]
    line_height = size.text + 4
    top = size.height + (size.caption - line_height * len(lines)) // 2
    canvas = ImageDraw.Draw(picture)
    for row, line in enumerate(lines):
        canvas.text((12, top + row * line_height), line, fill=CAPTION_INK, font=font)


class _Plan:
    """The map: the empty scene is drawn once, the path over it for each frame."""

    def __init__(self, drive: Drive, size: Size) -> None:
        self.drive, self.size = drive, size
        width, height = size.map_width * _SUPERSAMPLE, size.height * _SUPERSAMPLE
        points = [
            (0.0, 0.0),
            *((x, y) for x, y, _ in drive.path),
            *(point for box in drive.floor.boxes for point in corners(box)),
        ]
        points.append(drive.floor.goal[:2])
        margin = drive.floor.robot_radius_m + 0.12
        low, high = min(x for x, _ in points) - margin, max(x for x, _ in points) + margin
        reach = max(abs(y) for _, y in points) + margin
        self._scale = min(height / (high - low), width / (2 * reach))
        self._centre = (width / 2, height / 2 + self._scale * (low + high) / 2)
        self._scene = Image.new("RGB", (width, height), PAPER)
        self._draw_scene()

    def draw(self, step: int, is_last: bool) -> Image.Image:
        """Return the map with the path up to control step `step`; the last one says how the drive ended."""
        image = self._scene.copy()
        canvas = ImageDraw.Draw(image)
        done = self.drive.path[: step + 1]
        colour = SIDE[self.drive.side_asked]
        if len(done) > 1:
            canvas.line([self._at(x, y) for x, y, _ in done], fill=colour, width=4 * _SUPERSAMPLE, joint="curve")
        if done:
            self._robot(canvas, done[-1], colour)
        if is_last:
            self._verdict(canvas)
        return image.resize((self.size.map_width, self.size.height), Image.Resampling.LANCZOS)

    def _draw_scene(self) -> None:
        canvas = ImageDraw.Draw(self._scene)
        for box in self.drive.floor.boxes:
            canvas.polygon([self._at(x, y) for x, y in corners(box)], fill=BOX)
        x, y, radius = self.drive.floor.goal
        self._disc(canvas, (x, y), radius, GOAL)

    def _robot(self, canvas: ImageDraw.ImageDraw, pose: tuple[float, float, float], colour: Colour) -> None:
        x, y, yaw = pose
        radius = self.drive.floor.robot_radius_m
        self._disc(canvas, (x, y), radius, colour)
        nose = self._at(x + radius * math.cos(yaw), y + radius * math.sin(yaw))
        canvas.line([self._at(x, y), nose], fill=PAPER, width=3 * _SUPERSAMPLE)

    def _verdict(self, canvas: ImageDraw.ImageDraw) -> None:
        text, colour = ("reached", GOAL) if self.drive.success else (self.drive.end.replace("_", " "), BAD)
        font = latin_font(self.size.text * _SUPERSAMPLE)
        pad = 5 * _SUPERSAMPLE
        corner = (2 * pad, self._scene.height - 2 * pad)  # the start side: neither goal nor robot are there at the end
        left, top, right, bottom = canvas.textbbox(corner, text, font=font, anchor="ls")
        canvas.rounded_rectangle((left - pad, top - pad, right + pad, bottom + pad), radius=pad, fill=colour)
        canvas.text(corner, text, fill=PAPER, font=font, anchor="ls")

    def _at(self, x: float, y: float) -> tuple[float, float]:
        return (self._centre[0] - self._scale * y, self._centre[1] - self._scale * x)

    def _disc(self, canvas: ImageDraw.ImageDraw, centre: tuple[float, float], radius_m: float, colour: Colour) -> None:
        u, v = self._at(*centre)
        radius = self._scale * radius_m
        canvas.ellipse((u - radius, v - radius, u + radius, v + radius), fill=colour)


def side_by_side(stories: Sequence[Sequence[Image.Image]], columns: int, gap_px: int = 6) -> list[Image.Image]:
    """Return the pictures of a montage of `stories` in `columns`; a story that ends early holds its last picture.

    Raises:
        DataError: no stories, or fewer than one column.
    """
    if not stories or columns < 1:
        raise DataError(problem("montage", (len(stories), columns), "a montage has at least one drive and one column"))
    width = max(picture.width for pictures in stories for picture in pictures)
    height = max(picture.height for pictures in stories for picture in pictures)
    rows = math.ceil(len(stories) / columns)
    columns = min(columns, len(stories))
    canvas_size = (columns * (width + gap_px) - gap_px, rows * (height + gap_px) - gap_px)
    montage = []
    for index in range(max(len(pictures) for pictures in stories)):
        canvas = Image.new("RGB", canvas_size, PAPER)
        for place, pictures in enumerate(stories):
            row, column = divmod(place, columns)
            canvas.paste(pictures[min(index, len(pictures) - 1)], (column * (width + gap_px), row * (height + gap_px)))
        montage.append(canvas)
    return montage
