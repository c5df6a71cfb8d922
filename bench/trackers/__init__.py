"""Trackers that people already have: what a run folder holds, copied to MLflow or TensorBoard as it grows."""
