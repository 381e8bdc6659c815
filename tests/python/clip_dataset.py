"""A data set of frames; in a module of its own, since spawned workers import it by name."""

from __future__ import annotations


class Clips:
    """A data set of single frames that is given an opened video."""

    def __init__(self, video):
        self.video = video
        self.video.at([0])  # a decoder is in use before the workers start

    def __len__(self):
        return 12

    def __getitem__(self, index):
        return index, self.video.at([4 * index], size=(24, 16)).data[0].copy()
