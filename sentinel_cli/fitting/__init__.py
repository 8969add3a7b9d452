"""A scorecard's points from what happened, instead of from taste."""
