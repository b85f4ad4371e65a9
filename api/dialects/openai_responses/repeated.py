"""What a response repeats of its request as it is: of the type that clients read it as, or refused."""

from typing import Any

from api.dialects.openai_responses.fields import ECHOED
from api.dialects.openai_responses.pointers import wrong

_TYPES: dict[str, tuple[tuple[type, ...], str]] = {
    **dict.fromkeys(("background", "parallel_tool_calls", "store"), ((bool,), "true or false")),
    **dict.fromkeys(("max_output_tokens", "max_tool_calls", "top_logprobs"), ((int,), "a whole number")),
    **dict.fromkeys(("frequency_penalty", "presence_penalty", "temperature", "top_p"), ((int, float), "a number")),
    "metadata": ((dict,), "an object"),
}
"""What is no text. Clients in typed languages fail on a response that has a number as text (API reference)."""


def repeated(given: dict[str, Any]) -> dict[str, Any]:
    """Returns those fields of a request. Raises ProblemError 400 for one of another type."""
    found = {name: given[name] for name in ECHOED if name in given}
    for name, value in found.items():
        types, words = _TYPES.get(name, ((str,), "a string"))
        if type(value) is float and types == (int,) and value.is_integer():
            found[name] = int(value)
        elif type(value) not in types:
            raise wrong(f"/{name}", f"must be {words}")
    return found
