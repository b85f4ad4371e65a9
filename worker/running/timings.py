"""How long a generation took: until its first attempt, until its first token, and how fast the tokens came."""

from msgspec import UNSET

from shared.log.events import Cancelled, Completed, Failed
from shared.log.snapshots import Snapshot
from shared.record import Record
from worker.writing.writer import Writer


def say_times(
    end: Completed | Failed | Cancelled, record: Record, writer: Writer, so_far: Snapshot | None = None
) -> None:
    """Sets the times in a terminal event whose usage is known; `so_far` is what its attempt goes on from.

    A copied answer comes with those of its source, none of which stay.
    """
    end.queued_ms = max(0, writer.began_ms - record.created_ms) if writer.number else UNSET
    first_ms = _first_ms(writer, so_far)
    end.time_to_first_token_ms = UNSET if first_ms is None else max(0, first_ms - record.created_ms)
    streaming_ms = 0 if writer.first_delta_ms is None else writer.last_delta_ms - writer.first_delta_ms
    tokens = _streamed_tokens(end, writer, so_far) if streaming_ms else 0
    if streaming_ms and tokens > 0:
        end.streaming_ms, end.streamed_tokens = streaming_ms, tokens
        end.tokens_per_second = round(tokens * 1000 / streaming_ms, 2)
    else:
        end.streaming_ms = end.streamed_tokens = end.tokens_per_second = UNSET


def _first_ms(writer: Writer, so_far: Snapshot | None) -> int | None:
    """Returns when the first delta of what stands came, on Redis' clock."""
    if so_far is not None and so_far.first_said_ms is not None:
        return so_far.first_said_ms
    return None if writer.first_delta_ms is None else writer.token + writer.first_delta_ms


def _streamed_tokens(end: Completed | Failed | Cancelled, writer: Writer, so_far: Snapshot | None) -> int:
    """Returns the output tokens that came as the attempt's deltas; 0 where that is not known."""
    if so_far is not None and so_far.first_said_ms is not None and so_far.sequence_number is not None:
        return 0  # the call was found again: its count includes what came to the attempt before
    usage = end.last_usage
    if usage is None:
        return 0
    return usage.output_tokens - (0 if writer.reasoned else usage.reasoning_tokens)
