"""Kafka: clients, topics, the codec of records, dead letters and the worker loop."""
