"""Holds what was written about an article against the article itself."""
