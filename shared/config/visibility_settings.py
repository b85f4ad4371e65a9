"""What is seen from outside: metrics and logs.

Every field ends with its default.
"""

from typing import Literal

from pydantic import Field

from shared.config.allowed_values import CheckedModel


class VisibilitySettings(CheckedModel):
    """The settings of what is seen from outside."""

    metrics_port: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        description="TCP port on which an API and a worker serve their metrics at `/metrics`; each process needs its "
        "own. Defaults to none: no metrics are served.",
    )
    metrics_host: str = Field(
        default="127.0.0.1", description="Address on which metrics are served. Defaults to 127.0.0.1."
    )
    metrics_owners: bool = Field(
        default=False, description="Whether metrics of generations have a label `owner`. Defaults to false."
    )
    log_format: Literal["text", "json"] = Field(
        default="text", description="How a log line is written: `text`, or one JSON object. Defaults to text."
    )
    access_log: Literal["all", "answers", "none"] = Field(
        default="answers",
        description="Requests for which an API logs a line: `all`, `answers` without a GET of an event stream that has "
        "begun, which its metrics count, or `none`. Defaults to answers.",
    )
