"""The clients: what each is, where it is installed, which dialects it speaks, and what it cannot be asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

Dialect = Literal["chat", "responses", "messages"]

OPENAI: Final[tuple[Dialect, ...]] = ("chat", "responses")
ALL: Final[tuple[Dialect, ...]] = ("chat", "responses", "messages")


@dataclass(frozen=True, kw_only=True)
class Client:
    """One published package, or several that belong together."""

    name: str
    """As the table has it, with the versions."""
    environment: str
    """Of `tests.judges.sdks.environments`."""
    program: str
    dialects: tuple[Dialect, ...]
    often: bool = False
    """Whether `.ci/run` has it; `make test-clients` has all."""
    framework: bool = False
    """Whether it stands on an SDK: what it raises and what it calls an end are its own words."""
    breaks_lines: bool = False
    """Whether it takes U+2028 for the end of a line and loses what follows, unless it comes escaped, as here."""
    lacks: Mapping[str, str] = field(default_factory=dict)
    """Behaviours that it has no way to show, and why; of one dialect as `chat reasoning`."""
    options: Mapping[str, str] = field(default_factory=dict)
    """What its program is told with each task."""

    def lacking(self, dialect: Dialect, behaviour: str) -> str:
        """Why there is nothing to judge; empty where there is."""
        return self.lacks.get(behaviour) or self.lacks.get(f"{dialect} {behaviour}", "")


_NO_HELPER: Final = {"stream helper": "has one way to stream"}
_UNCOUNTED: Final = {"retry": "sends no number of its retries, so that each is a request of its own, paid for itself"}
_STRUCTURES: Final = dict.fromkeys(
    (
        "create",
        "stream",
        "tools",
        "tool loop",
        "reasoning",
        "other provider",
        "leave",
        "silence",
        "fails amid",
        "cut",
        "retry",
    ),
    "asks for structures only",
)
_FRAMEWORK: Final = {
    **_NO_HELPER,
    "cancel": "has none of its own",
    "resume": "shows no events to count: it reads the answer again by its id, as under 'leave'",
}

CLIENTS: Final = (
    Client(
        name="openai 3.57 (Python)", environment="newest", program="openai_sdk.py", dialects=OPENAI, often=True,
        lacks={"tool loop": "has none"},
    ),
    Client(
        name="openai 2.54 (Python)", environment="previous", program="openai_sdk.py", dialects=OPENAI, often=True,
        lacks={"tool loop": "has none"},
    ),
    Client(
        name="openai 1.109 (Python)", environment="oldest", program="openai_sdk.py", dialects=OPENAI,
        lacks={"tool loop": "has none"},
    ),
    Client(
        name="anthropic 2.14 (Python)", environment="newest", program="anthropic_sdk.py", dialects=("messages",),
        often=True, lacks={"tool loop": "has none"},
    ),
    Client(
        name="anthropic 1.17 (Python)", environment="previous", program="anthropic_sdk.py", dialects=("messages",),
        often=True, lacks={"tool loop": "has none"},
    ),
    Client(
        name="anthropic 0.125 (Python)", environment="oldest", program="anthropic_sdk.py", dialects=("messages",),
        lacks={"tool loop": "has none"},
    ),
    Client(
        name="openai 7.59 (Node)", environment="node", program="openai.mjs", dialects=OPENAI, often=True,
        lacks={"tool loop": "has none"},
    ),
    Client(
        name="@anthropic-ai/sdk 1.14 (Node)", environment="node", program="anthropic.mjs", dialects=("messages",),
        often=True, lacks={"tool loop": "has none"},
    ),
    Client(
        name="openai 6.49 (Node)", environment="node_more", program="openai.mjs", dialects=OPENAI,
        lacks={"tool loop": "has none"},
    ),
    Client(
        name="@anthropic-ai/sdk 0.137 (Node)", environment="node_more", program="anthropic.mjs",
        dialects=("messages",), lacks={"tool loop": "has none"},
    ),
    Client(
        name="pydantic-ai 2.68", environment="frameworks", program="pydantic_ai_framework.py", dialects=ALL,
        often=True, framework=True, lacks=_FRAMEWORK,
    ),
    Client(
        name="LangChain (langchain-openai 1.7, langchain-anthropic 1.7)", environment="frameworks",
        program="langchain_framework.py", dialects=ALL, often=True, framework=True,
        lacks=_FRAMEWORK | {"tool loop": "leaves it to LangGraph", "chat reasoning": "reads none over Chat"},
    ),
    Client(
        name="OpenAI Agents SDK 0.24", environment="frameworks", program="agents_framework.py", dialects=OPENAI,
        often=True, framework=True, lacks=_FRAMEWORK,
    ),
    Client(
        name="LiteLLM", environment="litellm", program="litellm_framework.py", dialects=("chat", "messages"),
        framework=True, breaks_lines=True,
        lacks=_FRAMEWORK | {"tool loop": "has none", "messages retry": "asks once over Messages"},
    ),
    Client(
        name="Instructor 1.17", environment="instructor", program="instructor_framework.py", dialects=("chat",),
        framework=True,
        lacks=_FRAMEWORK | _STRUCTURES,
    ),
    Client(
        name="@ai-sdk/openai 4", environment="node_more", program="ai_sdk.mjs", dialects=OPENAI, framework=True,
        lacks=_FRAMEWORK | _UNCOUNTED | {"chat reasoning": "reads none over Chat"}, options={"provider": "openai"},
    ),
    Client(
        name="@ai-sdk/anthropic 4", environment="node_more", program="ai_sdk.mjs", dialects=("messages",),
        framework=True, lacks=_FRAMEWORK | _UNCOUNTED, options={"provider": "anthropic"},
    ),
    Client(
        name="@ai-sdk/openai-compatible 3", environment="node_more", program="ai_sdk.mjs", dialects=("chat",),
        framework=True, lacks=_FRAMEWORK | _UNCOUNTED, options={"provider": "openai-compatible"},
    ),
)  # fmt: skip
