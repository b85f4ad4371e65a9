"""What a process serves at `/metrics`, read by Prometheus' own parser."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from tests.harness.processes import Process

PORT = r"metrics on \S+ port (\d+)"
DEADLINE = 30.0


class Scrape:
    """One scrape: the samples by name and labels."""

    def __init__(self, text: str) -> None:
        self.text = text
        families = list(text_string_to_metric_families(text))
        self.types = {family.name: family.type for family in families}
        self.samples = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in families
            for sample in family.samples
        }

    def __call__(self, name: str, **labels: str) -> float | None:
        """The value of one sample; None where there is none."""
        return self.samples.get((name, frozenset(labels.items())))

    def sum(self, name: str, **labels: str) -> float:
        """The sum of all samples of this name that have these labels."""
        wanted = labels.items()
        return sum(value for (own, given), value in self.samples.items() if own == name and wanted <= given)

    def label(self, name: str) -> set[str]:
        """All values of a label."""
        return {value for _, labels in self.samples for label, value in labels if label == name}


async def scrape(process: Process) -> Scrape:
    """What it serves now; its port is in its output."""
    port = int((await process.said(PORT))[1])
    async with httpx2.AsyncClient(trust_env=False, timeout=10) as client:
        answer = await client.get(f"http://127.0.0.1:{port}/metrics")
        assert answer.status_code == 200, answer.text
        return Scrape(answer.text)


async def scraped(process: Process, name: str, value: float, **labels: Any) -> Scrape:
    """What it serves once samples add up to this value; fails where they never do."""
    async with asyncio.timeout(DEADLINE):
        while (found := await scrape(process)).sum(name, **labels) != value:
            assert found.sum(name, **labels) < value, f"{name} {labels}: {found.sum(name, **labels)}, not {value}"
            await asyncio.sleep(0.1)
    return found
