"""The tables of settings in docs/configuration.md: their rows are made from the models.

`python -m tests.configuration_tables` writes them anew, and names fields that have no row yet: give each its place.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from shared.config.allowed_values import allowed
from shared.config.chat_settings import ChatSettings
from shared.config.owner_settings import OwnerSettings
from shared.config.provider_settings import ProviderSettings
from shared.config.settings import PriceSettings, Settings

DOCUMENT = Path(__file__).parents[1] / "docs/configuration.md"
TABLES: dict[str, type[BaseModel]] = {
    "setting": Settings,
    "field of a provider": ProviderSettings,
    "price": PriceSettings,
    "field of an owner": OwnerSettings,
    "field of the chats": ChatSettings,
}
"""By the name of a table's first column."""


def row(name: str, model: type[BaseModel]) -> str:
    """The row of a field: its type, unit and bounds, and what it is for, which ends with its default."""
    field = model.model_fields[name]
    return f"| `{name}` | {allowed(field)} | {field.description} |"


def written_anew(text: str) -> str:
    """The document with its rows as the models have them."""
    model: type[BaseModel] | None = None
    lines = []
    for line in text.splitlines():
        if header := re.match(r"\| ([\w ]+) \| allowed \|", line):
            model = TABLES[header[1]]
        elif not line.startswith("|"):
            model = None
        named = re.match(r"\| `(\w+)` \|", line)
        lines.append(row(named[1], model) if model and named and named[1] in model.model_fields else line)
    return "\n".join(lines) + "\n"


def missing(text: str) -> Iterator[str]:
    """Rows that the document lacks."""
    for model in TABLES.values():
        for name in model.model_fields:
            if row(name, model) not in text.splitlines():
                yield row(name, model)


def main() -> int:
    """The command; 1 where a field has no row."""
    text = written_anew(DOCUMENT.read_text(encoding="utf-8"))
    DOCUMENT.write_text(text, encoding="utf-8")
    lacking = list(missing(text))
    print(*lacking, sep="\n")
    return 1 if lacking else 0


if __name__ == "__main__":
    sys.exit(main())
