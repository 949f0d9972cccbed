"""Expressions to loops. Read `loops.py` (the loop IR on one page) first, then `schedule.py`."""
