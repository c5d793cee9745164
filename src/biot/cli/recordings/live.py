"""`biot live`: predict a stream of LabStreamingLayer, or a file played as one, as it comes."""

from __future__ import annotations

import contextlib
import math
import signal
import warnings
from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event, current_thread, main_thread
from typing import TYPE_CHECKING, Any

from biot.cli.options import (
    Parser,
    add_device,
    add_table_options,
    as_table,
    count,
    new_command,
    note_in_options,
    open_recording,
    positive,
    require_apart,
    require_writable,
    with_given_units,
)
from biot.cli.recordings.opening import MODEL_HELP, open_predictor
from biot.cli.terminal import say
from biot.errors import ConfigError, counted

if TYPE_CHECKING:
    from biot.inference.live.engine import LiveEngine
    from biot.inference.live.lsl import LslStream
    from biot.inference.live.rows import LiveRow
    from biot.inference.windowed import WindowPredictor

__all__ = ["parser"]

_EXAMPLES = """\
  biot live run/model --lsl BioSemi --stride 0.5 --out session.jsonl
  biot live run/model --lsl BioSemi --stride 0.5 --outlet
  biot live run/model --replay night.edf --speed 10
"""

_NAMES = {"causal=": "--causal", "resample=": "--resample", "source_id=": "--source-id"}
"""Options, also of `biot prepare`, that errors name."""

_MOST_SHOWN = 6
_CODES = {"SIGINT": 130, "SIGTERM": 143}


def parser() -> Parser:
    """The parser of the command."""
    made = new_command(
        "live",
        description="Predict a stream of LabStreamingLayer while it is recorded, or a file that is "
        "played as one. Channels are found by name, and converted to the model's units, as in "
        "files; samples that are lost on the way are missing data. A model that is slower than the "
        "stream drops windows, the oldest first. A line is printed for each window; latency, lost "
        "samples and dropped windows at the end, also after Ctrl-C.",
        examples=_EXAMPLES,
        execute=_execute,
    )
    made.add_argument("model", metavar="MODEL", type=Path, help=MODEL_HELP)
    source = made.add_mutually_exclusive_group(required=True)
    source.add_argument("--lsl", metavar="NAME", help="name of the stream; it is waited for")
    source.add_argument(
        "--replay", metavar="FILE", type=Path, help="recording to play: EDF, BDF, BrainVision, …"
    )
    _add_stream(made)
    _add_ends(made)
    add_table_options(made)
    made.set_defaults(library_names={**made.get_default("library_names"), **_NAMES})
    add_device(made)
    return made


def _add_stream(made: Parser) -> None:
    """Options of one kind of source only."""
    made.add_argument(
        "--source-id", metavar="ID", help="with --lsl: which stream, where several have the name"
    )
    made.add_argument(
        "--dejitter", action="store_true", help="with --lsl: let LSL smooth the time stamps"
    )
    made.add_argument(
        "--speed",
        metavar="X",
        type=_speed,
        default=1.0,
        help="with --replay: how many times faster than recorded; max: as fast as possible, and no "
        "window is dropped (default: 1)",
    )


def _add_ends(made: Parser) -> None:
    """What comes out, and when it ends."""
    made.add_argument(
        "--stride",
        metavar="S",
        type=positive,
        help="seconds between the starts of windows (default: the window, so that none overlap)",
    )
    made.add_argument(
        "--out",
        metavar="FILE",
        type=Path,
        help="JSON lines to write (.jsonl), one a window; a file that is there is gone on with",
    )
    made.add_argument(
        "--outlet",
        action="store_true",
        help="send the probabilities as a stream of their own, called NAME-biot",
    )
    made.add_argument(
        "--duration",
        metavar="S",
        type=positive,
        help="end after so many seconds of the stream, of waiting for it, or of the recording",
    )
    made.add_argument("--count", metavar="N", type=count, help="end after so many windows")


def _speed(text: str) -> float:
    try:
        value = 0.0 if text == "max" else float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise ArgumentTypeError(f"must be a number from 0 on, or max; got {text!r}")
    return value


def _execute(args: Namespace) -> None:
    _require_fitting_options(args)
    if args.out is not None:
        require_writable(args.out, suffixes=(".jsonl",))
    require_apart({"--out": args.out}, [args.model, args.replay, args.units])
    predictor = open_predictor(args, args.model)
    with ExitStack() as stack:
        stopped = stack.enter_context(_asked_to_stop())
        opened = _open_stream if args.replay is None else _open_replay
        found = opened(args, predictor, stopped.event)
        if found is not None:
            engine, rows = found
            _show(args, engine, rows, stack, predictor)
    if stopped.name is not None:
        raise SystemExit(_CODES[stopped.name])


def _require_fitting_options(args: Namespace) -> None:
    wrong = {
        "--lsl": [("source_id", "--source-id"), ("dejitter", "--dejitter")],
        "--replay": [
            ("speed", "--speed"), ("table_sfreq", "--table-sfreq"), ("table_units", "--table-units")
        ],
    }["--lsl" if args.lsl is None else "--replay"]  # fmt: skip
    for name, option in wrong:
        if name in args.given:
            raise ConfigError(
                f"{option} goes with {'--lsl' if args.lsl is None else '--replay'} only."
            )


# sources ------------------------------------------------------------------------------------


def _open_replay(
    args: Namespace, predictor: WindowPredictor, stopped: Event
) -> tuple[LiveEngine, Iterator[list[LiveRow]]]:
    from biot.inference.live.engine import QUEUE, LiveEngine
    from biot.inference.live.replay import replayed
    from biot.signals.naming import renames_of

    contract = predictor.preprocessing
    renames = renames_of(contract.rename_channels)
    recording = open_recording(args, args.replay, renames, contract.ch_names)
    queue = QUEUE if args.speed else None
    engine = LiveEngine(predictor, recording, stride=args.stride, queue=queue)
    return engine, replayed(engine, speed=args.speed, seconds=args.duration, stopped=stopped)


def _open_stream(
    args: Namespace, predictor: WindowPredictor, stopped: Event
) -> tuple[LiveEngine, Iterator[list[LiveRow]]] | None:
    import time

    from biot.corpus.builder.channels.given_units import GivenUnits
    from biot.inference.live.engine import LiveEngine
    from biot.inference.live.lsl import LslStream
    from biot.inference.live.streaming import streamed
    from biot.signals.naming import renames_of

    contract = predictor.preprocessing
    given = GivenUnits.read(args.units, {args.lsl: Path(args.lsl)})
    _require_causal(predictor)
    stream = LslStream(args.lsl, source_id=args.source_id, dejitter=args.dejitter)
    until = None if args.duration is None else time.monotonic() + args.duration
    asked = _Asked(stream, stopped, until)
    recording = stream.find(asked)
    if recording is None:
        if stopped.is_set():
            return None
        if stream.trouble:
            raise ConfigError(f"--lsl {args.lsl}: cannot be opened ({stream.trouble}).")
        raise ConfigError(
            f"--lsl {args.lsl}: no stream of this name in {args.duration:g} s. Start the sender, "
            "or wait longer by --duration."
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of amplitudes, before there is a sample
        recording = with_given_units(
            recording, given, args.lsl, renames_of(contract.rename_channels)
        )
    engine = LiveEngine(predictor, recording, stride=args.stride, clock=stream.clock)
    say(
        f"{args.lsl}: found, {recording.sfreq:g} Hz, {counted(len(recording.ch_names), 'channel')}."
    )
    rows = streamed(engine, stream, seconds=args.duration, stopped=stopped, tell=say)
    return engine, rows


def _require_causal(predictor: WindowPredictor) -> None:
    """Before a stream is waited for."""
    from biot.inference.live.engine import require_causal

    require_causal(predictor.preprocessing)


class _Asked:
    """Whether to wait on for a stream; says once that it is not there."""

    def __init__(self, stream: LslStream, stopped: Event, until: float | None) -> None:
        self._stream, self._stopped, self._until = stream, stopped, until
        self._times = 0

    def __call__(self) -> bool:
        import time

        if self._times == 1:
            say(f"{self._stream.name}: no stream of this name yet. Waiting for it; Ctrl-C ends.")
        self._times += 1
        ends = self._until is not None and time.monotonic() >= self._until and self._times > 1
        return not (ends or self._stopped.is_set())


class _Stopped:
    """Whether a signal asked for the end, and which."""

    def __init__(self) -> None:
        self.event = Event()
        self.name: str | None = None

    def __call__(self, number: int, frame: object) -> None:
        if self.event.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt  # the second time, at once
        self.name = signal.Signals(number).name
        self.event.set()


@contextmanager
def _asked_to_stop() -> Iterator[_Stopped]:
    """Ctrl-C and SIGTERM end what is shown after the row at hand, so that all lines are whole."""
    stopped = _Stopped()
    if current_thread() is not main_thread():
        yield stopped
        return
    before: dict[int, Any] = {
        number: signal.signal(number, stopped) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# what is shown ------------------------------------------------------------------------------


def _show(
    args: Namespace,
    engine: LiveEngine,
    rows: Iterator[list[LiveRow]],
    stack: ExitStack,
    predictor: WindowPredictor,
) -> None:
    """Print, record and send the rows as they come; then how long they took."""
    say(engine.montage)
    for note in engine.notes:
        say(note_in_options(note))
    takers = _takers(args, stack, predictor)
    say(f"A window is predicted {1000 * engine.delay:.0f} ms after its last sample, or later.\n")
    n_shown = 0
    try:
        for some in rows:
            for row in some:
                if n_shown == args.count:
                    break
                for take in takers:
                    take(row)
                n_shown += 1
            if n_shown == args.count:
                break
    finally:
        with contextlib.suppress(OSError, ValueError):  # nobody reads our output any more
            say(_summary(engine, n_shown))
            if args.out is not None:
                say(f"\n{counted(n_shown, 'window')} -> {args.out}")


def _takers(
    args: Namespace, stack: ExitStack, predictor: WindowPredictor
) -> list[Callable[[LiveRow], None]]:
    """What is done with each row; the file first."""
    takers: list[Callable[[LiveRow], None]] = []
    if args.out is not None:
        from biot.inference.live.lines import JsonLines

        lines = stack.enter_context(JsonLines(args.out))
        if lines.n_before:
            say(
                f"{args.out}: holds "
                f"{counted(lines.n_before, 'line, which stays', 'lines, which stay')}; new ones "
                "come after."
            )
        takers.append(lambda row: lines.write(row.to_dict()))
    if args.outlet:
        from biot.inference.live.outlet import Outlet

        contract = predictor.preprocessing
        name = f"{args.lsl or args.replay.name}-biot"
        outlet = Outlet(name, contract.label_names or (), task=contract.task)
        say(f"Predictions are sent as the stream {name}.")
        takers.append(outlet.send)
    takers.append(lambda row: say(_line(row)))
    return takers


def _line(row: LiveRow) -> str:
    """A row for people."""
    parts = [f"{row.start:9.2f} – {row.stop:.2f} s"]
    shown = sorted(row.probabilities.items(), key=lambda pair: -pair[1])
    if any(map(math.isnan, row.probabilities.values())):
        parts.append("no usable data")
    else:
        few = len(shown) <= _MOST_SHOWN
        pairs = row.probabilities.items() if few else shown[:_MOST_SHOWN]
        parts += [] if row.label is None else [row.label or "no tag"]
        parts += [f"{name} {value:.3f}" for name, value in pairs]
    parts.append(f"({1000 * row.latency:.0f} ms)")
    parts += [f"{row.lost} samples lost"] if row.lost else []
    parts += [f"{row.dropped} windows dropped before"] if row.dropped else []
    return "  ".join(parts)


def _summary(engine: LiveEngine, n_shown: int) -> str:
    from biot.inference.live.rows import quantiles

    times = quantiles(engine.latencies)
    said = "none" if not n_shown else ", ".join(
        f"p{part} {1000 * value:.1f} ms" for part, value in zip((50, 95, 99), times, strict=True)
    )  # fmt: skip
    rows = [
        ("windows", f"{n_shown}"),
        ("latency, from a window's last sample to its prediction", said),
        ("samples lost on the way", f"{engine.n_lost}"),
        ("windows dropped, since the model is slower", f"{engine.n_dropped}"),
    ]
    return f"\n{as_table(rows, ())}"
