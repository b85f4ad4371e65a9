"""How much to think and in which form to answer: `thinking`, `output_config` and `output_format` as ours.

A provider of the same protocol gets `thinking` and `output_config` as they are, by `extra`, where ours say less.
"""

from typing import Any

from api.dialects.anthropic_messages.checks import a_type, an_object, cannot, only, within, wrong
from api.dialects.anthropic_messages.places import Places

EFFORTS = {"low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh", "max": "xhigh"}
"""Our efforts, by Anthropic's."""
_FORMAT_NAME = "answer"
"""The schema's name, which others want and Anthropic has not."""


def read_thinking(
    body: dict[str, Any], native: dict[str, Any], passed: dict[str, Any], places: Places, effort: Any, *, same: bool
) -> None:
    """Adds to our request how much to think, and to what is passed on what only Anthropic can do of it.

    `effort` is that of the turn, where the messages say one; it counts before that of the request. Raises ProblemError.
    """
    effort = _output(body, native, passed, places, effort, same=same)
    if "thinking" not in body:
        if effort is not None and not same:
            native["reasoning_effort"] = effort
            places.add("/reasoning_effort", "/output_config/effort")
        return
    fields = an_object(body["thinking"], "/thinking")
    type_ = a_type(fields, "/thinking")
    only(fields, ("type", "budget_tokens", "display", "block_binding"), "/thinking")
    if type_ not in ("enabled", "adaptive", "disabled", "between_tools"):
        raise wrong("/thinking/type", "must be enabled, adaptive, disabled or between_tools; choose from these")
    off = type_ in ("disabled", "between_tools")
    if same and (fields.keys() - {"type", "budget_tokens"} or type_ in ("adaptive", "between_tools")):
        passed["thinking"] = fields
    if off:
        # Which models take `between_tools` is for Anthropic to say.
        native |= {} if "thinking" in passed else {"reasoning_effort": "none"}
        places.add("/reasoning_effort", "/thinking/type")
    elif type_ == "enabled" and (same or effort is None):
        native["reasoning_budget"] = _budget(fields)
        places.add("/reasoning_budget", "/thinking/budget_tokens")
    elif effort is not None:
        native["reasoning_effort"] = effort
        places.add("/reasoning_effort", "/output_config/effort")


def _budget(fields: dict[str, Any]) -> Any:
    """Returns the budget, which our request's validation looks at."""
    if fields["type"] == "enabled" and "budget_tokens" not in fields:
        raise wrong("/thinking/budget_tokens", "is required; add it")
    return fields.get("budget_tokens")


def _output(
    body: dict[str, Any], native: dict[str, Any], passed: dict[str, Any], places: Places, of_turn: Any, *, same: bool
) -> str | None:
    """Reads `output_config`, and `output_format` as the beta had it; returns the effort that is asked for, if any."""
    config = an_object(body.get("output_config", {}), "/output_config")
    pointer = "/output_config/format"
    if "output_format" in body:
        if "format" in config:
            raise wrong("/output_format", "stands in output_config too; give one")
        config, pointer = config | {"format": body["output_format"]}, "/output_format"
    if of_turn is not None:
        config = config | {"effort": of_turn}
    if not config:
        return None
    places.add("/response_format", pointer)
    if "format" in config:
        native["response_format"] = _format(config["format"], pointer)
    effort = config.get("effort")
    if effort is not None and not (isinstance(effort, str) and effort in EFFORTS):
        raise wrong("/output_config/effort", f"must be {', '.join(EFFORTS)}; choose from these")
    if same:
        if config.keys() != {"format"}:
            passed["output_config"] = config
    else:
        only(config, ("effort", "format", "task_budget"), "/output_config")
        if "task_budget" in config:
            raise cannot("/output_config/task_budget", "is a budget that Anthropic's models keep; leave it out")
    return None if effort is None else EFFORTS[effort]


def _format(given: Any, pointer: str) -> dict[str, Any]:
    fields = an_object(given, pointer)
    if a_type(fields, pointer) != "json_schema":
        raise wrong(within(pointer, "type"), "must be json_schema")
    only(fields, ("type", "schema"), pointer)
    an_object(fields.get("schema"), within(pointer, "schema"))
    # What it is called elsewhere to hold the model to the schema, as Anthropic does in any case.
    strict = {"strict": True} if _is_whole(fields["schema"]) else {}
    return {"type": "json_schema", "json_schema": {"name": _FORMAT_NAME, "schema": fields["schema"], **strict}}


def _is_whole(schema: Any) -> bool:
    """Says whether each object names all that it has, as OpenAI wants it for `strict` ("Structured outputs")."""
    if isinstance(schema, list):
        return all(map(_is_whole, schema))
    if not isinstance(schema, dict):
        return True
    if schema.get("type") == "object" or "properties" in schema:
        properties, required = schema.get("properties"), schema.get("required", [])
        if not isinstance(properties, dict) or not isinstance(required, list):
            return False
        if schema.get("additionalProperties") is not False or not properties.keys() <= set(map(str, required)):
            return False
    return all(map(_is_whole, schema.values()))
