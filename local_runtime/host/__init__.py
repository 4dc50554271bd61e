"""The machine beneath: Python environment, apt packages, Docker Engine. Standard library only, it runs before .venv."""
