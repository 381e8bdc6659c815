"""# Write a reward

Score rollouts with a preset, then with a formula of your own, and turn the totals into advantages.

    python write_a_reward.py
"""

from __future__ import annotations

import numpy as np

from deepsport.reward import Preset, RolloutText, advantages, score_rollouts, weighted
from deepsport.task import Truth


# Four rollouts of one question: two look before they answer, two are right.
def rollout(answer, window=None):
    """Write what a model would, with or without a look at a window."""
    turns = []
    if window:
        turns.append(
            "<think>Closer.</think><tool_call>"
            f'{{"action":"choose_frames","frame_range":[{window[0]},{window[1]}]}}</tool_call>'
        )
    turns.append(f"<think>Now I know.</think><answer>{answer}</answer>")
    return RolloutText(
        turns=tuple(turns), kind="choice", truth=Truth(labels=("B",)), frame_count=300
    )


group = [rollout("B", (90, 150)), rollout("A", (200, 260)), rollout("B"), rollout("A")]

# The paper's reward: being right after looking pays most.
paper = score_rollouts(group, preset="deepsport-v1")
print("deepsport-v1", paper.total.tolist())
assert paper.total.tolist() == [1.5, 0.03, 1.0, 0.0]

# A weighted sum of parts is one line.
plain = score_rollouts(
    group, preset=weighted("plain", accuracy=0.9, well_formed=0.1, malformed=0.0)
)
print("plain", plain.total.tolist())
assert np.allclose(plain.total, [1.0, 0.1, 1.0, 0.1])

# Advantages within the group of four: what policy gradients train on.
adv = advantages(paper.total, 4, paper.masked)
print("advantages", np.round(adv, 2).tolist())
assert abs(adv.sum()) < 1e-9
assert adv.argmax() == 0

# Any other formula is a function of arrays; see deepsport.reward.presets.Preset.
assert Preset.__doc__
