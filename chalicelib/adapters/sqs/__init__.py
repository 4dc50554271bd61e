"""SQS behind the queue port."""
