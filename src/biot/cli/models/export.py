"""`biot export`: a model as an ONNX file."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from biot.cli.options import Parser, new_command, require_apart, require_writable
from biot.cli.terminal import say

__all__ = ["parser"]

_EXAMPLES = """\
  biot export run/model --out model.onnx
"""


def parser() -> Parser:
    """The parser of the command."""
    made = new_command(
        "export",
        description="Write a model as one ONNX file for runtimes without PyTorch. Its inputs are "
        "x (float32), channel_ids (int64, -1 for absent) and valid (bool) of any batch, channels "
        "and length, its output is scores. ONNX Runtime repeats the model's scores before the "
        "file gets its name.",
        examples=_EXAMPLES,
        execute=_execute,
    )
    made.add_argument("model", metavar="MODEL", help="the model folder of a run: RUN/model")
    made.add_argument(
        "--out", metavar="FILE", type=Path, required=True, help="file to write (.onnx)"
    )
    return made


def _execute(args: Namespace) -> None:
    require_writable(args.out, suffixes=(".onnx",))
    require_apart({"--out": args.out}, [args.model])
    from biot.inference.exporting.export import export_onnx
    from biot.model.biot import BIOT
    from biot.preprocessing import FILE_NAME, Preprocessing

    model = BIOT.from_pretrained(args.model)
    folder = Path(args.model)
    contract = Preprocessing.load(folder) if (folder / FILE_NAME).is_file() else None
    export_onnx(model, args.out, preprocessing=contract)
    say(f"{args.model} -> {args.out}")
