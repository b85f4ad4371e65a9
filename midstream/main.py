"""The `midstream` command and its subcommands.

Exit codes: 0 ok, 1 failed, 2 usage or configuration, 3 not found or expired, 4 authentication, 5 unreachable,
130 interrupted. Each program, and what reads settings, is imported by its own commands only, so that `--help` and
`--version` are quick and the API never loads a provider's SDK.
"""

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from midstream.address import Key
from midstream.commands import chat, keys, show, usage
from midstream.errors import ClientError, StartError
from midstream.program import typed
from midstream.standard_streams import forgive, own_streams
from midstream.terminal import exact_line
from shared.errors import SettingsError
from shared.process import json_lines

app = typer.Typer(
    name="midstream",
    help="LLM answers that survive reloads, lost networks and restarts.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

Host = Annotated[
    str | None,
    typer.Option(help="Address of the API; any but loopback needs MIDSTREAM_API_KEYS. [127.0.0.1]"),
]
Port = Annotated[int | None, typer.Option(min=0, max=65535, help="TCP port of the API; 0 for a free one. [8000]")]
Processes = Annotated[int, typer.Option(min=1, max=64, help="API processes on the port; more than one on Linux only.")]
DataDir = Annotated[Path, typer.Option(file_okay=False, help="Folder of the embedded server's data.")]


def _say_version(wanted: bool) -> None:
    if wanted:
        from shared.process.version import version

        print(f"midstream {version()}")
        raise typer.Exit


def _warn(lines: Iterable[str]) -> None:
    for line in lines:
        told = json_lines.line(line, "midstream", level="WARNING") if json_lines.wanted() else f"midstream: {line}"
        print(told, file=sys.stderr)


@app.callback()
def options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """What every command has: `--version` ends the program before one is looked for."""
    if context.invoked_subcommand in ("up", "api", "worker", "simulator"):
        from shared.process.file_descriptors import raise_limit

        # Also what is said of settings that cannot be read.
        json_lines.want(os.environ.get("MIDSTREAM_LOG_FORMAT") == "json")
        forgive()
        raise_limit()  # before any connection, and for all whom it starts


@app.command()
def up(
    port: Port = None,
    host: Host = None,
    data_dir: DataDir = Path(".midstream"),
    workers: Annotated[int, typer.Option(min=1, max=64, help="Worker processes.")] = 1,
    processes: Processes = 1,
) -> None:
    """Run everything on this machine: embedded server, API, workers and simulator."""
    from midstream.commands import up

    raise typer.Exit(up.run(host, port, data_dir, workers, processes))


@app.command()
def api(
    port: Port = None,
    host: Host = None,
    processes: Processes = 1,
    share_port: Annotated[
        bool, typer.Option("--share-port", help="Let other processes of this user listen on the port too.")
    ] = False,
    ssl_certfile: Annotated[
        Path | None, typer.Option(help="Certificate in PEM, with its chain: the API speaks HTTPS.")
    ] = None,
    ssl_keyfile: Annotated[Path | None, typer.Option(help="Its key in PEM, where it is not in the same file.")] = None,
    demo_socket: Annotated[
        str | None, typer.Option("--demo-socket", hidden=True, help="Where `up` takes what its page asks for.")
    ] = None,
) -> None:
    """Run the HTTP API against MIDSTREAM_REDIS_URL."""
    from shared.config.settings import load
    from shared.config.variables import warnings

    if ssl_keyfile is not None and ssl_certfile is None:
        raise SettingsError("--ssl-keyfile: needs --ssl-certfile; name the certificate of this key")
    settings = load(host=host, port=port)
    json_lines.want(settings.log_format == "json")
    _warn(warnings(settings.known()))
    if processes > 1:
        from midstream.commands import up

        files = {"--ssl-certfile": ssl_certfile, "--ssl-keyfile": ssl_keyfile}
        words = [word for name, file in files.items() if file is not None for word in (name, str(file))]
        raise typer.Exit(up.run_apis(settings, processes, words))
    from shared.process.gc_tuning import loading

    with loading():
        from api.app import run
        from api.serving.certificate import Certificate
    run(
        settings,
        share_port=share_port,
        certificate=None if ssl_certfile is None else Certificate(ssl_certfile, ssl_keyfile),
        demo_socket=demo_socket,
    )


@app.command()
def worker(
    processes: Annotated[int, typer.Option(min=1, max=64, help="Workers, each a process with a core of its own.")] = 1,
    supervised: Annotated[
        bool, typer.Option("--supervised", hidden=True, help="Whoever starts it has warned.")
    ] = False,
) -> None:
    """Run one worker, or several, against MIDSTREAM_REDIS_URL."""
    from shared.config.announcement import announcement
    from shared.config.outbound import check
    from shared.config.settings import load
    from shared.config.variables import warnings

    settings = load()
    json_lines.want(settings.log_format == "json")
    _warn(warnings(settings.known()))
    lines = [*announcement(settings), *check(settings.endpoints())]
    if not supervised:
        _warn(lines)
    if processes > 1:
        from midstream.commands import up

        raise typer.Exit(up.run_workers(settings, processes))
    from shared.process.gc_tuning import loading

    with loading():
        from worker.main import run
    run(settings)


@app.command()
def simulator(
    port: Annotated[int, typer.Option(min=0, max=65535, help="TCP port; 0 for a free one.")] = 8090,
    host: Annotated[str, typer.Option(help="Address; it asks for no key, so keep it private.")] = "127.0.0.1",
) -> None:
    """Run a provider server on this machine that answers as OpenAI, Anthropic and Gemini do."""
    from simulator.main import run

    run(port=port, host=host)


@app.command()
def doctor(
    data_dir: DataDir = Path(".midstream"),
    url: Annotated[
        str | None, typer.Option(help="Ask the server that runs there, and nothing of this machine.")
    ] = None,
    key: Key = None,
    json: Annotated[bool, typer.Option("--json", help="Write one JSON object.")] = False,
) -> None:
    """Check what Midstream needs and how it does, and say what to do about each thing that is wrong."""
    from midstream.commands import doctor

    raise typer.Exit(doctor.run(data_dir, url, key, json=json))


@app.command()
def top(
    data_dir: DataDir = Path(".midstream"),
    url: Annotated[
        str | None, typer.Option(help="Ask the server that runs there, with a key of the scope `admin`.")
    ] = None,
    key: Key = None,
    once: Annotated[bool, typer.Option("--once", help="Show it once, and end.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Write one JSON object a second.")] = False,
) -> None:
    """Show how the queue, its workers, its owners and the providers do, each second. Ctrl-C ends it."""
    from midstream.commands import top

    raise typer.Exit(top.run(data_dir, url, key, once=once, json=json))


@app.command()
def repair(data_dir: DataDir = Path(".midstream")) -> None:
    """Make a damaged append-only file of the embedded server readable; a copy of it stays."""
    from midstream.commands import repair

    raise typer.Exit(repair.run(data_dir))


app.command(epilog=chat.EXIT_CODES)(chat.chat)
app.command(epilog=chat.EXIT_CODES)(chat.tail)
app.command()(show.cancel)
app.command()(show.show)
app.command("list")(show.list_generations)
app.command()(usage.usage)
app.add_typer(keys.app)


def main() -> None:
    """Runs the `midstream` script; a wrong setting ends it with one line and exit code 2."""
    with own_streams():
        try:
            app(prog_name=typed())
        except KeyboardInterrupt:
            sys.exit(130)
        except (SettingsError, StartError, ClientError) as error:
            _warn([exact_line(str(error))])
            sys.exit(error.exit_code if isinstance(error, ClientError) else 2)
