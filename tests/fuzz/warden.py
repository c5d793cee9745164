"""Opens damaged files in processes that may be lost, and counts what came of it.

    python tests/fuzz/warden.py --cases 2000 [--kinds EDF WFDB] [--json FILE] [--show OUTCOME]

Each kind of file has a sound original. A case is the original, damaged by a seed, and opened in a
child process that has so much time and memory and no more. What came of it is one of

- read equal: all that is read is as in the original;
- told: something else is read, and a warning says that something is odd;
- silent: something else is read, without a word; the parts that differ are counted;
- refused: an error of our own kinds, which names the file;
- other: another exception, an error that names no file, a crash, too much time or memory.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import importlib
import json
import os
import resource
import shutil
import signal
import sys
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
    "mne.io.brainvision", "mne.epochs", "wfdb", "pandas", "pyarrow.parquet", "scipy.io", "scipy.signal",
    "lightning_fabric", "sklearn.metrics", "matplotlib.figure", "biot.inference.predictor",
    "biot.training.pretraining.pretrain", "biot.training.finetuning.finetune",
)  # fmt: skip
"""What is imported once, before children are forked."""
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
    """The file that is named in messages, where it is another one."""
    seal: Callable[[bytes], bytes] = bytes
    """Makes checksums of the damaged file agree again."""

    @property
    def cost(self) -> int:
        """By how much fewer cases are tried: of trainings, each of which takes a second."""
        return 6 if "pretraining" in self.name or "fine-tuning" in self.name else 1


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


def _kinds() -> Iterator[Kind]:
    for name, (make, file, opened) in RECORDINGS.items():
        def see(folder: Path, opened: str = opened) -> Iterator[tuple[str, Any]]:
            return _see_recording(folder / opened)

        yield Kind(name, make, file, see, Path(opened).name)
    for name, (make, file, seen) in OWN_FILES.items():
        yield Kind(name, make, file, seen, seal=resealed if "resealed" in name else bytes)


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


def observed(kind: Kind, folder: Path) -> tuple[dict[str, str], list[str]]:
    """A digest of each part that is read, and what was warned of."""
    parts: dict[str, str] = {}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for name, part in kind.see(folder):
            parts[name] = parts.get(name, "") + _digest(part)
    return parts, [str(warning.message) for warning in caught]


def _judged(kind: Kind, folder: Path, damaged: str, sound: tuple[dict[str, str], list[str]]) -> tuple[str, str]:
    from biot.errors import BiotError

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    clock = time.process_time()
    try:
        parts, told = observed(kind, folder)
    except BiotError as error:
        message = str(error)
        named = any(name and name in message for name in (damaged, kind.opened))
        outcome, detail = ("refused" if named else "other"), f"{type(error).__name__}: {message}"
        if not named:
            detail = f"names no file: {detail}"
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        place_ours = [f for f in traceback.extract_tb(error.__traceback__) if "/biot/" in f.filename]
        ours = f"{Path(place_ours[-1].filename).name}:{place_ours[-1].lineno}" if place_ours else ""
        outcome = "other"
        detail = f"{type(error).__name__}: {str(error)[:200]} ({ours}; {Path(place.filename).name}:{place.lineno})"
    else:
        different = sorted(name for name in {*parts, *sound[0]} if parts.get(name) != sound[0].get(name))
        new = [message for message in told if message not in sound[1]]
        outcome = "read equal" if not different else "told" if new else "silent"
        detail = ", ".join(different) + (f" | {new[0][:200]}" if new else "")
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    seconds = time.process_time() - clock
    if seconds > MOST_SECONDS:
        return "other", f"{seconds:.1f} s of processor time, then {outcome}: {detail}"
    if grown > MOST_MEMORY:
        return "other", f"{grown:.0f} MB, then {outcome}: {detail}"
    return outcome, detail


def _in_child(kind: Kind, original: Path, work: Path, seeds: Sequence[str], out: int) -> None:
    """Open the cases one after the other; write a line for each."""
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (in_use + CRASH_MEMORY,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    file = sorted(original.glob(kind.file))[0]
    content, folder = file.read_bytes(), work / "case"
    shutil.copytree(original, folder)
    sound = observed(kind, folder)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    for seed in seeds:
        shutil.rmtree(folder)
        shutil.copytree(original, folder)
        damaged, how = mutated(content, seed)
        (folder / file.relative_to(original)).write_bytes(kind.seal(damaged))
        signal.setitimer(signal.ITIMER_PROF, HANG_SECONDS)
        signal.setitimer(signal.ITIMER_REAL, HANG_WALL_SECONDS)
        outcome, detail = _judged(kind, folder, file.name, sound)
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
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
    return text, {signal.SIGPROF: "hang", signal.SIGALRM: "hang"}.get(-status, signal.Signals(-status).name)


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


def run(kind: Kind, original: Path, n_cases: int, first: int = 0) -> list[dict[str, str]]:
    """The cases of a kind, each with its outcome; what is lost with a child is one, too."""
    results: list[dict[str, str]] = []
    seeds = [f"{kind.name} {i}" for i in range(first, first + n_cases)]
    while len(results) < len(seeds):
        left = seeds[len(results) :]
        with tempfile.TemporaryDirectory() as name:
            text, end = _forked(
                lambda out, left=left, work=Path(name): _in_child(kind, original, work, left, out)
            )
        results += [json.loads(line) for line in text.splitlines()]
        if end and len(results) < len(seeds):
            if not text and end.startswith("ended"):
                raise RuntimeError(f"{kind.name}: the original cannot be opened")
            lost = {"seed": seeds[len(results)], "how": "", "outcome": "other", "detail": end}
            results.append(lost)
    return results


def table(results: dict[str, list[dict[str, str]]]) -> str:
    """Outcomes by kind, in Markdown."""
    lines = ["| file | cases | " + " | ".join(OUTCOMES) + " | what differed in silence |"]
    lines.append("|---|" + "---|" * (len(OUTCOMES) + 2))
    total: Counter[str] = Counter()
    for name, cases in results.items():
        counts = Counter(case["outcome"] for case in cases)
        total.update(counts)
        parts = Counter(
            part for case in cases if case["outcome"] == "silent" for part in case["detail"].split(", ")
        )
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
    results = {}
    with tempfile.TemporaryDirectory() as name:
        folders = originals(kinds, Path(name))
        for kind in kinds:
            began = time.monotonic()
            n_cases = max(1, args.cases // kind.cost)
            results[kind.name] = run(kind, folders[kind.name], n_cases, args.first)
            others = sum(case["outcome"] == "other" for case in results[kind.name])
            took = time.monotonic() - began
            print(f"{kind.name}: {took:.1f} s, {others} other", file=sys.stderr, flush=True)
            for case in results[kind.name]:
                if case["outcome"] == args.show:
                    print(f"  {case['seed']}: {case['how']}: {case['detail']}")
    if args.json:
        args.json.write_text(json.dumps(results))
    print(table(results))


if __name__ == "__main__":
    main()
