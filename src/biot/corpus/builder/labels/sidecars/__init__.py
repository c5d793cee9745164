"""Files of labels that lie beside recordings, a module a family of formats."""

from biot.corpus.builder.labels.sidecars.finding import find_sidecar, find_sidecars, read_sidecar

__all__ = ["find_sidecar", "find_sidecars", "read_sidecar"]
