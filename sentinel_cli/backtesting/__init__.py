"""Decisions on what has happened already, and what they would have been worth."""
