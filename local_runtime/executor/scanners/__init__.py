"""The programs that look into images: how each is called, and what its output means."""
