"""Changing what a container is made of: the story of an update, its one undo, and what brings either to its end."""
