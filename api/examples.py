"""Examples in the OpenAPI description: real answers, which a test keeps from going out of date."""

import json
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("examples.json")


def answers() -> dict[str, Any]:
    """Answers by the name of the schema that describes them."""
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


EVENTS = """event: stage.succeeded
id: 1795262400400-0
data: {"event": "stage.succeeded", "job_id": "01a1fd20-974e-7463-a83b-e6c45a3d90b5", "run": 1, "stage": "fetch"}

"""
