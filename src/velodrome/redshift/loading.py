"""Sends the rows of a COPY to the backend that waits for them."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import Executor

from velodrome.redshift import wire
from velodrome.redshift.backend import Backend
from velodrome.redshift.copy import CopyError, Load
from velodrome.redshift.step import Step

log = logging.getLogger("velodrome.redshift")


async def feed(step: Step, load: Load, backend: Backend, pool: Executor) -> None:
    """Reads in a thread, as fast as the backend takes it. A load that fails makes the backend fail, and `step.error`
    is what the client gets."""
    chunks = load.chunks()
    loop = asyncio.get_running_loop()
    try:
        while (chunk := await loop.run_in_executor(pool, next, chunks, None)) is not None:
            if step.load is not load:
                return  # the backend has refused the rows already sent
            backend.write(wire.copy_data(chunk))
            await backend.writable.wait()
        if step.load is load:
            # The client's own Sync is held: without a Flush the backend would keep its answer.
            backend.write(wire.copy_done() + wire.FLUSH)
    except CopyError as error:
        step.error = wire.error(error.code, error.message, detail=error.detail)
        backend.write(wire.copy_fail("the load failed"))
    except Exception:
        log.exception("COPY from s3://%s/%s failed", load.copy.bucket, load.copy.prefix)
        step.error = wire.error("XX000", "COPY failed inside the warehouse; its log has the reason")
        backend.write(wire.copy_fail("the load failed"))
        raise
