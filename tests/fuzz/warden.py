"""Opens damaged files in processes that may be lost, and counts what came of it.

    python tests/fuzz/warden.py --cases 2000 [--kinds EDF WFDB] [--json FILE] [--show OUTCOME]

Each kind of file has a sound original. A case is the original, damaged by a seed, and opened in a
child process that has so much time and memory and no more. What came of it is one of

- read equal: all that is read is as in the original;
- told: something else is read, and a warning says that something is odd;
- silent: something else is read, without a word; the parts that differ are counted;
- refused: an error of our own kinds, which names the file, or what was opened;
- other: another exception, an error that names no file, a crash, too much time or memory.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import importlib
import json
import os
import re
import resource
import shutil
import signal
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mutations import mutated
from own_files import OWN_FILES, resealed
from recordings import RECORDINGS

__all__ = ["KINDS", "Kind", "run"]

MOST_SECONDS = 5
"""Processor time that a case may take."""
MOST_MEMORY = 300
"""MB that a case may add."""
HANG_SECONDS, HANG_WALL_SECONDS = 15, 90
CRASH_MEMORY = 2 * 2**30
MOST_SAMPLES = 100_000
IMPORTS = (
    "mne.io.brainvision", "mne.epochs", "wfdb", "pandas", "pyarrow.parquet", "scipy.io",
    "scipy.signal", "lightning_fabric", "sklearn.metrics", "matplotlib.figure",
    "biot.inference.predictor",
    "biot.training.pretraining.pretrain", "biot.training.finetuning.finetune",
)  # fmt: skip
"""What is imported once, before children are forked."""
FOREIGN = ("BrainVision", "FIF", "EEGLAB", "GDF", "WFDB", "XDF", "Parquet")
"""Kinds that other packages parse, in a child process of ours that costs time to start."""
OUTCOMES = ("read equal", "told", "silent", "refused", "other")


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of file to damage."""

    name: str
    make: Callable[[Path], object]
    """Writes a sound folder, the same for several kinds."""
    file: str
    """The file to damage."""
    see: Callable[[Path], Iterator[tuple[str, Any]]]
    """Parts of what is read from the folder."""
    opened: str = ""
    """The file or folder that is named in messages, where it is another one."""
    seal: Callable[[bytes], bytes] = bytes
    """Makes checksums of the damaged file agree again."""

    @property
    def cost(self) -> int:
        """By how much fewer cases are tried of what takes long: trainings, and foreign parsers."""
        if "pretraining" in self.name or "fine-tuning" in self.name:
            return 12
        return 4 if self.name.split()[0] in FOREIGN else 1


Seen = tuple[dict[str, str], list[str]]
Case = tuple[Kind, str]


def _see_recording(path: Path) -> Iterator[tuple[str, Any]]:
    from biot.signals.readers import read_recording

    found = read_recording(path)
    yield "names", found.ch_names
    yield "units", found.units
    yield "rate", found.sfreq
    yield "length", found.n_times
    yield "annotations", [dataclasses.astuple(one) for one in found.annotations]
    yield "segments", found.starts
    yield "samples", found.read(0, min(found.n_times, MOST_SAMPLES))
    yield "samples", found.read(max(0, found.n_times - 10))


_OPENED = {
    "manifest.json,": "corpus",
    "state.json,": "corpus",
    "shard,": "corpus",
    "model": "model",
}


def _kinds() -> Iterator[Kind]:
    for name, (make, file, opened) in RECORDINGS.items():

        def see(folder: Path, opened: str = opened) -> Iterator[tuple[str, Any]]:
            return _see_recording(folder / opened)

        yield Kind(name, make, file, see, Path(opened).name)
    for name, (make, file, seen) in OWN_FILES.items():
        seal = resealed if "resealed" in name else bytes
        yield Kind(name, make, file, seen, _OPENED.get(name.split()[0], ""), seal)


KINDS = {kind.name: kind for kind in _kinds()}


def _digest(part: Any) -> str:
    digest = hashlib.sha256()

    def add(value: Any) -> None:
        if hasattr(value, "numpy"):
            value = value.numpy()
        if isinstance(value, np.ndarray) and value.dtype.kind not in "OU":
            digest.update(str(value.shape).encode())
            digest.update(np.nan_to_num(value, nan=12345.6).tobytes())
        elif isinstance(value, list | tuple):
            digest.update(b"(")
            for one in value:
                add(one)
        else:
            digest.update(repr(value).encode("utf-8", "surrogatepass"))

    add(part)
    return digest.hexdigest()


def observed(kind: Kind, folder: Path) -> Seen:
    """A digest of each part that is read, and what was warned of."""
    parts: dict[str, str] = {}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for name, part in kind.see(folder):
            parts[name] = parts.get(name, "") + _digest(part)
    return parts, [str(warning.message) for warning in caught]


def _judged(kind: Kind, folder: Path, damaged: str, sound: Seen) -> tuple[str, str]:
    """The outcome of a case, and what it was in words."""
    from biot.errors import BiotError

    before, clock = _peak_memory(reset=True), time.process_time()
    try:
        outcome, detail = _compared(*observed(kind, folder), sound)
    except BiotError as error:
        named = any(name and name in str(error) for name in (damaged, kind.opened))
        outcome, detail = "refused", f"{type(error).__name__}: {error}"
        if not named:
            outcome, detail = "other", f"names no file: {detail}"
    except Exception as error:
        stack = traceback.extract_tb(error.__traceback__)
        ours = [frame for frame in stack if "/biot/" in frame.filename]
        places = [f"{Path(one.filename).name}:{one.lineno}" for one in (*ours[-1:], stack[-1])]
        outcome = "other"
        detail = f"{type(error).__name__}: {str(error)[:200]} ({', '.join(places)})"
    seconds, grown = time.process_time() - clock, _peak_memory() - before
    if seconds > MOST_SECONDS:
        return "other", f"{seconds:.1f} s of processor time, then {outcome}: {detail}"
    if grown > MOST_MEMORY:
        return "other", f"{grown:.0f} MB, then {outcome}: {detail}"
    return outcome, detail


def _compared(parts: dict[str, str], told: list[str], sound: Seen) -> tuple[str, str]:
    before, told_before = sound
    different = sorted(n for n in {*parts, *before} if parts.get(n) != before.get(n))
    new = [message for message in told if message not in told_before]
    if not different:
        return "read equal", ""
    return ("told" if new else "silent"), " | ".join([", ".join(different), *new[:1]])


def _peak_memory(*, reset: bool = False) -> float:
    """Most memory that this process has had, in MB."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s*(\d+)", status)[1]) / 1024  # type: ignore[index]


def _in_child(cases: Sequence[Case], originals: dict[str, Path], work: Path, out: int) -> None:
    """Open the cases one after the other; write a line for each."""
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (in_use + CRASH_MEMORY,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    folder = work / "case"
    sound: dict[str, Seen] = {}
    for kind, seed in cases:
        original = originals[kind.name]
        file = sorted(original.glob(kind.file))[0]
        if kind.name not in sound:
            shutil.copytree(original, folder)
            sound[kind.name] = observed(kind, folder)
            shutil.rmtree(folder)
            os.write(out, b"\n")
        shutil.copytree(original, folder)
        damaged, how = mutated(file.read_bytes(), seed)
        (folder / file.relative_to(original)).write_bytes(kind.seal(damaged))
        signal.setitimer(signal.ITIMER_PROF, HANG_SECONDS)
        signal.setitimer(signal.ITIMER_REAL, HANG_WALL_SECONDS)
        outcome, detail = _judged(kind, folder, file.name, sound[kind.name])
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        shutil.rmtree(folder)
        line = json.dumps({"seed": seed, "how": how, "outcome": outcome, "detail": detail})
        os.write(out, line.encode("ascii") + b"\n")


def _forked(work: Callable[[int], None]) -> tuple[bytes, str]:
    """What a child process writes, and how it ended where that was not as it should."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        status = 1
        try:
            work(writer)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(writer)
    with open(reader, "rb") as pipe:
        text = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status >= 0:
        return text, f"ended with {status}" if status else ""
    hangs = (signal.SIGPROF, signal.SIGALRM)
    return text, "hang" if -status in hangs else signal.Signals(-status).name


def originals(kinds: Sequence[Kind], parent: Path) -> dict[str, Path]:
    """The sound folder of each kind; kinds that are made alike share one."""
    folders: dict[Any, Path] = {}
    for kind in kinds:
        if kind.make in folders:
            continue
        folder = folders[kind.make] = parent / f"original-{len(folders)}"
        folder.mkdir()
        _, end = _forked(lambda _, kind=kind, folder=folder: _made(kind, folder))
        if end:
            raise RuntimeError(f"{kind.name}: the original could not be made ({end})")
        if kind.name in OWN_FILES and kind.cost == 1:  # what is imported here, no child imports
            observed(kind, Path(shutil.copytree(folder, parent / "warm" / folder.name)))
    return {kind.name: folders[kind.make] for kind in kinds}


def _made(kind: Kind, folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kind.make(folder)


def run(kinds: Sequence[Kind], n_cases: int, first: int = 0) -> dict[str, list[dict[str, str]]]:
    """The cases of each kind with their outcomes; what is lost with a child is one, too."""
    cases = [
        (kind, f"{kind.name} {i}")
        for kind in kinds
        for i in range(first, first + max(1, n_cases // kind.cost))
    ]
    found: list[dict[str, str]] = []
    with tempfile.TemporaryDirectory() as name:
        made = originals(kinds, Path(name))
        while len(found) < len(cases):
            left = cases[len(found) :]
            with tempfile.TemporaryDirectory() as work:
                text, end = _forked(
                    lambda out, left=left, work=Path(work): _in_child(left, made, work, out)
                )
            if not text:
                raise RuntimeError(f"{left[0][0].name}: the original cannot be opened ({end})")
            found += [json.loads(line) for line in text.splitlines() if line]
            if len(found) < len(cases):
                lost = {"seed": cases[len(found)][1], "how": "", "outcome": "other", "detail": end}
                found.append(lost)
    results: dict[str, list[dict[str, str]]] = {kind.name: [] for kind in kinds}
    for (kind, _), case in zip(cases, found, strict=True):
        results[kind.name].append(case)
    return results


def table(results: dict[str, list[dict[str, str]]]) -> str:
    """Outcomes by kind, in Markdown."""
    lines = ["| file | cases | " + " | ".join(OUTCOMES) + " | what differed in silence |"]
    lines.append("|---|" + "---|" * (len(OUTCOMES) + 2))
    total: Counter[str] = Counter()
    for name, cases in results.items():
        counts = Counter(case["outcome"] for case in cases)
        total.update(counts)
        silent_ones = [case["detail"] for case in cases if case["outcome"] == "silent"]
        parts = Counter(part for detail in silent_ones for part in detail.split(", "))
        silent = ", ".join(f"{part} {n}" for part, n in parts.most_common())
        numbers = " | ".join(str(counts[outcome]) for outcome in OUTCOMES)
        lines.append(f"| {name} | {len(cases)} | {numbers} | {silent} |")
    numbers = " | ".join(str(total[outcome]) for outcome in OUTCOMES)
    lines.append(f"| all | {sum(total.values())} | {numbers} | |")
    return "\n".join(lines)


def main() -> None:
    """Parse the words, run the cases, show the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=30, help="cases of each kind")
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--kinds", nargs="*", help="words that the name of a kind begins with")
    parser.add_argument("--json", type=Path, help="every case with its outcome")
    parser.add_argument("--show", choices=OUTCOMES, help="print the cases of an outcome")
    args = parser.parse_args()
    for module in IMPORTS:
        importlib.import_module(module)
    kinds = [
        kind for name, kind in KINDS.items()
        if not args.kinds or any(name.startswith(word) for word in args.kinds)
    ]  # fmt: skip
    results = run(kinds, args.cases, args.first)
    for case in (case for cases in results.values() for case in cases):
        if case["outcome"] == args.show:
            print(f"{case['seed']}: {case['how']}: {case['detail'][:300]}")
    if args.json:
        args.json.write_text(json.dumps(results))
    print(table(results))


if __name__ == "__main__":
    main()
