"""PynamoDB and raw DynamoDB behind the store ports."""
