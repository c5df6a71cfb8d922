"""Bring your own data: a file, a folder or a hub name becomes a task, without code."""
