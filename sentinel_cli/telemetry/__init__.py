"""What workers tell about themselves, and who listens: `sentinel top`, Prometheus."""
