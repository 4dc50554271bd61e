"""What follows the end of an operation: it is told and stored, others are seen to, and what was left is cleared."""
