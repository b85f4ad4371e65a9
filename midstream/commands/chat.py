"""The commands that follow a generation: `chat` starts one, `tail` rejoins one."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from midstream.address import DEFAULT_URL, Key, Url
from midstream.errors import RefusedError

if TYPE_CHECKING:
    from midstream.client.http_client import HttpClient

MAX_PROMPT_BYTES = 64_000_000

Reasoning = Annotated[bool, typer.Option("--reasoning", help="Show the model's reasoning on stderr.")]
Final = Annotated[
    bool,
    typer.Option(
        "--final",
        help="Write the text only when it is complete. Without it, text is written as it comes; where a new "
        "attempt starts over, stderr says so and stdout goes on in a new line, as what was written cannot be "
        "taken back.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Write each event as a line of JSON: id, event and data.")]

EXIT_CODES = (
    "Exit codes: 0 completed, 1 failed or cancelled, 2 wrong usage or request, 3 not found or expired, "
    "4 authentication, 5 unreachable, 130 detached by Ctrl-C. A closed pipe ends it quietly with 0. Into a file or a "
    "pipe the text goes as UTF-8, whatever the locale."
)


def chat(
    prompt: Annotated[str | None, typer.Argument(help="What to ask; read from stdin if missing or -.")] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="`provider/model` or an alias; the API's default if missing."),
    ] = None,
    system: Annotated[str | None, typer.Option("--system", "-s", help="Instructions before the prompt.")] = None,
    conversation: Annotated[
        str | None,
        typer.Option("--conversation", "-c", metavar="ID", help="Go on with this conversation, or begin it."),
    ] = None,
    reasoning: Reasoning = False,
    final: Final = False,
    json: Json = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Ask a model and stream its answer to stdout, with a newline at its end; everything else goes to stderr.

    Lost connections are rejoined. Ctrl-C only detaches: the generation goes on, and the command that rejoins
    it exactly there is printed.

    Without a prompt on a terminal it holds a conversation: each message goes on from the answer before, and /help says
    what else can be typed. There Ctrl-C gives the prompt back while the answer goes on, /stop ends it, Ctrl-D leaves.
    """
    from midstream.client.http_client import HttpClient

    system, model, conversation = _argument(system), _argument(model), _argument(conversation)
    if prompt is None and not json and sys.stdin.isatty() and sys.stdout.isatty():
        from midstream.conversing.start import Wishes, converse

        with HttpClient(url, key) as client:
            converse(client, key, Wishes(conversation, model, system, reasoning, final))
        return

    import msgspec

    from midstream.output.view import view

    # The prompt first: without one there is no reason to bother the API.
    messages = [{"role": "system", "content": system}] if system else []
    messages.append({"role": "user", "content": _prompt(prompt)})
    with HttpClient(url, key) as client:
        asked: dict[str, Any] = {"messages": messages}
        if conversation is not None:
            asked |= _going_on(client, conversation, messages)
        asked["model"] = model or asked.get("model") or client.default_model()
        follower = client.create(msgspec.json.encode(asked))
        raise typer.Exit(view(client, follower, reasoning=reasoning, final=final, json=json))


def tail(
    generation_id: Annotated[str, typer.Argument(metavar="ID", help="The generation.")],
    after: Annotated[
        str | None, typer.Option(metavar="EVENT_ID", help="Begin behind this event, not at the beginning.")
    ] = None,
    reasoning: Reasoning = False,
    final: Final = False,
    json: Json = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Follow a generation, running or ended, to its end."""
    from midstream.client.http_client import HttpClient
    from midstream.output.view import view
    from shared.log.events import EventId

    if after is not None:
        try:
            after = str(EventId.parse(after))
        except ValueError:
            raise RefusedError("--after: an event id looks like 1760000000000-42") from None
    with HttpClient(url, key) as client:
        follower = client.follow(generation_id, after)
        raise typer.Exit(view(client, follower, reasoning=reasoning, final=final, json=json))


def _prompt(argument: str | None) -> str:
    if argument is not None and argument != "-":
        prompt = _argument(argument) or ""
    else:
        if sys.stdin.isatty():
            print("Your prompt, then Ctrl-D on a line of its own:", file=sys.stderr)
        text = sys.stdin.buffer.read(MAX_PROMPT_BYTES + 1)
        if len(text) > MAX_PROMPT_BYTES:
            raise RefusedError(f"the prompt on stdin is longer than {MAX_PROMPT_BYTES:,} bytes")
        prompt = text.decode("utf-8", "replace").removesuffix("\n")
    if not prompt.strip():
        raise RefusedError("the prompt is empty; give it as an argument or on stdin")
    return prompt


def _going_on(client: "HttpClient", name: str, messages: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns the fields of a request that goes on with a conversation, or begins it, with these messages."""
    from midstream.conversing.place import Place

    place = Place(client, name)
    place.look()
    fields: dict[str, Any] = {"conversation": name, "messages": [*place.opening(), *messages]}
    fields |= {"previous": place.previous, "model": place.newest and place.newest.model}
    return {field: value for field, value in fields.items() if value is not None}


def _argument(text: str | None) -> str | None:
    # Bytes that are no UTF-8 arrive as lone surrogates, which JSON cannot carry.
    return text and text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
