"""Scoring, as a pure function: profiles, transactions and a scorecard in, scores and profiles out."""
