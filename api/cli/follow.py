"""Following any number of jobs of a service to their ends."""

import asyncio
from collections.abc import Sequence

from api.cli.progress import Progress, Watched
from api.cli.service import Address
from api.client import AsyncPenstock, SummaryDelta
from api.schemas import JobView

AT_ONCE = 20
"""Jobs that are followed at the same time."""


def follow(address: Address, watched: Sequence[Watched]) -> dict[str, JobView]:
    """Show the jobs until all have ended; returns them by id. They go on when this is interrupted."""
    return asyncio.run(_follow(address, watched))


async def _follow(address: Address, watched: Sequence[Watched]) -> dict[str, JobView]:
    latest: dict[str, JobView] = {}
    turns = asyncio.Semaphore(AT_ONCE)
    async with AsyncPenstock(**address) as penstock:
        for each in watched:
            latest[each.job_id] = await penstock.job(each.job_id)
        with Progress(watched) as progress:

            async def see(job_id: str) -> None:
                latest[job_id] = await penstock.job(job_id)
                progress.show(latest)

            async def follow_one(job_id: str) -> None:
                async with turns:
                    async for event in penstock.iter_events(job_id):
                        if isinstance(event, SummaryDelta):
                            progress.write(event)
                        else:
                            await see(job_id)
                    latest[job_id] = await penstock.wait(job_id)
                    progress.show(latest)

            progress.show(latest)
            await asyncio.gather(*(follow_one(each.job_id) for each in watched))
    return latest
