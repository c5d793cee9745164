"""`biot convert`: a checkpoint of any kind as a model folder."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from biot.cli.options import (
    Parser,
    channel_names,
    count,
    new_command,
    positive,
    require_apart,
)
from biot.cli.terminal import say

if TYPE_CHECKING:
    from biot.model.biot import BIOT
    from biot.preprocessing import Preprocessing

__all__ = ["parser"]

_EXAMPLES = """\
  biot convert EEG-six-datasets-18-channels.ckpt --out six --n-outputs 2 --channels prest-18
  biot convert classifier.ckpt --out classifier --hop-length 200 --n-times 1000
  biot convert braindecode/biot-pretrained-prest-16chs --out prest
"""
_SETTINGS = ("n_outputs", "num_heads", "hop_length", "sfreq", "n_times")


def parser() -> Parser:
    """The parser of the command."""
    made = new_command(
        "convert",
        description="Open a checkpoint (a bare encoder, a classifier or a Lightning file of the "
        "BIOT authors, a folder that braindecode wrote, a repository on the Hub), show what became "
        "of each of its weights, and write config.json, model.safetensors and a model card. What "
        "the file does not say comes from the options, else it is the published default and "
        "listed as assumed. A folder's preprocessing.json, training_data.json and baseline.npz "
        "are kept, unless an option changes the model.",
        examples=_EXAMPLES,
        execute=_execute,
    )
    made.add_argument("file", metavar="FILE", help="checkpoint, model folder, or owner/name")
    made.add_argument(
        "--out", metavar="FOLDER", type=Path, required=True, help="model folder to write; a new one"
    )
    made.add_argument(
        "--n-outputs", metavar="N", type=count, help="classes; needed by a file without a head"
    )
    made.add_argument("--num-heads", metavar="N", type=count, help="attention heads")
    made.add_argument(
        "--hop-length", metavar="N", type=count, help="samples between starts of tokens"
    )
    made.add_argument("--sfreq", metavar="HZ", type=positive, help="samples a second")
    made.add_argument("--n-times", metavar="N", type=count, help="samples of a window")
    made.add_argument(
        "--channels",
        metavar="NAMES",
        type=channel_names,
        help="names of the channels in the order of their rows, with commas between them; or "
        "prest-16, prest-18: the published montages",
    )
    return made


def _execute(args: Namespace) -> None:
    from biot.corpus.leakage import SeenData
    from biot.errors import ConfigError
    from biot.model.biot import BIOT
    from biot.training.baseline import KeptBaseline

    require_apart({"--out": args.out}, [args.file])
    if args.out.exists():
        raise ConfigError(f"{args.out}: is there already; give the name of a new folder.")
    settings: dict[str, Any] = {
        name: getattr(args, name) for name in _SETTINGS if getattr(args, name) is not None
    }
    model = BIOT.from_pretrained(args.file, channels=args.channels, **settings)
    contract = _contract(Path(args.file), model)
    beside = None if contract is None else KeptBaseline.load(Path(args.file))
    model.save_pretrained(args.out, preprocessing=contract)
    seen = SeenData.load(Path(args.file)) if Path(args.file).is_dir() else None
    if seen is not None:
        seen.save(args.out)
    if beside is not None:
        beside.save(args.out)
    say(f"{model.load_report}\n\n{model}\n\n{args.file} -> {args.out}")


def _contract(folder: Path, model: BIOT) -> Preprocessing | None:
    """What a model folder of ours says of its data, its decision and its rules for events."""
    from biot.errors import ContractError
    from biot.model.saving import require_fit
    from biot.preprocessing import FILE_NAME, Preprocessing

    if not (folder / FILE_NAME).is_file():
        return None
    contract = Preprocessing.load(folder)
    try:
        require_fit(model, contract)
    except ContractError as error:
        say(f"{folder / FILE_NAME} is not kept, since an option changes the model: {error}\n")
        return None
    return contract
