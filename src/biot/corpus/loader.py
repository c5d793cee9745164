"""`Loader`: batches without end, fetched ahead by threads, resumed to the window."""

# n windows, G groups
from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from biot.corpus.batch import Batch, Dtype, collate
from biot.corpus.corpora import Corpora
from biot.corpus.corpus import Corpus
from biot.errors import ConfigError

__all__ = [
    "Indices",
    "Loader",
    "WindowSampler",
]

Indices = npt.NDArray[np.int64]


class WindowSampler:
    """Which window comes at which position of an endless order.

    The order is the same whatever the number of ranks or workers, so a run may be resumed with
    another number of them and goes on with the very next window.

    Parameters
    ----------
    n
        Windows to draw from: positions 0 to n − 1.
    seed
        Of the order.
    groups
        (n,) whole numbers from 0, such as each window's corpus or class. Without them an epoch is
        a permutation of all windows. With them each draw first chooses a group; within a group,
        every window comes once before any comes again. A negative number: never drawn.
    temperature
        A group of n_g windows is chosen with a probability ∝ n_g^(1 / temperature): 1 keeps the
        shares of the groups, larger values bring them closer to each other.
    balance
        Every group is as likely: a temperature without bound.
    together
        (n,) whole numbers, such as each window's recording: windows that share one come several at
        a time. None: each for itself.
    run_length
        Windows with the same number that follow each other, where there are as many.

    Raises
    ------
    ConfigError
        If a number is out of range, or `groups` or `together` do not fit `n`.
    """

    def __init__(
        self,
        n: int,
        *,
        seed: int,
        groups: npt.ArrayLike | None = None,
        temperature: float = 1.0,
        balance: bool = False,
        together: npt.ArrayLike | None = None,
        run_length: int = 1,
    ) -> None:
        if n < 1:
            raise ConfigError(f"A sampler needs at least one window, got {n}.")
        if not temperature > 0:
            raise ConfigError(f"temperature must be above 0, got {temperature}.")
        if groups is None and (balance or temperature != 1.0):
            raise ConfigError("balance and temperature need groups: each window's corpus or class.")
        self.n = n
        self.seed = seed
        self.position = 0
        """Windows handed out so far, on all ranks together."""
        ids = np.zeros(n, dtype=np.int64) if groups is None else np.asarray(groups)
        if ids.shape != (n,) or ids.dtype.kind not in "iu" or ids.max() < 0:
            raise ConfigError(f"groups must be {n} whole numbers, one a window, some from 0 up.")
        self._together = None if together is None else np.asarray(together)
        self._run_length = run_length
        if run_length < 1:
            raise ConfigError(f"run_length must be 1 or more, got {run_length}.")
        if self._together is not None and (
            self._together.shape != (n,) or self._together.dtype.kind not in "iu"
        ):
            raise ConfigError(f"together must be {n} whole numbers, one a window.")
        self._members = [np.flatnonzero(ids == g) for g in np.unique(ids[ids >= 0]).tolist()]
        sizes = np.array([len(members) for members in self._members], dtype=np.float64)
        weights = np.ones_like(sizes) if balance else (sizes / sizes.max()) ** (1 / temperature)
        self._shares = weights / weights.sum()
        self._n_drawn = int(sizes.sum())
        self._permutation = lru_cache(maxsize=2 * len(sizes))(self._permuted)
        self._drawn = lru_cache(maxsize=2)(self._draws)
        # Draws of each group before an epoch; epochs are counted through once.
        self._before = [np.zeros(len(sizes), dtype=np.int64)]

    @property
    def epoch(self) -> int:
        """How many times as many windows were handed out as there are."""
        return self.position // self._n_drawn

    def next_batch(self, batch_size: int, rank: int = 0, world_size: int = 1) -> Indices:
        """This rank's share of the next `batch_size` windows; every rank moves on by all of them.

        Raises
        ------
        ConfigError
            If `batch_size` is not a multiple of `world_size`, or the rank is none of them.
        """
        if batch_size < 1 or world_size < 1 or batch_size % world_size:
            raise ConfigError(
                f"batch_size counts the windows of all ranks together, so it must be a multiple of "
                f"their number: got {batch_size} for {world_size}."
            )
        if not 0 <= rank < world_size:
            raise ConfigError(f"rank must be 0 to {world_size - 1}, got {rank}.")
        share = batch_size // world_size
        start = self.position + rank * share
        self.position += batch_size
        return self.windows(start, start + share)

    def windows(self, start: int, stop: int) -> Indices:
        """The windows at these positions of the order."""
        found = []
        while start < stop:
            epoch, first = divmod(start, self._n_drawn)
            last = min(self._n_drawn, first + stop - start)
            found.append(self._of_epoch(epoch, first, last))
            start += last - first
        return np.concatenate([*found, np.empty(0, dtype=np.int64)])

    def state_dict(self) -> dict[str, Any]:
        """Where the order stands: two whole numbers."""
        return {"seed": self.seed, "position": self.position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where a sampler of the same windows stood.

        Raises
        ------
        ConfigError
            If the state is not one, or of another seed.
        """
        seed, position = state.get("seed"), state.get("position")
        if not isinstance(position, int) or position < 0 or set(state) != {"seed", "position"}:
            raise ConfigError(f"This is not the state of a sampler: {state!r}.")
        if seed != self.seed:
            raise ConfigError(f"The state is of the seed {seed!r}, the sampler's is {self.seed}.")
        self.position = position

    def _of_epoch(self, epoch: int, first: int, last: int) -> Indices:
        if len(self._members) == 1:
            return self._members[0][self._permutation(0, epoch)[first:last]]
        drawn, counts = self._drawn(epoch)
        groups, counts = drawn[first:last], counts[first:last]
        windows = np.empty(last - first, dtype=np.int64)
        for group, members in enumerate(self._members):
            places = np.flatnonzero(groups == group)
            turns, rest = np.divmod(counts[places], len(members))
            for turn in np.unique(turns).tolist():
                now = turns == turn
                windows[places[now]] = members[self._permutation(group, turn)[rest[now]]]
        return windows

    def _draws(self, epoch: int) -> tuple[Indices, Indices]:
        """Group of every draw of an epoch, and how often that group was drawn before."""
        while len(self._before) <= epoch:
            groups = self._groups(len(self._before) - 1)
            new = np.bincount(groups, minlength=len(self._members))
            self._before.append(self._before[-1] + new)
        groups = self._groups(epoch)
        counts = np.empty(self._n_drawn, dtype=np.int64)
        for group, before in enumerate(self._before[epoch].tolist()):
            places = np.flatnonzero(groups == group)
            counts[places] = before + np.arange(len(places))
        return groups, counts

    def _groups(self, epoch: int) -> Indices:
        rng = np.random.default_rng(np.random.SeedSequence([self.seed, epoch]))
        return rng.choice(len(self._members), size=self._n_drawn, p=self._shares)

    def _permuted(self, group: int, turn: int) -> Indices:
        key = [self.seed, turn] if len(self._members) == 1 else [self.seed, turn, group + 1]
        rng = np.random.default_rng(np.random.SeedSequence(key))
        order = rng.permutation(len(self._members[group]))
        if self._together is None:
            return order
        # Windows of one recording, in their drawn order, are cut in runs, which are drawn again.
        codes = self._together[self._members[group]][order]
        by_code = np.argsort(codes, kind="stable")
        codes = codes[by_code]
        place = np.arange(len(codes)) - np.searchsorted(codes, codes)
        starts = np.flatnonzero(place % self._run_length == 0)
        runs = np.split(order[by_code], starts[1:])
        return np.concatenate([runs[i] for i in rng.permutation(len(runs)).tolist()])


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
