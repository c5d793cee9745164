"""The settings that a layout gives, where the user does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from biot.corpus.builder.labels.beside import without_sidecars
from biot.corpus.builder.labels.samples import table_options, with_labels_in_samples
from biot.corpus.builder.layouts.dataset import DatasetLayout, FoundRecording
from biot.corpus.builder.layouts.recognise import nearly, recognised, recordings_of
from biot.corpus.builder.layouts.registry import NONE, layout, layouts
from biot.corpus.builder.settings import PrepareConfig
from biot.corpus.builder.sources import Source, TableOptions, find_sources
from biot.errors import ConfigError, CorpusError

__all__ = ["Given", "with_layout"]

_OF_LABELS = ("label_columns", "label_map", "background", "task")
"""Settings that belong to the labels of the layout, and mean nothing for others."""
_OF_EVENTS = ("align", "epoch")


@dataclass(frozen=True, kw_only=True)
class Given:
    """What is to be prepared, with all settings that are known of it."""

    config: PrepareConfig
    sources: list[Source]
    layout: DatasetLayout | None = None
    """None without one."""
    found: tuple[FoundRecording, ...] = ()
    """The recordings of the layout, in the order of `sources`."""
    by_layout: frozenset[str] = frozenset()
    """Settings that the layout gave."""
    skipped: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def with_layout(
    paths: str | Path | Sequence[str | Path], config: PrepareConfig, *, complete: bool = True
) -> Given:
    """The recordings at these paths, and the settings that their layout gives where it is used.

    `complete` says whether rate and window must be known in the end.

    Raises
    ------
    ConfigError
        If the layout is not known, or rate or window are given by nobody.
    CorpusError
        If the folder does not look like the layout.
    """
    chosen = None if config.layout in (None, NONE) else layout(str(config.layout))
    if config.layout == NONE and complete:
        _require_complete(config)
    sources, notes = _sources(paths, config, chosen)
    if config.layout is None:
        seen = recognised(sources)
        if seen is not None and not config.is_complete:
            chosen = seen
            notes += (f"recognised as {seen.title}; --layout {NONE} turns that off",)
        elif seen is not None:
            notes += (
                f"looks like {seen.title}: --layout {seen.name} would give {_given(seen, config)}",
            )
    if chosen is None:
        if complete:
            _require_complete(config, sources)
        config = with_labels_in_samples(config, sources)
        return Given(config=config, sources=sources, notes=notes)
    settings = applied(chosen, config)
    whole = replace(config, **settings)
    if complete:
        _require_complete(whole)
    found = recordings_of(chosen, sources, whole.sfreq or 0.0, _tables(whole, config.given))
    by_name = {source.recording: source for source in sources}
    return Given(
        config=whole,
        sources=[by_name[one.name] for one in found.found],
        layout=chosen,
        found=found.found,
        by_layout=frozenset(settings),
        skipped=found.skipped,
        notes=(*notes, f"the layout {chosen.name} gave {_shown(settings)}", *found.notes),
    )


def applied(chosen: DatasetLayout, config: PrepareConfig) -> dict[str, Any]:
    """The settings of a layout without those that the user has given, or has excluded."""
    settings = {"labels": "layout", **chosen.settings}
    given = config.given
    if "labels" not in given:
        _require_of_layout(chosen, config)
    if "labels" in given:
        without = (*_OF_LABELS, *(_OF_EVENTS if str(config.labels) == "none" else ()))
        settings = {name: value for name, value in settings.items() if name not in without}
    if given & {"window", "align"}:
        settings.pop("epoch", None)
    if "epoch" in given:
        settings.pop("window", None)
    if config.align == "events" or config.epoch is not None:
        settings.pop("background", None)
    return {name: value for name, value in settings.items() if name not in given}


def _require_of_layout(chosen: DatasetLayout, config: PrepareConfig) -> None:
    """Refuse settings that mean nothing for the labels of a layout."""
    own = f"the layout {chosen.name} takes its own labels"
    in_samples = chosen.settings.get("search_tables", False)
    numbers = config.task == "regression"
    if "label_columns" in config.given and not (in_samples or numbers):
        raise ConfigError(
            f"label_columns names no column here, as {own}; got "
            f"{', '.join(config.label_columns)}. Leave it out; for others, labels must say where "
            "they are."
        )
    if numbers and chosen.label_names and not in_samples:
        raise ConfigError(
            f"task is 'regression', but {own}, which are no numbers. Leave it out; for others, "
            "labels must say where they are."
        )


def _sources(
    paths: str | Path | Sequence[str | Path], config: PrepareConfig, chosen: DatasetLayout | None
) -> tuple[list[Source], tuple[str, ...]]:
    """The recordings at the paths, and what is to be told of the other files."""
    finders = [one.sources for one in ([chosen] if chosen else layouts().values()) if one.sources]
    folders = [Path(path) for path in ([paths] if isinstance(paths, str | Path) else paths)]
    for find in finders if config.layout != NONE else ():
        own = [source for folder in folders if folder.is_dir() for source in find(folder)]
        if own:
            return own, ()
    tables = config.search_tables or bool(chosen and chosen.settings.get("search_tables"))
    try:
        return without_sidecars(find_sources(paths, tables=tables, but=config.tables))
    except CorpusError as error:
        if chosen is None or not all(folder.exists() for folder in folders):
            raise
        expected = f"The layout {chosen.name} expects {chosen.expects}."
        raise CorpusError(f"{error} {expected}") from None


def _tables(config: PrepareConfig, given: frozenset[str]) -> TableOptions:
    """How a layout reads tables of samples; a column of labels counts where the user names it."""
    named = config.label_columns if "label_columns" in given else ()
    return replace(table_options(config, ()), labels=named)


def _require_complete(config: PrepareConfig, sources: Sequence[Source] = ()) -> None:
    for name, has_it in (("sfreq", config.sfreq is not None), ("window", config.is_complete)):
        if not has_it:
            near = "" if config.layout == NONE else nearly(sources)
            raise ConfigError(
                f"{name} is not given, and nothing else says it: no published data set is "
                f"recognised{f' ({near})' if near else ''}. Give it, or a layout; `biot layouts` "
                "lists those that are known."
            )


def _given(chosen: DatasetLayout, config: PrepareConfig) -> str:
    return _shown(applied(chosen, config)) or "its subjects and official parts"


def _shown(settings: Mapping[str, Any]) -> str:
    """Settings in the spelling of options."""
    shown = [
        f"--{name.replace('_', '-')} {_text(value)}".rstrip()
        for name, value in settings.items()
        if name != "labels"
    ]
    words = ["labels"] if "labels" in settings else []
    return ", ".join([*words, *([" ".join(shown)] if shown else [])])


def _text(value: Any) -> str:
    if value is True:
        return ""  # a switch
    if isinstance(value, tuple):
        return " ".join(f"{one:g}" if isinstance(one, float | int) else str(one) for one in value)
    text = f"{value:g}" if isinstance(value, float | int) else str(value)
    return f"'{text}'" if " " in text or "," in text else text
