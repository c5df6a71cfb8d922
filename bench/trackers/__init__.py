"""Trackers that people already have: what a run folder holds, copied to each of them as the run grows."""
