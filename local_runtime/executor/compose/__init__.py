"""Compose files: finding a container's, and changing the one image in it that an update has moved."""
