"""Image registries over HTTP."""
