"""JSON shapes of the API and of stored documents, both ways, without I/O; the only place where camelCase exists."""
