"""How people ask: HTTP and the command line."""
