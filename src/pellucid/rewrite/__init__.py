"""Algebra on expressions: an engine that applies rules and logs them, and the tables of rules."""
