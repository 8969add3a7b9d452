"""Stream-Sentinel's profiles: what is known about each user, and where it is kept."""
