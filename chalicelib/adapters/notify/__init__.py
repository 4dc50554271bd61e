"""Delivery of messages, one module for each way there is."""
