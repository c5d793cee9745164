"""Labels in a column of the recordings themselves, where these are tables of samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from biot.corpus.builder.settings import PrepareConfig
from biot.corpus.builder.sources import Source, TableOptions
from biot.errors import ConfigError
from biot.signals.readers import is_table

__all__ = ["table_options", "with_labels_in_samples"]

_SAMPLES = "samples"


def with_labels_in_samples(how: PrepareConfig, sources: Sequence[Source]) -> PrepareConfig:
    """The settings, with `labels` as ``"samples"`` where only a column of labels was named.

    Raises
    ------
    ConfigError
        If labels are to be in samples, and no recording is a table or several columns are named.
    """
    columns_alone = how.names_a_column_only
    if str(how.labels) != _SAMPLES and not columns_alone:
        return how
    if not any(is_table(source.path) and source.path.suffix != ".npz" for source in sources):
        if columns_alone:
            return how  # which says that these columns are those of a table of labels
        raise ConfigError(
            "labels is 'samples', a column of the recordings, but none of these is a table "
            "(.csv, .tsv, .parquet)."
        )
    if len(how.label_columns) > 1:
        raise ConfigError(
            f"labels in samples are one column; got label_columns {', '.join(how.label_columns)}."
        )
    return replace(how, labels=_SAMPLES)


def table_options(how: PrepareConfig, channels: tuple[str, ...]) -> TableOptions:
    """What is to be known of recordings in tables, `channels` being those that are asked for."""
    labels = how.label_columns if str(how.labels) == _SAMPLES else ()
    return TableOptions(how.table_sfreq, how.table_units, channels, labels)
