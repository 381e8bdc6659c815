"""Draw the frames of a simulated clip: field, players, ball, score board, close-up, camera noise.

Pure functions of a plan; deterministic for a seed. Not for files (`deepsport.testbed.film`).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from deepsport.testbed.match import PLAYERS, ClipPlan

__all__ = ["FRAME_SIZE", "draw_clip"]

Frame = NDArray[np.uint8]

FRAME_SIZE = 112  #: width and height in pixels; even, as 4:2:0 wants
_SHIRTS = {
    "red": (225, 35, 35),
    "blue": (40, 70, 235),
    "yellow": (240, 215, 30),
    "white": (240,) * 3,
}
_FIELDS = {"goal": (38, 96, 44), "net": (150, 84, 44), "race": (92, 44, 96)}
_SKIN, _DARK = (214, 170, 130), (14, 14, 20)
_SHAKE = 3  # pixels that the camera wanders
_NOISE = 5.0  # standard deviation of the camera noise, of 255
_BOARD = FRAME_SIZE // 4  # side of the score board, top left
_DIGITS = {0: "111101101101111", 1: "010110010010111", 2: "111001111100111", 3: "111001111001111"}


def draw_clip(sport: str, plan: ClipPlan) -> Iterator[Frame]:
    """Yield the frames of a clip: uint8, (height, width, 3), RGB.

    Parameters
    ----------
    sport : str
        One of `deepsport.testbed.match.SPORTS`.
    plan : ClipPlan
    """
    random = np.random.default_rng(plan.seed)
    light = random.uniform(0.85, 1.1)
    field = _field(sport, light)
    noise = random.normal(0.0, _NOISE, (8, FRAME_SIZE, FRAME_SIZE, 1)).astype(np.int16)
    ways = [_way(random, sport, lane, plan) for lane in range(len(PLAYERS))]
    ball = _way(random, sport, -1, plan)
    shake = _wander(random, plan.frames)
    before = int(random.integers(0, 3))
    lanes = random.permutation(len(PLAYERS))
    side = int(random.integers(2))
    for number in range(plan.frames):
        x, y = shake[number]
        frame = field[y : y + FRAME_SIZE, x : x + FRAME_SIZE].copy()
        event = plan.event
        if event.start_frame <= number < event.stop_frame:
            age = number - event.start_frame
            _close_up(frame, event.player, event.figures, event.flag, side, age)
        else:
            for lane, shirt in zip(lanes, PLAYERS, strict=True):
                _player(frame, ways[lane][number], _SHIRTS[shirt])
            if sport != "race":
                _box(frame, int(ball[number, 0]), int(ball[number, 1]), 3, 3, (250, 250, 250))
        scored = number >= event.stop_frame
        _score_board(frame, before + scored, lit=scored)
        noisy = frame + noise[(number * 5) % len(noise)]
        yield np.clip(noisy, 0, 255).astype(np.uint8)


def _field(sport: str, light: float) -> Frame:
    """Return the empty field, larger than a frame so that the camera can wander over it."""
    side = FRAME_SIZE + 2 * _SHAKE
    colour = np.array(_FIELDS[sport]) * light
    field = np.empty((side, side, 3))
    field[:] = colour
    lines = np.array((200, 200, 200)) * light
    if sport == "goal":
        field[:, :: side // 7] *= 0.9  # mown stripes
        field[side // 2 - 1 : side // 2 + 1] = lines
        for edge in (slice(0, 6), slice(side - 6, side)):
            field[side // 3 : 2 * side // 3, edge] = lines
    elif sport == "net":
        field[:, side // 2 - 2 : side // 2 + 2] = lines
        field[:: side // 3] = lines
        field[side // 2 - 1 : side // 2 + 1, ::3] = lines
    else:
        field[:: side // 6] = lines
        field[:, side - 12 : side - 9] = lines
    return np.clip(field, 0, 255).astype(np.uint8)


def _wander(random: np.random.Generator, frames: int) -> NDArray[np.int64]:
    """Return camera offsets (frames, 2) that change by at most a pixel a frame."""
    steps = np.cumsum(random.integers(-1, 2, (frames, 2)), axis=0)
    period = 4 * _SHAKE
    folded = np.abs(steps % period - 2 * _SHAKE)
    return folded.astype(np.int64)


def _way(random: np.random.Generator, sport: str, lane: int, plan: ClipPlan) -> NDArray[np.int64]:
    """Return positions (frames, 2) as x, y of one player, or of the ball when `lane` is -1."""
    seconds = np.arange(plan.frames) / plan.fps
    phase, pace = random.uniform(0, 2 * np.pi, 2), random.uniform(0.4, 1.1, 2)
    wave = np.sin(seconds[:, None] * pace + phase)
    size = FRAME_SIZE
    if lane < 0:
        centre, reach = np.array((0.5, 0.6)), np.array((0.42, 0.3))
    elif sport == "race":
        # laps: each runner keeps to a lane, with its own speed
        along = (random.uniform() + seconds * random.uniform(0.05, 0.12)) % 1.0
        y = np.full_like(along, 0.36 + 0.15 * lane) + 0.01 * wave[:, 1]
        return (np.stack([0.05 + 0.9 * along, y], 1) * size).astype(np.int64)
    elif sport == "net":
        centre = np.array((0.25 if lane % 2 else 0.75, 0.45 if lane < 2 else 0.75))
        reach = np.array((0.18, 0.1))
    else:
        centre, reach = random.uniform((0.3, 0.45), (0.7, 0.75)), np.array((0.25, 0.18))
    return ((centre + reach * wave) * size).astype(np.int64)


def _player(frame: Frame, at: NDArray[np.int64], shirt: tuple[int, ...]) -> None:
    x, y = (int(v) for v in at)
    _box(frame, x, y, 6, 9, shirt)
    _box(frame, x + 1, y - 4, 4, 4, _SKIN)
    _box(frame, x, y + 9, 6, 4, _DARK)


def _close_up(frame: Frame, player: str, figures: int, flag: bool, side: int, age: int) -> None:
    """Cover the frame below the score board: `figures` big players, a flag, a blurred crowd."""
    size = FRAME_SIZE
    frame[:] = frame // 4 + np.array((20, 20, 26), np.uint8)
    bounce = (0, 2, 4, 2)[age % 4]
    edges = np.linspace(size * 0.04, size * 0.96, 4).astype(int)
    places = list(pairwise(edges))
    if side:
        places.reverse()
    for left, right in places[:figures]:
        top = size * 9 // 20 - bounce
        _box(frame, left + 2, top, right - left - 4, size, _SHIRTS[player])
        middle = (left + right) // 2
        _box(frame, middle - 6, top - 12, 12, 12, _SKIN)
    if flag:
        cell = 12
        left, top = size // 2 + 4, 3 + bounce // 2
        for row in range(3):
            for column in range(4):
                tone = (250, 250, 250) if (row + column) % 2 else (240, 120, 20)
                _box(frame, left + column * cell, top + row * cell, cell, cell, tone)


def _score_board(frame: Frame, score: int, *, lit: bool) -> None:
    """Draw the board; its ground lights up with the changed score."""
    ground, ink = ((245, 245, 245), _DARK) if lit else (_DARK, (150, 150, 150))
    _box(frame, 0, 0, _BOARD, _BOARD, ground)
    dot = _BOARD // 7
    for cell, on in enumerate(_DIGITS[score]):
        if on == "1":
            row, column = divmod(cell, 3)
            _box(frame, dot * (2 + column), dot * (1 + row), dot, dot, ink)


def _box(frame: Frame, x: int, y: int, width: int, height: int, colour: tuple[int, ...]) -> None:
    """Fill a box, cut at the edges of the frame."""
    frame[max(0, y) : max(0, y + height), max(0, x) : max(0, x + width)] = colour
