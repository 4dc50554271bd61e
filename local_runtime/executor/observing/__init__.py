"""What only looks: logs as files and as streams, samples, and the executor's own log."""
