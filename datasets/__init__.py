"""Stream-Sentinel's data: the IEEE-CIS schema, synthetic traffic, and the geography both need."""
