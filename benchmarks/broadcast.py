"""Draws a match as a broadcast shows it: a panning, zooming camera, cuts, moving players, noise.

Nobody's pictures, so that anyone can make the same clips; what a codec sees (long static parts,
motion, grain, scene cuts) is that of sport. Needs NumPy and OpenCV.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["frames"]

PLAYERS = 22
Image = NDArray[np.uint8]


def _fractal(
    random: np.random.Generator, height: int, width: int, cells: dict[int, float]
) -> Image:
    """Sum of smooth noises: cell size in pixels -> amplitude."""
    total = np.zeros((height, width), np.float32)
    for cell, amplitude in cells.items():
        shape = (max(2, height // cell), max(2, width // cell))
        noise = random.standard_normal(shape).astype(np.float32)
        total += amplitude * cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    return total


def _panorama(random: np.random.Generator, height: int, width: int) -> Image:
    """The whole ground: a crowd above boards above a mown pitch with lines."""
    grass = _fractal(random, height, width, {1: 3, 2: 4, 4: 5, 16: 6, 64: 8})
    grass += (np.arange(width) // (width // 18) % 2 * 10.0)[None, :]
    ground = np.stack([45 + 0.3 * grass, 115 + grass, 55 + 0.5 * grass], -1)
    crowd = int(height * 0.35)
    people = random.integers(20, 230, (crowd // 6, width // 5, 3)).astype(np.float32)
    people = cv2.resize(people, (width, crowd))
    ground[:crowd] = 0.75 * (people + _fractal(random, crowd, width, {1: 6, 2: 6})[..., None])
    boards = int(height * 0.05)
    ground[crowd : crowd + boards] = (140, 40, 30)
    ground = np.clip(ground, 0, 255).astype(np.uint8)
    white, thick = (235, 240, 235), max(2, height // 300)
    for k in range(14):
        cv2.putText(ground, f"BOARD {k}", (k * width // 14, crowd + boards * 3 // 4), 0,
                    height / 1000, white, 2, cv2.LINE_AA)  # fmt: skip
    for share in (0.03, 0.25, 0.5, 0.75, 0.97):
        top, bottom = (int(share * width), crowd + 2 * boards), (int(share * width * 0.98), height)
        cv2.line(ground, top, bottom, white, thick, cv2.LINE_AA)
    cv2.ellipse(ground, (width // 2, int(height * 0.7)), (width // 9, height // 9), 0, 0, 360, white,
                thick, cv2.LINE_AA)  # fmt: skip
    return ground


def _player(random: np.random.Generator, height: int, team: int) -> tuple[Image, Image]:
    """A figure and its mask."""
    width = height // 2
    colour = np.array([[30, 30, 200], [220, 200, 40]][team], np.float32)
    figure = _fractal(random, height, width, {1: 10, 3: 18, 8: 25})[..., None] + colour
    figure = np.clip(figure, 0, 255).astype(np.uint8)
    figure[: height // 5] = (120, 160, 200)
    mask = np.zeros((height, width), np.uint8)
    cv2.ellipse(mask, (width // 2, height // 2), (width // 3, height // 2 - 1), 0, 0, 360, 255, -1)
    return figure, mask


def frames(width: int, height: int, rate: int, seconds: float, seed: int) -> Iterator[Image]:
    """Yield pictures, (height, width, 3), uint8, BGR; the same for the same arguments."""
    random = np.random.default_rng(seed)
    wide, high = int(width * 2.6), int(height * 1.7)
    ground = _panorama(random, high, wide)
    players = [_player(random, int(height * 0.12), k % 2) for k in range(PLAYERS)]
    place = np.stack(
        [random.uniform(0.1, 0.9, PLAYERS) * wide, random.uniform(0.5, 0.95, PLAYERS) * high], -1
    )
    speed = random.normal(0, 1, (PLAYERS, 2)) * (width / rate * 0.06, height / rate * 0.03)
    grain = [random.normal(0, 2.2, (height + 64, width + 64, 1)) for _ in range(3)]
    brighter = [np.clip(np.repeat(g, 3, 2), 0, 30).astype(np.uint8) for g in grain]
    darker = [np.clip(np.repeat(-g, 3, 2), 0, 30).astype(np.uint8) for g in grain]
    centre, pan, zoom, aim, until_cut = wide * 0.5, 0.0, 1.0, 1.0, 0
    for number in range(round(rate * seconds)):
        if until_cut == 0:
            until_cut = int(random.uniform(5, 16) * rate)
            centre, zoom = random.uniform(0.3, 0.7) * wide, random.choice([0.55, 0.8, 1.0, 1.25])
            aim, pan = zoom, random.normal() * width / rate * 0.3
        until_cut -= 1
        pan = 0.985 * pan + random.normal() * width / rate * 0.02
        centre = np.clip(centre + pan, wide * 0.22, wide * 0.78)
        aim = np.clip(aim + random.normal(0, 0.002), 0.5, 1.3)
        zoom = 0.95 * zoom + 0.05 * aim
        left = np.clip(centre - width * zoom / 2, 0, wide - width * zoom - 1)
        top = high * 0.6 - height * zoom / 2 + 3 * math.sin(number / rate * 1.3)
        top = np.clip(top, 0, high - height * zoom - 1)
        view = np.array([[zoom, 0, left], [0, zoom, top]], np.float32)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        picture = cv2.warpAffine(ground, view, (width, height), flags=flags)
        speed = 0.98 * (speed + random.normal(0, 1, (PLAYERS, 2)) * (width / rate * 0.01, 0.1))
        place = np.clip(place + speed, (100, high * 0.46), (wide - 100, high * 0.98))
        for k in np.argsort(place[:, 1]):
            tall = max(8, int(height * 0.12 / zoom * (0.7 + 0.5 * place[k, 1] / high)))
            x, y = (place[k] - (left, top)) / zoom
            _draw(picture, players[k], tall, int(x), int(y + 2 * math.sin(number * 0.8 + k)),
                  stride=(number // 4 + k) % 2 == 1)  # fmt: skip
        _score(picture, number // rate)
        which, dx, dy = random.integers(0, (3, 64, 64))
        crop = slice(dy, dy + height), slice(dx, dx + width)
        yield cv2.subtract(cv2.add(picture, brighter[which][crop]), darker[which][crop])


def _draw(
    picture: Image, player: tuple[Image, Image], tall: int, x: int, y: int, *, stride: bool
) -> None:
    wide = tall // 2
    figure, mask = (cv2.resize(part, (wide, tall)) for part in player)
    if stride:
        mask[int(tall * 0.62) :, : wide // 2] = 0
    x, y = x - wide // 2, y - tall
    left, top = max(x, 0), max(y, 0)
    right, bottom = min(x + wide, picture.shape[1]), min(y + tall, picture.shape[0])
    if left >= right or top >= bottom:
        return
    part = slice(top - y, bottom - y), slice(left - x, right - x)
    shown = mask[part] > 0
    picture[top:bottom, left:right][shown] = figure[part][shown]


def _score(picture: Image, second: int) -> None:
    height, width = picture.shape[:2]
    left, top = width // 30, height // 24
    cv2.rectangle(picture, (left, top), (left + width // 4, top + height // 16), (40, 20, 20), -1)
    text = f"HOM 1-0 AWY {second // 60:02d}:{second % 60:02d}"
    cv2.putText(picture, text, (left + 8, top + height // 22), 0, height / 1000, (255, 255, 255), 2,
                cv2.LINE_AA)  # fmt: skip


if __name__ == "__main__":
    cv2.setNumThreads(1)
    size = [int(word) for word in sys.argv[1:6]]  # width height rate seconds seed
    for shown in frames(*size):
        sys.stdout.buffer.write(shown.tobytes())
