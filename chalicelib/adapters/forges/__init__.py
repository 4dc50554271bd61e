"""Forges: where the source of images is published, and its releases described."""
