"""The self-hosted door: FastAPI over the route table."""
