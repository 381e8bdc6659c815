"""Why a turn, a window or a rollout was rejected: one number space, the same as in C++."""

from __future__ import annotations

import enum

__all__ = ["Reason"]


class Reason(enum.IntEnum):
    """Reason code. Stored in files, so numbers are appended, never changed.

    0 is fine; 1-23 are about a turn, 30-35 about a window, 40-44 about a call that its tool
    refused, 50-53 about a whole rollout.
    ``str(reason)`` is its name in lower case.
    """

    OK = 0
    INVALID_UTF8 = 1
    TOO_LONG = 2
    THINK_MISSING = 3
    THINK_UNCLOSED = 4
    NO_ACTION = 5
    TOOL_CALL_UNCLOSED = 6
    ANSWER_UNCLOSED = 7
    SEVERAL_ACTIONS = 8
    TEXT_BEFORE_ACTION = 9
    TEXT_AFTER_ACTION = 10
    ANSWER_EMPTY = 11
    JSON_MALFORMED = 12
    JSON_TOO_DEEP = 13
    JSON_TOO_LARGE = 14
    CALL_NOT_OBJECT = 15
    ACTION_MISSING = 16
    ACTION_UNKNOWN = 17
    ARGUMENTS_MISSING = 18
    RANGE_MISSING = 19
    RANGE_NOT_INTEGERS = 20
    ANSWER_HAS_TAG = 21
    ARGUMENT_MISSING = 22
    ARGUMENT_INVALID = 23
    WINDOW_REVERSED = 30
    WINDOW_EMPTY = 31
    WINDOW_OUTSIDE = 32
    WINDOW_TOO_SHORT = 33
    WINDOW_REPEATED = 34
    WINDOW_FULL_RANGE = 35
    FRAME_OUTSIDE = 40
    REGION_EMPTY = 41
    CALL_REPEATED = 42
    CALL_REFUSED = 43
    CALL_OVER_BUDGET = 44
    ROLLOUT_EMPTY = 50
    ROLLOUT_UNANSWERED = 51
    ROLLOUT_GOES_ON = 52
    ROLLOUT_CALLS_MISMATCH = 53

    def __str__(self) -> str:
        return self.name.lower()
