"""`biot export`: a model as an ONNX file."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from biot.cli.options import Parser, new_command, require_apart, require_writable
from biot.cli.terminal import say
from biot.errors import ConfigError

__all__ = ["parser"]

_EXAMPLES = """\
  biot export run/model --out model.onnx
  biot export run/model --out small.onnx --int8 --calibrate corpus
  biot export run/model --out for_openvino.onnx --all-inputs
"""
_MAX_LOSS = 0.01


def parser() -> Parser:
    """The parser of the command."""
    made = new_command(
        "export",
        description="Write a model as one ONNX file for runtimes without PyTorch. Its input is x "
        "(float32, NaN where missing) of any batch, channels and length; channel_ids (int64, -1 "
        "for absent) and valid (bool) may be given besides. Its output is scores. ONNX Runtime "
        "repeats the model's scores before the file gets its name. With --int8 the weights have "
        "eight bits, and the file is written only if it scores as well on a corpus.",
        examples=_EXAMPLES,
        execute=_execute,
    )
    made.add_argument("model", metavar="MODEL", help="the model folder of a run: RUN/model")
    made.add_argument(
        "--out", metavar="FILE", type=Path, required=True, help="file to write (.onnx)"
    )
    made.add_argument(
        "--all-inputs",
        action="store_true",
        help="channel_ids and valid must be given too; OpenVINO takes them only so",
    )
    made.add_argument(
        "--int8",
        action="store_true",
        help="weights of eight bits: a quarter of the size, faster in ONNX Runtime",
    )
    made.add_argument(
        "--calibrate",
        metavar="CORPUS",
        type=Path,
        help="with --int8: folder from `biot prepare` with labels, prepared as the model's was; "
        "scores before and after are of its windows",
    )
    made.add_argument(
        "--max-loss",
        metavar="X",
        type=float,
        default=_MAX_LOSS,
        help="with --int8: refuse the file if the score (balanced accuracy; AUROC of tags, R² of "
        f"numbers) falls by more (default: {_MAX_LOSS:g})",
    )
    return made


def _execute(args: Namespace) -> None:
    _require_together(args)
    require_writable(args.out, suffixes=(".onnx",))
    require_apart({"--out": args.out}, [args.model, args.calibrate])
    if args.int8:
        from biot.inference.exporting.int8 import export_int8

        report = export_int8(
            args.model, args.out, args.calibrate, max_loss=args.max_loss,
            optional_inputs=not args.all_inputs,
        )  # fmt: skip
        say(report)
    else:
        _export(args)
    say(f"{args.model} -> {args.out}")


def _export(args: Namespace) -> None:
    from biot.inference.exporting.export import export_onnx
    from biot.model.biot import BIOT
    from biot.model.saving import require_fit
    from biot.preprocessing import FILE_NAME, Preprocessing

    model = BIOT.from_pretrained(args.model)
    folder = _folder_of(args.model)
    contract = Preprocessing.load(folder) if (folder / FILE_NAME).is_file() else None
    if contract is not None:
        require_fit(model, contract, where=folder)
    export_onnx(model, args.out, preprocessing=contract, optional_inputs=not args.all_inputs)
    if contract is None:
        say(
            f"Note: there is no {folder / FILE_NAME}, so that {args.out} does not say how "
            "recordings are prepared, and biot predict does not take it."
        )


def _folder_of(model: str) -> Path:
    """Where a model's files lie; of a repository on the Hub, those beside it are fetched."""
    from biot.model.hub import Download, fetched_beside
    from biot.preprocessing import FILE_NAME

    if Path(model).is_file():
        return Path(model).parent
    if Path(model).exists():
        return Path(model)
    found = fetched_beside(model, FILE_NAME, Download())
    return Path(model) if found is None else found.parent


def _require_together(args: Namespace) -> None:
    if args.int8 and args.calibrate is None:
        raise ConfigError(
            "--int8 is given without --calibrate. Give --calibrate CORPUS, whose labelled windows "
            "show what eight bits cost; or leave --int8 out."
        )
    for option, name in (("--calibrate", "calibrate"), ("--max-loss", "max_loss")):
        if not args.int8 and name in args.given:
            raise ConfigError(f"{option} is for --int8. Give --int8 too, or leave {option} out.")
