"""Every name in Redis: keys and channels. docs/architecture.md says what is under each.

Those of one generation share the hash tag `{ID}`, and so one cluster slot: one script may touch them. No script touches
these and others.
"""

from datetime import date

SECRET_KEY = "midstream:secret"
QUEUE_KEY = "midstream:queue"
LEASES_KEY = "midstream:queue:leases"
WAKE_KEY = "midstream:queue:wake"
WORKERS_KEY = "midstream:workers"
LEASE_KEY = "midstream:lease"
PENDING_KEY = "midstream:pending"
DEADLINES_KEY = "midstream:deadlines"
OWNERS_KEY = "midstream:owners"
COUNTED_KEY = "midstream:usage:counted"
RECOVERY_KEY = "midstream:recovery"
SYNC_MARK_KEY = "midstream:synced"
"""Written last: an append-only file is in order, so where this is on disk, all before it is."""
PROBE_KEY = "midstream:probe"
"""Written to see whether Redis takes writes again."""
INTERRUPTS_CHANNEL = "midstream:interrupts"
"""A channel that tells workers which generations to look at at once, as they were cancelled or deleted."""


class GenerationKeys:
    """The keys of one generation."""

    def __init__(self, generation_id: str) -> None:
        self.record = f"midstream:{{{generation_id}}}:record"
        self.log = self.channel = f"midstream:{{{generation_id}}}:log"
        """The log, and the channel of its name where the append script publishes what it wrote."""
        self.tombstone = f"midstream:{{{generation_id}}}:tombstone"
        self.packing = f"midstream:{{{generation_id}}}:packing"


def job_key(generation_id: str) -> str:
    """Returns the key of arq's job: `arq.constants.job_key_prefix`."""
    return f"arq:job:{generation_id}"


def retry_key(generation_id: str) -> str:
    """Returns the key of arq's count of tries: `arq.constants.retry_key_prefix`."""
    return f"arq:retry:{generation_id}"


def owner_key(owner: str) -> str:
    """Returns the key of the index of an owner's generations."""
    return f"midstream:owner:{owner}"


def usage_key(owner: str, day: date) -> str:
    """Returns the key of what an owner used on a day (UTC)."""
    return f"midstream:usage:{owner}:{day.isoformat()}"


def cache_key(digest: str) -> str:
    """Returns the key of the generation that answers all requests of this digest."""
    return f"midstream:cache:{digest}"


def askers_key(digest: str) -> str:
    """Returns the key of who asked a request of this digest, so that a retry finds what it is a retry of."""
    return f"midstream:askers:{digest}"


def api_node_key(node: str) -> str:
    """Returns the key that an API node renews while it lives."""
    return f"midstream:api:{node}"


def circuit_key(model: str) -> str:
    """Returns the key that says whether a model, as `provider/model`, fails now."""
    return f"midstream:circuit:{model}"


def task_key(task: str) -> str:
    """Returns the key that one worker holds while it does a task that one worker is enough for."""
    return f"midstream:alone:{task}"
