"""Watching an engine: what runs on it, what of that is stored, and what is newer."""
