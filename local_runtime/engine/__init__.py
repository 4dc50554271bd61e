"""The Docker engine of this machine: the only place that imports the Docker SDK."""
