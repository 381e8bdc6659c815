"""The errors deepsport raises: one class per decision a caller may take.

Each derives from :class:`DeepsportError` and from the built-in it resembles, so both
``except DeepsportError`` and ``except FileNotFoundError`` work. Messages say what was asked, what
was found and what would be valid.
"""

from __future__ import annotations

__all__ = [
    "CorruptVideoError",
    "DecodeCancelledError",
    "DecodeTimeoutError",
    "DecoderCrashedError",
    "DeepsportError",
    "DeviceFailedError",
    "DeviceUnavailableError",
    "EncryptedVideoError",
    "EndpointError",
    "FrameRangeError",
    "InternalError",
    "InvalidRequestError",
    "LimitExceededError",
    "MissingExtraError",
    "NotAVideoError",
    "RecordFormatError",
    "SettingsError",
    "SourceFormatError",
    "ToolFailedError",
    "TruncatedVideoError",
    "UnsafePathError",
    "UnsafePickleError",
    "UnsupportedVideoError",
    "UsedAfterForkError",
    "VideoError",
    "VideoIOError",
    "VideoNotFoundError",
]


class DeepsportError(Exception):
    """Base of everything deepsport raises on purpose."""


class VideoError(DeepsportError):
    """Base of everything that is wrong with a video or with a request to it."""


class VideoNotFoundError(VideoError, FileNotFoundError):
    """No such file."""


class NotAVideoError(VideoError, ValueError):
    """Not a container that can be read, or no video stream with frames in it."""


class TruncatedVideoError(VideoError, EOFError):
    """The file ends before the data that was asked for."""


class CorruptVideoError(VideoError, ValueError):
    """The container or bitstream is damaged where it was read."""


class EncryptedVideoError(VideoError, ValueError):
    """The samples are encrypted."""


class UnsupportedVideoError(VideoError, NotImplementedError):
    """A codec, pixel format or feature this build cannot handle."""


class FrameRangeError(VideoError, IndexError):
    """A frame, second or window outside of the video."""


class InvalidRequestError(VideoError, ValueError):
    """A request that no video could satisfy."""


class LimitExceededError(VideoError, MemoryError):
    """A set limit (pixels, frames, bytes) would be exceeded."""


class DecodeTimeoutError(VideoError, TimeoutError):
    """The deadline passed before the frames were there."""


class DecodeCancelledError(VideoError):
    """Cancelled by the caller."""


class DecoderCrashedError(VideoError, RuntimeError):
    """The isolated process that decoded the video died or answered nonsense; others go on."""


class UsedAfterForkError(VideoError, RuntimeError):
    """An object made before ``fork()`` was used in the child."""


class VideoIOError(VideoError, OSError):
    """The operating system refused a read or a write."""


class DeviceUnavailableError(DeepsportError, RuntimeError):
    """A device was demanded that this machine or this build does not have; says what is missing."""


class DeviceFailedError(DeepsportError, RuntimeError):
    """The driver of a device refused or failed a call, e.g. for want of device memory."""


class InternalError(DeepsportError, RuntimeError):
    """A bug in deepsport; please report it."""


class RecordFormatError(DeepsportError, ValueError):
    """A record or file of an unknown version, or with a field missing or of the wrong type."""


class SettingsError(DeepsportError, ValueError):
    """A setting or an argument that cannot work; the message says what would."""


class ToolFailedError(DeepsportError, RuntimeError):
    """A tool broke, for no fault of who called it: a detector without output, a bug in a plug-in."""


class EndpointError(DeepsportError, ConnectionError):
    """A model's server cannot be used at all; what was finished is kept."""


class MissingExtraError(DeepsportError, ImportError):
    """An optional dependency is not installed; the message names the extra."""


class SourceFormatError(DeepsportError, ValueError):
    """An annotation file of a source that cannot be read: missing, too large or of another shape."""


class UnsafePathError(SourceFormatError):
    """A path that leads out of the folder it was given for."""


class UnsafePickleError(SourceFormatError):
    """A pickle that asks for more than plain data."""
