"""Properties are tried without a time limit: how long one takes says more of the machine than of the code."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("patient", settings(), deadline=None)
settings.load_profile("patient")
