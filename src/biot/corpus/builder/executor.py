"""The same function over many arguments: here, in processes, or on a cluster."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError
from typing import Any, TypeVar

from biot.errors import ConfigError, CorpusError, require

__all__ = [
    "WorkerDiedError",
    "run",
]

A = TypeVar("A")


R = TypeVar("R")


class WorkerDiedError(CorpusError):
    """A worker process was killed."""


def run(
    function: Callable[[A], R],
    arguments: Sequence[A],
    *,
    workers: int = 1,
    dask: str | None = None,
    progress: str | None = None,
) -> Generator[R, None, None]:
    """Results as they come, in any order; the first error ends the rest and is raised.

    Parameters
    ----------
    workers
        Processes of this machine; with 1 everything happens in this one. Where the caller has set
        ``joblib.parallel_config``, that backend is used.
    dask
        Address of a scheduler, such as ``"tcp://host:8786"``, instead.
    progress
        What a bar of progress is called; None shows none.

    Raises
    ------
    ConfigError
        If nothing answers at the address.
    WorkerDiedError
        If a worker process has died.
    CorpusError
        If the scheduler has died. On a cluster a dead worker's task goes to
        another one; while there is none, the run waits.
    """
    with contextlib.ExitStack() as stack:
        results: Any
        if not arguments:
            results = ()
        elif dask is None and workers == 1:
            results = map(function, arguments)
        else:
            joblib = require("joblib", extra="corpus")
            if dask is not None:
                stack.enter_context(_client(dask))
                stack.enter_context(joblib.parallel_config(backend="dask"))
            parallel = joblib.Parallel(
                n_jobs=workers if dask is None else -1,
                batch_size=1,
                return_as="generator_unordered",
            )
            results = parallel(joblib.delayed(function)(argument) for argument in arguments)
            stack.callback(results.close)  # after an error of the caller: end the workers' tasks
        stack.enter_context(_dead_workers_told(dask))
        yield from _shown(results, len(arguments), progress)


@contextlib.contextmanager
def _dead_workers_told(dask: str | None) -> Iterator[None]:
    died: tuple[type[Exception], ...] = (BrokenExecutor,)
    if dask is not None:
        died = (*died, require("distributed", extra="dask").KilledWorker)
    try:
        yield
    except died as error:
        raise WorkerDiedError(
            "A worker process has died: it was killed, perhaps for want of memory. What is "
            "finished is kept: start the same command again, with fewer workers."
        ) from error
    except CancelledError as error:
        raise CorpusError(
            f"The connection to the scheduler {dask} is lost. What is finished is kept: start the "
            "same command again when it is back."
        ) from error


def _client(address: str) -> Any:
    distributed = require("distributed", extra="dask")
    try:
        client = distributed.Client(address, timeout=10, set_as_default=True)
    except (OSError, ValueError, TimeoutError) as error:
        raise ConfigError(
            f"dask: no scheduler answers at {address} ({error}). Start one with `dask scheduler`, "
            "and workers with `dask worker ADDRESS`."
        ) from error
    try:
        client.wait_for_workers(1, timeout=10)
    except TimeoutError as error:
        client.close()
        raise ConfigError(
            f"dask: the scheduler at {address} has no worker. Start some with "
            f"`dask worker {address}`."
        ) from error
    return client


def _shown(results: Iterable[R], total: int, progress: str | None) -> Iterable[R]:
    if progress is None or total == 0:
        return results
    from tqdm import tqdm

    return tqdm(results, desc=progress, total=total, unit="recording")
