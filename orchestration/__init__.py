"""How runs are driven: the only home of Celery, Redis and SQLAlchemy."""
