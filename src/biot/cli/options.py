"""What the commands share: parsers, options from settings, and checks of what will be written."""

from __future__ import annotations

import re
import shlex
import tempfile
import textwrap
import warnings
from argparse import (
    SUPPRESS,
    ArgumentParser,
    ArgumentTypeError,
    Namespace,
    RawDescriptionHelpFormatter,
    _SubParsersAction,
)
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeVar

from biot.cli.terminal import say, visible
from biot.errors import BiotError, ConfigError, listed, near_word
from biot.settings import Setting, Settings, settings_of

__all__ = [
    "Parser",
    "add_device",
    "add_settings",
    "add_table_options",
    "as_table",
    "channel_names",
    "config_of",
    "count",
    "in_options",
    "new_command",
    "note_in_options",
    "open_recording",
    "parse",
    "perform",
    "positive",
    "require_apart",
    "require_open",
    "require_writable",
    "whole",
    "with_given_units",
]

if TYPE_CHECKING:
    from biot.corpus.builder.channels.given_units import GivenUnits
    from biot.signals.recording import Recording

C = TypeVar("C", bound=Settings)


class _HelpFormatter(RawDescriptionHelpFormatter):
    """Keeps the examples' lines, and leaves room for long options."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28, width=100)


class Parser(ArgumentParser):
    """A parser in the style of all commands."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**{"formatter_class": _HelpFormatter, "allow_abbrev": False, **given})
        # so that -1e-3 and -5. are numbers, not options, under every version of Python
        self._negative_number_matcher = re.compile(r"-(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$")

    def error(self, message: str) -> NoReturn:
        """Exit with 2 after one message; what was typed is shown in readable letters."""
        super().error(visible(message))


# parsing and running ------------------------------------------------------------------------


def new_command(
    name: str, *, description: str, examples: str, execute: Callable[[Namespace], None]
) -> Parser:
    """The parser of a command with its help, and the function that runs it."""
    parser = Parser(
        prog=f"biot {name}",
        description=textwrap.fill(description, 98),
        epilog=f"examples:\n{examples}",
    )
    parser.set_defaults(execute=execute)
    return parser


def parse(parser: ArgumentParser, words: Sequence[str]) -> Namespace:
    """Parse a command's words; an option that is mistyped is told before one that is missing."""
    known = set(_options(parser))
    for word in words:
        option = word.partition("=")[0]
        if word == "--":
            break
        if option.startswith("--") and option not in known:
            parser.error(f"unrecognized arguments: {word}.{near_word(option, known)}")
    args = parser.parse_args(words)
    args.given = {
        action.dest
        for action in parser._actions
        if any(word.partition("=")[0] in action.option_strings for word in words)
    }
    return args


def _options(parser: ArgumentParser) -> Iterator[str]:
    for action in parser._actions:  # argparse shows them in no other way
        yield from action.option_strings
        if isinstance(action, _SubParsersAction):
            for inner in action.choices.values():
                yield from _options(inner)


def perform(
    parser: ArgumentParser, words: Sequence[str], *, before: Callable[[], None] | None = None
) -> None:
    """Parse the words after the program's name and run the command that they begin with.

    `before` is called once they are parsed. Errors and warnings name the command's options; errors
    pass through.
    """
    args = parse(parser, words[1:])
    args.command_line = shlex.join(["biot", *words])
    if before is not None:
        before()
    try:
        with _warnings_in_options(_names(parser)):
            args.execute(args)
    except BiotError as error:
        error.args = (in_options(str(error), _names(parser)),)
        raise


@contextmanager
def _warnings_in_options(names: Mapping[str, str]) -> Iterator[None]:
    """Warnings are shown in the words of the command."""
    shown = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        shown(in_options(str(message), names), category, *where, **more)

    warnings.showwarning = show
    try:
        yield
    finally:
        warnings.showwarning = shown


def _names(parser: ArgumentParser) -> dict[str, str]:
    """The option of each argument: by its name in the library, where that is another one."""
    found = {
        action.dest: action.option_strings[-1]
        for action in parser._actions
        if action.option_strings and action.default is not SUPPRESS
    }
    return {**found, **(parser.get_default("library_names") or {})}


def in_options(message: str, names: Mapping[str, str]) -> str:
    """A message of the library in the words of the command: ``sfreq=`` becomes ``--sfreq``.

    Parameters
    ----------
    message
        What the library says.
    names
        Option of each argument; a name that ends in ``=`` stands for that spelling only.
    """
    plain = {name: option for name, option in names.items() if not name.endswith("=")}
    given = {**plain, **{n.removesuffix("="): o for n, o in names.items() if n.endswith("=")}}
    outside = r"(?<![\w./\\'\"`=-])(?<!: )"

    def either(words: Iterable[str]) -> str:
        return "|".join(sorted(map(re.escape, words), key=len, reverse=True)) or "(?!)"

    def spelled(found: re.Match[str]) -> str:
        value = found[2].rstrip(".,;)")
        rest = found[2][len(value) :]
        value = "" if value == "True" else value  # of a switch, which takes none
        return f"{given[found[1]]}{' ' if value else ''}{value}{rest}"

    # "Give sfreq=.", "class_weights=sampled"
    text = re.sub(rf"{outside}({either(given)})=(?!=)(\S*)", spelled, message)
    # names that are no words of English, wherever they stand
    compound = [name for name in plain if "_" in name]
    text = re.sub(rf"{outside}({either(compound)})(?![\w/=]|\.\w)", lambda f: plain[f[1]], text)
    # "a.edf: label_map must be"; not "config.json: n_fft must be", nor "columns: label_map, n"
    said = r"(?= (?:must|would|is|has|goes|says) | ')"
    text = re.sub(rf"(?<!\.json: )(?<=: )({either(compound)}){said}", lambda f: plain[f[1]], text)
    # "epochs must be", "mode is 'lora', but labels is 'none'"; not the labels of a sentence
    before = r"(^|; |, but |, | and |with |got |half of )"
    words = "must |forbids |is '|is for |is not given|cannot |goes |and --|None,|'|\\[|\\{|[0-9]"
    after = rf"(?= (?:{words})|, [0-9])"
    text = re.sub(rf"{before}({either(plain)}){after}", lambda f: f[1] + plain[f[2]], text)
    return re.sub(r"(--[\w-]+) \(\1\)", r"\1", text)


_IN_NOTES = {"keep_flat": "--keep-flat", "reference=": "--reference"}
"""Options of `biot prepare` that notes on a recording name."""


def note_in_options(note: str) -> str:
    """What is to be known of a recording, in the words of the command."""
    return in_options(note, _IN_NOTES)


# options ------------------------------------------------------------------------------------


def add_settings(
    parser: ArgumentParser,
    kind: type[Settings],
    *,
    only: Sequence[str] | None = None,
    group: Any = None,
    shows_defaults: bool = True,
) -> None:
    """An option for each setting of a class, with its help, its default and its refusals.

    `group` takes all of them, instead of groups by their headings. Without `shows_defaults` an
    option that is not given is None: something else than the class decides then.
    """
    shown = settings_of(kind)
    groups: dict[str | None, Any] = {None: parser}
    options = {one.name: one.option for one in shown}
    for one in shown:
        if only is not None and one.name not in only:
            continue
        if group is None and one.group not in groups:
            groups[one.group] = parser.add_argument_group(one.group)
        _add_setting(
            groups[one.group] if group is None else group,
            one if shows_defaults else replace(one, default=None),
            options,
        )


def _add_setting(group: Any, one: Setting, options: Mapping[str, str]) -> None:
    text = re.sub(r"`(\w+)`", lambda found: options.get(found[1], found[1]), one.help)
    text = text.removesuffix(".").replace("%", "%%")
    if text[1:2].islower():
        text = text[0].lower() + text[1:]
    required = one.default is MISSING
    given: dict[str, Any] = {"dest": one.name, "default": None if required else one.default}
    if one.kind == "switch":
        action = "store_false" if one.default else "store_true"
        group.add_argument(one.option, action=action, help=text, **given)
        return
    if not required and one.default is not None:
        default = one.default[0] if one.kind == "names" else one.default
        text += f" (default: {default:g})" if one.kind == "number" else f" (default: {default})"
    metavar: str | tuple[str, ...] = one.metavar
    if one.kind == "names":
        given.update(action="append", default=None)
    elif one.kind == "pair":
        given.update(nargs=2, type=_value_of(replace(one, kind="number")))
        metavar = tuple(one.metavar.split())
    else:
        given.update(type=_value_of(one))
    group.add_argument(one.option, metavar=metavar, required=required, help=text, **given)


def _value_of(one: Setting) -> Callable[[str], Any]:
    def value(text: str) -> Any:
        try:
            return one.parsed(text)
        except ConfigError as error:
            raise ArgumentTypeError(str(error)) from None

    return value


def config_of(args: Namespace, kind: type[C]) -> C:
    """The settings that were given as options."""
    known = getattr(args, "given", None)
    given = {
        one.name: getattr(args, one.name)
        for one in settings_of(kind)
        if known is None or one.name in known
    }
    names = {one.name for one in settings_of(kind) if one.kind == "names"}
    return kind(**{k: v for k, v in given.items() if not (k in names and v is None)})


def add_device(parser: ArgumentParser) -> None:
    """``--device`` and ``--precision``."""
    from biot.training.finetuning.config import FinetuneConfig

    add_settings(parser, FinetuneConfig, only=("device", "precision"))


def add_table_options(parser: ArgumentParser) -> None:
    """``--units``, ``--table-sfreq`` and ``--table-units``."""
    from biot.corpus.builder.settings import PrepareConfig

    add_settings(parser, PrepareConfig, only=("units", "table_sfreq", "table_units"))
    names = {"sfreq=": "--table-sfreq", "units=": "--units"}
    names["columns="] = "--channels of biot prepare"
    parser.set_defaults(library_names={**_IN_NOTES, **names})


def open_recording(
    args: Namespace,
    path: Path,
    renames: Mapping[str, str] | None = None,
    columns: Sequence[str] = (),
) -> Recording:
    """The recording at a path, read with :func:`add_table_options`; what was given is told.

    Parameters
    ----------
    renames
        New names of channels by the old ones, as a model has them; units may be given for these.
    columns
        Of a table: see :func:`biot.signals.read_recording`.
    """
    from biot.corpus.builder.channels.given_units import GivenUnits
    from biot.corpus.builder.sources import Source, TableOptions
    from biot.signals.readers import read_recording

    given = GivenUnits.read(args.units, {path.name: path})
    tables = TableOptions(args.table_sfreq, args.table_units, tuple(columns))
    tables.require_a_table([Source(path.name, path)])
    recording = read_recording(path, **tables.of(path, units_later=given.is_given))
    return with_given_units(recording, given, path.name, renames)


def with_given_units(
    recording: Recording, given: GivenUnits, name: str, renames: Mapping[str, str] | None = None
) -> Recording:
    """The recording in the units that ``--units`` says; what was done is told."""
    from biot.signals.naming import called

    as_known = replace(recording, ch_names=called(recording.ch_names, renames or {}))
    changed, done = given.said_of(as_known, name)
    for what, names in done.items():
        say(f"{listed(names)}: {what}.")
    for word in given.unmatched(as_known, name):
        say(f"{word!r} of {given.table} fits no channel.")
    return replace(changed, ch_names=recording.ch_names)


def _numbers(
    kind: Literal["whole", "number"], *, least: float | None = None, above: float | None = None
) -> Callable[[str], Any]:
    bounds = (least, above, None, None)
    plain: dict[str, Any] = dict.fromkeys(("name", "help", "metavar", "option"), "")
    one = Setting(
        kind=kind, bounds=bounds, default=None, optional=False, choices=(), group=None, **plain
    )  # fmt: skip
    return _value_of(one)


# Types of options that belong to one command alone.
positive = _numbers("number", above=0)
whole = _numbers("whole", least=0)
count = _numbers("whole", least=1)


def channel_names(text: str) -> list[str]:
    """Names of channels with commas between them, or those of a published montage."""
    from biot.signals.channels import PREST_16, PREST_18

    published = {"prest-16": PREST_16, "prest-18": PREST_18}
    return list(published.get(text.lower()) or (name.strip() for name in text.split(",")))


# what will be written -----------------------------------------------------------------------


def require_writable(path: Path, *, suffixes: Sequence[str]) -> None:
    """Find out before the work, not after it, whether a file can be written.

    Raises
    ------
    ConfigError
        If the name has another ending, or its folder is absent or closed to us.
    """
    if path.suffix not in suffixes:
        raise ConfigError(f"{path}: the name must end in {' or '.join(suffixes)}.")
    if path.is_dir():
        raise ConfigError(f"{path}: is a folder; give the name of a file.")
    if not path.parent.is_dir():
        raise ConfigError(f"{path}: there is no folder {path.parent}; make it first.")
    require_open(path.parent, path)


def require_open(folder: Path, path: Path) -> None:
    """Raise ConfigError if no file can be made in a folder that is there; `path` is told."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot write in {folder} ({error.strerror}); choose another folder."
        ) from error


def require_apart(outputs: Mapping[str, Path | None], inputs: Iterable[Path | str | None]) -> None:
    """Refuse to write over what a command reads, also where a link leads to it.

    Parameters
    ----------
    outputs
        Files and folders to write, by their option; None for one that is not asked for.
    inputs
        Files and folders to read; what is not there, such as a name on the Hub, passes.

    Raises
    ------
    ConfigError
        If an output is an input, holds one, or is a file that lies in one.
    """
    read = [Path(one) for one in inputs if one is not None and Path(one).exists()]
    for option, out in outputs.items():
        if out is None or not out.exists():
            continue
        for one in read:
            if out.samefile(one):
                raise ConfigError(
                    f"{option} {out} is {'the same as ' if out != one else ''}the input {one}, "
                    "which would be lost. Give another name."
                )
            if out.is_dir() and any(out.samefile(above) for above in one.resolve().parents):
                raise ConfigError(f"{option} {out} holds the input {one}. Give another folder.")
            # Pictures may lie there: neither corpora nor models hold any.
            inside = one.is_dir() and any(one.samefile(up) for up in out.resolve().parents)
            if inside and out.is_file() and out.suffix != ".png":
                raise ConfigError(
                    f"{option} {out} is a file of the input {one}, which would be damaged. Give "
                    "another name."
                )


def as_table(rows: Sequence[Sequence[Any]], headers: Sequence[str]) -> str:
    """Rows as an aligned table."""
    from tabulate import tabulate

    return tabulate(rows, headers=headers, floatfmt=".3f")
