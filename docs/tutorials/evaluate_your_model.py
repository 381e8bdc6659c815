"""# Evaluate your model

Anything that can reply to a conversation is a policy. Here: one that looks at the middle and answers "B".
Runs are resumable folders; scores come with intervals.

    python evaluate_your_model.py FOLDER_WITH_VIDEOS
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from deepsport.evaluate import evaluate
from deepsport.rollout import ScriptedPolicy
from deepsport.task import Kind, Media, Task, Truth
from deepsport.tool import FrameSource

# Questions: whatever you have, as tasks with their truth.
folder = Path(sys.argv[1])
clip = next(path.name for path in sorted(folder.iterdir()) if path.suffix == ".mp4")
tasks = [
    Task(
        task_id=f"q{number}",
        kind=Kind.CHOICE,
        question="What happens next?",
        options=("a serve", "a smash"),
        truth=Truth(labels=(right,)),
        media=(Media(path=clip),),
    )
    for number, right in enumerate("ABBB")
]


# The policy. A model goes here: `episode.turns` are the words, `episode.images` the frames so far.
def reply(episode):
    """Look once, then answer."""
    if episode.calls_made == 0:
        call = '{"action":"choose_frames","frame_range":[10,30]}'
        return f"<think>Closer.</think><tool_call>{call}</tool_call>"
    return "<think>I see.</think><answer>B</answer>"


with tempfile.TemporaryDirectory() as out:
    policy = ScriptedPolicy("always-b", reply)
    summary = evaluate(tasks, policy, Path(out) / "run", FrameSource(folder))
    print(summary)

# The same from the shell, for a checkpoint or a server, and a page to show:
#   deepsport evaluate --tasks tasks.jsonl --media-root FOLDER --model CHECKPOINT --out runs/mine
#   deepsport report runs/mine --out report.html
