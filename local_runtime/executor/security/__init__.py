"""The safety of images: the gate before updates, inspections on demand and by the clock, and alerts of findings."""
