"""Grading: what students hand in is run in a sandbox, judged outside of it, and told to them on a page."""
