"""Results for the tools that an answer calls: nothing here runs them, and a provider wants one for each call."""

import json
from typing import Any

from midstream_client import Answer
from shared.request.call_arguments import arguments_of

NOT_RUN = "This client has not run it."


def results_for(answer: Answer) -> list[dict[str, Any]]:
    """Returns a message for each call of an ended answer that counts in what goes on from it."""
    # A call that broke off is left out of what goes on, and a result without a call would not pair (docs/protocol.md).
    cut = answer.state != "completed" or (answer.end or {}).get("finish_reason") == "length"
    return [
        {"role": "tool", "tool_call_id": part["call_id"], "content": NOT_RUN}
        for part in answer.parts
        if part["kind"] == "tool_call"
        and part["complete"]
        and part.get("executor") != "provider"
        and part["call_id"]
        and part["name"]
        and not (cut and arguments_of(_text(part)) is None)
    ]


def _text(call: dict[str, Any]) -> str:
    text: str | None = call.get("arguments_text")
    return json.dumps(call.get("arguments")) if text is None else text
