"""Statistics, tables and comparisons: pure functions over records and per-example predictions.

Nothing here imports torch, so `table` and `compare` start at once.
"""
