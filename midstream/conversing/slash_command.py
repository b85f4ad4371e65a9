"""Lines that are no message, but say what to do here: `/model NAME`, `/stop` and so on."""

import re
from typing import NamedTuple

from midstream.errors import RefusedError

COMMANDS = {
    "model": ("NAME", "asks this model from now on; without a name, lists the models"),
    "stop": ("", "ends the answer that runs, for all who watch it; also while it is being written"),
    "share": ("", "makes a link by which anybody may read the last answer"),
    "help": ("", "shows this"),
    "quit": ("", "leaves, as Ctrl-D does; what runs goes on"),
}
KEYS = (
    "Ctrl-C gives the prompt back while an answer runs: the answer goes on, Enter shows the rest, /stop ends it.\n"
    "What is typed while an answer runs is sent when it has ended. Several lines are pasted as one message.\n"
    "A line with a space before its / is a message."
)


class SlashCommand(NamedTuple):
    """One of the commands, with what stands behind its name."""

    name: str
    argument: str


def slash_command(line: str) -> SlashCommand | None:
    """Returns the command that a line is; None for a message. Raises RefusedError for one that does not exist."""
    # `/etc/hosts says …` is a message.
    found = re.fullmatch(r"/([A-Za-z]+)(?:[ \t]+([^\n]*))?", line.rstrip())
    if found is None:
        return None
    name, argument = found[1].lower(), (found[2] or "").strip()
    if name not in COMMANDS:
        raise RefusedError(f"there is no /{name}; /help lists what there is, and a space before the / sends it as text")
    if argument and not COMMANDS[name][0]:
        raise RefusedError(f"/{name} takes nothing behind it; a space before the / sends it as text")
    return SlashCommand(name, argument)


def help_text() -> str:
    """Returns what `/help` shows."""
    typed = {f"/{name} {argument}".rstrip(): told for name, (argument, told) in COMMANDS.items()}
    width = max(map(len, typed))
    return "\n".join([*(f"{words:<{width}}  {told}" for words, told in typed.items()), KEYS])
