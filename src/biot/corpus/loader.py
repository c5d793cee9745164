"""`Loader`: batches without end, fetched ahead by threads, resumed to the window."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from biot.corpus.batch import Batch, Dtype, collate
from biot.corpus.load import Corpora, Corpus
from biot.corpus.sampler import Indices, WindowSampler
from biot.errors import ConfigError

__all__ = ["Loader"]


class Loader:
    """An endless iterator of batches.

    Parameters
    ----------
    corpus
        Where windows come from.
    sampler
        Their order; while the loader is used, nobody else draws from it.
    batch_size
        Windows a step, of all ranks together.
    vocabulary, dtype, tokens
        As in :func:`biot.corpus.batch.collate`.
    rows
        Positions in the corpus that the sampler's numbers stand for, such as a split's training
        part; None: the whole corpus.
    workers
        Threads that fetch ahead, two batches each; 0 fetches when asked.
    rank, world_size
        Which share of every step is this process's.
    """

    def __init__(
        self,
        corpus: Corpus | Corpora,
        sampler: WindowSampler,
        batch_size: int,
        *,
        vocabulary: Sequence[str] | None = None,
        dtype: Dtype = "float32",
        tokens: tuple[int, int] | None = None,
        rows: Indices | None = None,
        workers: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        n = len(corpus) if rows is None else len(rows)
        if sampler.n != n:
            raise ConfigError(f"The sampler draws from {sampler.n} windows, the loader has {n}.")
        if workers < 0:
            raise ConfigError(f"workers must be at least 0, got {workers}.")
        self._corpus, self._sampler, self._rows = corpus, sampler, rows
        self._options: dict[str, Any] = {
            "vocabulary": None if vocabulary is None else tuple(vocabulary),
            "dtype": dtype,
            "tokens": tokens,
        }
        self._share = (batch_size, rank, world_size)
        self._pool = ThreadPoolExecutor(workers) if workers else None
        self._ahead = 2 * workers
        self._waiting: deque[tuple[Future[Batch], dict[str, Any]]] = deque()
        self._state = sampler.state_dict()

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        if self._pool is None:
            batch = self._fetch(self._sampler.next_batch(*self._share))
            self._state = self._sampler.state_dict()
            return batch
        while len(self._waiting) < self._ahead:
            indices = self._sampler.next_batch(*self._share)
            future = self._pool.submit(self._fetch, indices)
            self._waiting.append((future, self._sampler.state_dict()))
        future, state = self._waiting.popleft()
        batch, self._state = future.result(), state
        return batch

    def state_dict(self) -> dict[str, Any]:
        """The sampler's state after the last batch handed out, whatever was fetched ahead."""
        return dict(self._state)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on with the window after the last one handed out before `state` was taken."""
        self._sampler.load_state_dict(state)
        self._drop_waiting()
        self._state = self._sampler.state_dict()

    def close(self) -> None:
        """Stop the threads."""
        self._drop_waiting()
        if self._pool is not None:
            self._pool.shutdown()

    def _drop_waiting(self) -> None:
        for future, _ in self._waiting:
            future.cancel()
        self._waiting.clear()

    def _fetch(self, indices: Indices) -> Batch:
        chosen = indices if self._rows is None else self._rows[indices]
        return collate(self._corpus, chosen, **self._options)
