"""Contact sheets pixel by pixel, magnification, moving pictures frame by frame."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageSequence

from model_store.arrays import UInt8
from service.wire.pictures import moving, near_square, png, sheet


def frames_of(data: bytes) -> tuple[UInt8, list[int]]:
    """Every frame as RGB, and how long each is shown, in milliseconds."""
    with Image.open(io.BytesIO(data)) as image:
        frames, durations = [], []
        for frame in ImageSequence.Iterator(image):
            frames.append(np.asarray(frame.convert("RGB")))
            durations.append(image.info["duration"])
        return np.stack(frames), durations


@pytest.mark.parametrize(("n", "columns"), [(1, 1), (2, 2), (4, 2), (5, 3), (9, 3), (10, 4), (16, 4), (1024, 32)])
def test_a_sheet_is_as_good_as_square(n: int, columns: int) -> None:
    assert near_square(n) == columns


def test_a_sheet_row_by_row_with_the_rest_black() -> None:
    """Five pictures of 1 × 2 pixels, three in a row."""
    images = np.arange(10, 20, dtype=np.uint8).reshape(5, 1, 2, 1)
    expected = [[10, 11, 12, 13, 14, 15], [16, 17, 18, 19, 0, 0]]
    assert sheet(images, 3)[..., 0].tolist() == expected


def test_colours_stay_with_their_pixel() -> None:
    images = np.zeros((2, 1, 1, 3), np.uint8)
    images[0, 0, 0], images[1, 0, 0] = (1, 2, 3), (4, 5, 6)
    assert sheet(images, 2).tolist() == [[[1, 2, 3], [4, 5, 6]]]


def test_nearest_neighbour_magnification() -> None:
    image = np.array([[1, 2], [3, 4]], np.uint8)[..., None]
    with Image.open(io.BytesIO(png(image, 2))) as read:
        assert np.asarray(read).tolist() == [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]
    with Image.open(io.BytesIO(moving(np.zeros((2, 2, 3, 3), np.uint8), "image/gif", 10.0, 16))) as read:
        assert read.size == (48, 32)


@pytest.mark.parametrize(("fps", "milliseconds"), [(12, 80), (13, 80), (34, 30), (45, 20), (50, 20), (0.1, 10_000)])
def test_a_gif_counts_in_whole_hundredths_of_a_second(fps: float, milliseconds: int) -> None:
    frames = np.stack([np.full((2, 2, 1), value, np.uint8) for value in (0, 255)])
    assert frames_of(moving(frames, "image/gif", fps))[1] == [milliseconds, milliseconds]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_png_holds_every_pixel(channels: int) -> None:
    image = np.random.default_rng(1).integers(0, 256, (5, 7, channels), np.uint8)
    with Image.open(io.BytesIO(png(image))) as read:
        assert (read.format, read.mode, read.size) == ("PNG", "L" if channels == 1 else "RGB", (7, 5))
        np.testing.assert_array_equal(np.asarray(read).reshape(image.shape), image)


@pytest.mark.parametrize("media_type", ["image/gif", "image/webp"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_moving_picture_has_every_frame_and_its_time(media_type: str, channels: int) -> None:
    frames = np.stack([np.full((4, 6, channels), value, np.uint8) for value in (0, 60, 120, 180, 240)])
    shown, milliseconds = frames_of(moving(frames, media_type, 10.0))
    np.testing.assert_array_equal(shown, np.broadcast_to(frames, (5, 4, 6, 3)))
    assert milliseconds == [100] * 5


@pytest.mark.parametrize("media_type", ["image/gif", "image/webp"])
def test_equal_neighbours_are_one_frame_shown_as_long(media_type: str) -> None:
    frames = np.stack([np.full((2, 2, 1), value, np.uint8) for value in (5, 5, 5, 9)])
    shown, milliseconds = frames_of(moving(frames, media_type, 10.0))
    assert shown[:, 0, 0, 0].tolist() == [5, 9]
    assert sum(milliseconds) == 400


@pytest.mark.parametrize("media_type", ["image/gif", "image/webp"])
def test_a_moving_picture_plays_for_ever(media_type: str) -> None:
    frames = np.stack([np.full((2, 2, 1), value, np.uint8) for value in (0, 255)])
    with Image.open(io.BytesIO(moving(frames, media_type, 50.0))) as image:
        image.load()
        assert image.info["loop"] == 0
        assert image.info["duration"] == 20


@pytest.mark.parametrize("media_type", ["image/gif", "image/webp"])
def test_one_frame_is_a_picture_too(media_type: str) -> None:
    with Image.open(io.BytesIO(moving(np.full((1, 3, 2, 1), 7, np.uint8), media_type, 12.0))) as image:
        assert image.size == (2, 3)
        assert np.asarray(image.convert("L")).tolist() == [[7, 7]] * 3
