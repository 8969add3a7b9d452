"""What is done about alerts: blocks, cases, a record of every step."""
