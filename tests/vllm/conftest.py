"""vLLM on the CPU: what it needs in the environment before it is imported."""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.update(
    VLLM_ENABLE_V1_MULTIPROCESSING="0",
    VLLM_CPU_KVCACHE_SPACE="1",
    VLLM_CPU_OMP_THREADS_BIND="nobind",
    VLLM_LOGGING_LEVEL="WARNING",
    VLLM_NO_USAGE_STATS="1",
    HF_HUB_OFFLINE="1",
    OMP_NUM_THREADS="1",
    TORCHDYNAMO_DISABLE="1",
    DEEPSPORT_INDEX_CACHE="off",
)
sys.path.insert(0, str(Path(__file__).parent.parent / "python"))
