"""Stream-Sentinel: card fraud, scored exactly once as it streams through Kafka."""

__version__ = "0.1.0"
