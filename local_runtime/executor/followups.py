"""What is done on a host once an operation has ended, in this order."""

from __future__ import annotations

from local_runtime.executor.companions import restart_companions
from local_runtime.executor.compose.step import keep_in_step
from local_runtime.executor.conclusion import Followup
from local_runtime.executor.hooks import after_update
from local_runtime.executor.pruning import prune

FOLLOWUPS: tuple[Followup, ...] = (keep_in_step, after_update, restart_companions, prune)
