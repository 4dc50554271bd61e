"""Updating the executor itself, or what it reaches its engine through: knowing oneself, and a deputy that does it."""
