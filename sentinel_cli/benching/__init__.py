"""How fast it is here: `sentinel bench`, the commands themselves under measurement.

Every figure is of the real command in a process of its own, on real Kafka and Redis, with its guarantee
whole, and stands beside the raw drain of the same records: what confluent-kafka hands to Python when
nobody looks at them. That ratio compares across machines; the figures alone do not.
"""

# Of each topic, unless another number is asked for; and then the result says so.
PARTITIONS = 4
