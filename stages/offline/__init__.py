"""Summaries and analyses without a language model: statistics and rules, no download, the same answer every time."""
