"""Reading JSON that FastAPI does not read itself, with the answers that it would give."""

import json
from typing import TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException

ModelT = TypeVar("ModelT", bound=BaseModel)


def parsed(model: type[ModelT], body: bytes | str) -> ModelT:
    """What a body says. Raises `RequestValidationError`, or `HTTPException` where it is not even text."""
    try:
        document = json.loads(body)
    except json.JSONDecodeError as error:
        broken = {"type": "json_invalid", "loc": ("body", error.pos), "msg": "", "ctx": {"error": error.msg}}
        raise RequestValidationError([broken]) from None
    except (UnicodeDecodeError, RecursionError):
        raise HTTPException(400, "The body is not valid JSON.") from None
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise RequestValidationError([{**each, "loc": ("body", *each["loc"])} for each in error.errors()]) from None
