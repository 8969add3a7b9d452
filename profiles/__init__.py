"""What is known about each user, and where it is kept."""
