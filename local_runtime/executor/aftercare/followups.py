"""What is done on a host once an operation has ended, in this order."""

from __future__ import annotations

from local_runtime.executor.aftercare.companions import restart_companions
from local_runtime.executor.aftercare.conclusion import Followup
from local_runtime.executor.aftercare.pruning import prune
from local_runtime.executor.compose.step import keep_in_step
from local_runtime.executor.updating.hooks import after_update

FOLLOWUPS: tuple[Followup, ...] = (keep_in_step, after_update, restart_companions, prune)
