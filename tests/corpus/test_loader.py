"""The order of windows, and a loader that resumes it."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biot.corpus import Corpus
from biot.corpus.loader import Loader, WindowSampler
from biot.errors import ConfigError


@given(
    n=st.integers(1, 40),
    seed=st.integers(0, 9),
    n_groups=st.integers(0, 3),
    worlds=st.lists(st.sampled_from([1, 2, 3, 4]), min_size=1, max_size=5),
)
def test_ranks_together_give_the_global_order_whatever_their_number(n, seed, n_groups, worlds):
    groups = np.arange(n) % n_groups if n_groups else None
    order = WindowSampler(n, seed=seed, groups=groups).windows(0, 12 * len(worlds))
    state = WindowSampler(n, seed=seed, groups=groups).state_dict()
    found = []
    for world_size in worlds:  # resumed each time with another number of ranks
        state = json.loads(json.dumps(state))
        for rank in range(world_size):
            sampler = WindowSampler(n, seed=seed, groups=groups)
            sampler.load_state_dict(state)
            found.append(sampler.next_batch(12, rank, world_size))
        state = sampler.state_dict()
    np.testing.assert_array_equal(np.concatenate(found), order)


@given(n=st.integers(1, 50), seed=st.integers(0, 99))
def test_an_epoch_has_every_window_once_and_another_order_each_time(n, seed):
    sampler = WindowSampler(n, seed=seed)
    epochs = [sampler.next_batch(n) for _ in range(3)]
    assert all(sorted(epoch.tolist()) == list(range(n)) for epoch in epochs)
    assert sampler.epoch == 3
    if n > 20:
        assert epochs[0].tolist() != epochs[1].tolist()


def test_windows_of_a_recording_come_in_runs_and_every_one_once():
    recordings = np.repeat(np.arange(10), [3, 8, 9, 20, 1, 1, 16, 2, 4, 5])
    sampler = WindowSampler(69, seed=1, together=recordings, run_length=8)
    first, second = sampler.windows(0, 69), sampler.windows(69, 138)
    assert sorted(first) == sorted(second) == list(range(69))
    assert first.tolist() != second.tolist()
    runs = np.split(recordings[first], np.flatnonzero(np.diff(recordings[first])) + 1)
    assert len(runs) <= 14, "3, 8, 8+1, 8+8+4, 1, 1, 8+8, 2, 4, 5"
    assert not (np.diff(first[recordings[first] == 3]) == 1).all(), "drawn within a recording too"
    with pytest.raises(ConfigError, match="together must be 69 whole numbers"):
        WindowSampler(69, seed=1, together=recordings[1:])


def test_within_a_group_each_window_comes_once_before_any_repeats():
    groups = np.array([0] * 7 + [1] * 90 + [-1] * 3)
    order = WindowSampler(100, seed=4, groups=groups, balance=True).windows(0, 2000)
    assert order.max() < 97, "a negative group is never drawn"
    for group, size in ((0, 7), (1, 90)):
        drawn = order[groups[order] == group]
        for turn in range(len(drawn) // size):
            assert len(set(drawn[turn * size : (turn + 1) * size].tolist())) == size


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [0.1, 0.9]),
        ({"temperature": 2.0}, [0.25, 0.75]),
        ({"balance": True}, [0.5, 0.5]),
    ],
)
def test_groups_come_as_often_as_temperature_or_balance_ask(options, expected):
    groups = np.array([0] * 10 + [1] * 90)
    order = WindowSampler(100, seed=0, groups=groups, **options).windows(0, 20_000)
    shares = np.bincount(groups[order]) / len(order)
    np.testing.assert_allclose(shares, expected, atol=5 * 0.5 / np.sqrt(len(order)))


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: WindowSampler(0, seed=0), "at least one window"),
        (lambda: WindowSampler(3, seed=0, balance=True), "need groups"),
        (lambda: WindowSampler(3, seed=0, groups=[0, 1]), "groups must be 3 whole numbers"),
        (lambda: WindowSampler(3, seed=0).next_batch(5, 0, 2), "a multiple of their number"),
        (lambda: WindowSampler(3, seed=0).next_batch(4, 2, 2), "rank must be 0 to 1"),
        (lambda: WindowSampler(3, seed=0).load_state_dict({"seed": 0}), "not the state"),
        (
            lambda: WindowSampler(3, seed=0).load_state_dict({"seed": 1, "position": 0}),
            "of the seed 1, the sampler's is 0",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(act: Callable[[], object], message: str):
    with pytest.raises(ConfigError, match=message):
        act()


@pytest.fixture
def corpus(make_corpus: Callable[..., Corpus]) -> Corpus:
    return make_corpus(["a", "b"] * 10, ["s"] * 20)


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_a_loader_resumes_with_the_very_next_window(corpus: Corpus, workers: int):
    undisturbed = Loader(corpus, WindowSampler(20, seed=5), 6)
    expected = [next(undisturbed).index.tolist() for _ in range(8)]
    first = Loader(corpus, WindowSampler(20, seed=5), 6, workers=workers)
    found = [next(first).index.tolist() for _ in range(3)]
    state = json.loads(json.dumps(first.state_dict()))
    first.close()
    again = Loader(corpus, WindowSampler(20, seed=5), 6, workers=2)
    again.load_state_dict(state)
    found += [next(again).index.tolist() for _ in range(5)]
    again.close()
    assert found == expected


def test_ranks_of_a_loader_share_a_step_and_rows_restrict_it(corpus: Corpus):
    rows = np.arange(10, 20)
    whole = next(Loader(corpus, WindowSampler(10, seed=1), 4, rows=rows)).index.tolist()
    assert min(whole) >= 10
    shares = [
        next(Loader(corpus, WindowSampler(10, seed=1), 4, rows=rows, rank=r, world_size=2))
        for r in (0, 1)
    ]
    assert [i for share in shares for i in share.index.tolist()] == whole
    with pytest.raises(ConfigError, match="draws from 7 windows, the loader has 20"):
        Loader(corpus, WindowSampler(7, seed=1), 4)
