"""The embedded store: DynamoDB and SQS on one's own machine, moto behind a journal that survives kill -9."""
