"""How Midstream stands: what `GET /v1/status` answers, `midstream doctor` judges and `midstream top` shows.

Ages are in ms by the clock of the queue's Redis, and null where there is nothing of that age.
"""

from pydantic import BaseModel, Field

from shared.storage.redis_facts import RedisFacts


class QueueStatus(BaseModel):
    """All generations that have not ended."""

    waiting: int = Field(description="Generations that a worker could take now. Those of leases that ran out count.")
    running: int = Field(description="Generations that a worker has.")
    oldest_wait_ms: int | None = Field(description="Since when the one waits that has waited longest.")
    pending: int = Field(description="Accepted, and not known to have ended. What has just ended counts for seconds.")
    max_pending: int = Field(description="`max_pending`, at which a POST is answered 429.")


class LeaseStatus(BaseModel):
    """Leases: each is a worker's hold on a generation."""

    lease_ms: int = Field(description="For how long one holds; its worker renews it three times meanwhile.")
    run_out: int = Field(description="Leases that ran out and that no worker has taken over.")
    longest_run_out_ms: int | None = Field(description="Since when the oldest of these has been over.")


class WorkerStatus(BaseModel):
    """A worker that counts as alive."""

    name: str = Field(description="Host, process id, and a random part.")
    places: int | None = Field(description="Generations that it runs at a time; null for an older worker.")
    silent_ms: int = Field(description="Since when it has not said that it is alive.")


class WorkersStatus(BaseModel):
    """The workers that are alive."""

    alive: int
    places: int | None = Field(description="Of all of them together; null where one does not tell.")
    beat_ms: int = Field(description="A worker says that it is alive each time so many ms have passed.")
    each: list[WorkerStatus] = Field(description="1,000 at most.")


class LineStatus(BaseModel):
    """One owner's line."""

    owner: str
    waiting: int
    running: int
    oldest_wait_ms: int | None
    most_running: int | None = Field(description="Most of its generations that may run at a time; null for no limit.")

    @property
    def is_held_back(self) -> bool:
        """Says whether as many of the owner's generations run as may."""
        return self.most_running is not None and self.running >= self.most_running


class LinesStatus(BaseModel):
    """The owners of whom something waits."""

    owners: int = Field(description="How many have a line.")
    longest: list[LineStatus] = Field(description="The 20 longest lines, of the first 1,000.")


class FailureStatus(BaseModel):
    """How an attempt failed."""

    ms_ago: int
    code: str = Field(description="The `code` of the event `failed`.")
    model: str = Field(description="`provider/model`.")


class ProviderStatus(BaseModel):
    """How a provider does, as far as workers have seen it: what a request brought on itself is left out."""

    provider: str
    failed: FailureStatus | None = Field(description="Its last failed attempt.")
    answered_ms_ago: int | None = Field(description="Since its last answer that was complete.")
    circuit_open_ms: int | None = Field(
        description="For how long the model that failed last is skipped where a request has a fallback."
    )


class CountStatus(BaseModel):
    """Counters, of which only the growth says something."""

    started: int = Field(description="Runs that workers have begun.")
    ended: int = Field(description="Runs that have come to their generation's end.")


class Status(BaseModel):
    """How Midstream stands now."""

    time: str = Field(description="ISO 8601, UTC, by the clock of the queue's Redis.")
    queue: QueueStatus
    leases: LeaseStatus
    workers: WorkersStatus
    lines: LinesStatus
    providers: list[ProviderStatus] = Field(description="Those that were asked within a week.")
    counts: CountStatus = Field(description="Of all workers; written within a second.")
    redis: list[RedisFacts]
