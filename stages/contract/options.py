"""What a client may ask of a job beyond its source and its pipeline."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

Processing = Literal["quick", "detailed"]


class Options(BaseModel):
    """Options of one job, the same for all of its stages."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    processing: Processing = "quick"
    """`quick`: about three sentences. `detailed`: sections and key points."""
