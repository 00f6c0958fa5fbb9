"""Choosing and rendering the main content of a page. All of it runs in a child process that can be killed."""
