"""How long Redis takes to answer: the one metric that APIs and workers have both."""

from shared.metrics.tallies import Times

REDIS_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
LOGS, QUEUE = "logs", "queue"


def redis_times() -> Times:
    """Returns a histogram of answers, by which Redis gave them: both are `logs` where they are one."""
    return Times(
        "midstream_redis_seconds",
        "From a command to the first answer of Redis, as this process sees it; those that block are left out.",
        REDIS_S,
        ("redis",),
        [(LOGS,)],
    )
