"""What a host may call: one route table over the use cases, knowing no host."""
