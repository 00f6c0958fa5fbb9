"""Adapters for everything a stage reaches outside its payload: the web, a language model, child processes."""
