"""Records in SQL and payloads in a folder."""
