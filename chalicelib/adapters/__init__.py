"""The only third-party I/O: DynamoDB, SQS, registries, clocks."""
