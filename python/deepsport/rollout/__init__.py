"""Play the protocol: a policy, the frame tool, and the turns between them."""

from __future__ import annotations

from deepsport.rollout.episode import Episode
from deepsport.rollout.loop import play
from deepsport.rollout.policy import Policy, Reply, ScriptedPolicy

__all__ = ["Episode", "Policy", "Reply", "ScriptedPolicy", "play"]
