"""# Add a tool

A model may need more than frames: a scoreboard that is read, a ball that is tracked, a rule book. A tool of
your own comes through the same door as `choose_frames`: parser, prompt, schemas, budgets, records, rewards
and faults are the system's, what a call finds is yours.

    python add_a_tool.py FOLDER_WITH_VIDEOS
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

from deepsport.protocol import Action, Argument, ArgumentKind, Reason
from deepsport.rollout import Episode, Reply
from deepsport.task import Kind, Media, Task, Truth
from deepsport.tool import Finding, FrameSource, ToolSettings, register_tool, tool_actions


# The tool: where does the picture change most, from one frame to the next? (Cuts, flashes, fast play.)
class FindChange:
    """Find the strongest change inside a window, and show the frame after it."""

    # The action says how it is called. A WINDOW is frame_range, start_frame and end_frame, or
    # times in seconds: whatever the rollout speaks.
    action = Action(
        "find_change",
        "Show the frame after the strongest change inside a window.",
        (
            Argument("frame_range", ArgumentKind.WINDOW),
            Argument("step", ArgumentKind.INTEGER, "compare every so many frames", required=False),
        ),
        {"frame_range": [120, 180]},
    )

    def use(self, call, scene):
        """Answer one call; its arguments have the declared kinds."""
        start, end = call.frame_range
        step = call.arguments.get("step", 1)
        frames = range(max(0, start), min(end, scene.frame_count), max(1, step))
        if len(frames) < 2:
            # What makes no sense is told to the model. An exception would be a fault of the tool.
            return Finding(
                f"There are no two frames between {start} and {end} to compare.",
                verdict=Reason.CALL_REFUSED,
            )
        # Pixels come from the frame core, each decoded once for all rollouts of a task.
        pictures = scene.pixels([scene.frame(index) for index in frames])
        changes = [
            abs(after.astype(int) - before.astype(int)).mean()
            for before, after in itertools.pairwise(pictures)
        ]
        found = frames[changes.index(max(changes)) + 1]
        # Frames are named, not painted: what was shown can be decoded again from the record.
        return Finding(
            f"The picture changes most before frame {found}.",
            frames=(scene.frame(found),),
            window=(frames[0], frames[-1] + 1),
        )


# Register what makes one for each rollout, and name it in the settings. A package offers it by an entry
# point instead, of the group "deepsport.tools", with the tool's name and "my_package:make_find_change".
def make_find_change(settings, options):  # noqa: ARG001 - options of ToolSettings.tool_options
    """Make the tool of one rollout."""
    return FindChange()


register_tool("find_change", make_find_change)
settings = ToolSettings(tools=("choose_frames", "find_change"), first_frames=2, frames_per_call=4)
print(tool_actions(settings)[1].json_schema()["function"]["name"], "is a function schema too")

# Play. Here a script plays the model; `deepsport.evaluate`, `distil`, `sft` and `rl` do the same.
folder = Path(sys.argv[1])
clip = next(path.name for path in sorted(folder.iterdir()) if path.suffix == ".mp4")
task = Task("q1", Kind.TEXT, "When does it happen?", Truth(references=("early",)), (Media(clip),))
episode = Episode(task, FrameSource(folder), settings)
episode.observe(
    Reply(
        "<think>Where does it change?</think><tool_call>"
        '{"action":"find_change","frame_range":[2,20]}</tool_call>'
    )
)
print(episode.turns[-1].text)
episode.observe(Reply("<think>I see.</think><answer>early</answer>"))

# The record has the call, its verdict and the frame that was shown.
record = episode.trajectory()
call = record.calls[0]
print(record.status.value, call.name, call.window, call.verdict)
assert len(record.frames_shown) == 3
