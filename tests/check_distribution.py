"""What is handed out: built twice alike, whole, without junk, and of use where nothing else is.

    python tests/check_distribution.py --out dist [--install] [--all]

`make dist` runs it without options, `make check-dist` with both: they make empty environments and
install the wheel there, without extras and with the extra `all`, from the index that pip is set up
to use. It needs what the extra `dev` installs.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BELONG = {
    *("benchmarks", "docs", "examples", "paper", "src", "tests", ".gitignore", "LICENSE"),
    *("CHANGELOG.md", "CITATION.cff", "CODE_OF_CONDUCT.md", "CONTRIBUTING.md", "Makefile"),
    *("PKG-INFO", "README.md", "SECURITY.md", "pyproject.toml", "constraints.txt"),
    "constraints-lowest.txt",
}
"""What the source archive may hold at its top."""
NEVER = (".pyc", ".so", ".edf", ".bdf", ".fif", ".mat", ".npz", ".safetensors", ".parquet", ".log")
LARGEST = 600_000
"""Bytes of the largest file of the source archive."""

OPEN_AND_RUN = """
import sys, torch, biot
from biot import BIOT
from biot.preprocessing import Preprocessing
assert "site-packages" in biot.__file__, biot.__file__
torch.manual_seed(0)
model = BIOT(n_outputs=2, n_chans=4, n_times=400, sfreq=200, embed_dim=32, num_layers=1).eval()
x = torch.randn(3, 4, 400)
x[0, 1, 100:300] = float("nan")
contract = Preprocessing(sfreq=200, window=2, ch_names=("A", "B", "C", "D"), units=("µV",) * 4)
folder = model.save_pretrained("model", preprocessing=contract.with_labels(("no", "yes")))
again = BIOT.from_pretrained(folder).eval()
assert again(x).isfinite().all() and torch.equal(again(x), model(x))
"""
"""What the wheel must do without any extra."""
NEEDS_EXTRA = {
    "prepare in/a.csv --table-sfreq 200 --out made --sfreq 200 --window 2": "signals",
    "info in/a.fif": "signals",
    "demo --out demo": "signals",
    "predict model in/a.fif --out p.csv": "signals",
    "explain model in/a.fif --at 0": "signals",
    "live model --lsl EEG": "live",
    "finetune corpus --out run": "training",
    "pretrain corpus --out run": "training",
    "export model --out model.onnx": "export",
}
"""Commands that an extra brings, and the first that they ask for."""
FILES = {
    "in/a.csv": "C3,C4\n" + "".join(f"{i % 7}.5,{i % 11}.25\n" for i in range(800)),
    "in/a.fif": "0",
    "corpus/state.json": "{}",
}
"""What the commands are given."""
WORK_WITHOUT = ("--version", "layouts", "info model", "convert model --out converted")


def main() -> None:
    """Build, check, and say what holds; ends with an error at the first thing that does not."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    parser.add_argument("--install", action="store_true", help="try the wheel without extras")
    parser.add_argument("--all", action="store_true", help="try the wheel with the extra `all`")
    args = parser.parse_args()
    os.environ.setdefault("SOURCE_DATE_EPOCH", last_change())
    with tempfile.TemporaryDirectory() as scratch:
        sdist, wheel = built_alike(args.out.resolve(), Path(scratch))
        python_of_tools("-m", "twine", "check", "--strict", str(sdist), str(wheel))
        check_files(sdist, wheel)
        if args.install:
            try_without_extras(wheel, Path(scratch) / "bare")
        if args.all:
            try_with_all(wheel, Path(scratch) / "all")


def last_change() -> str:
    """Seconds since 1970 of the last commit; of 1980, the first a ZIP file knows, without git."""
    done = subprocess.run(
        ["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "315532800"


def python_of_tools(*words: str, cwd: Path = ROOT) -> None:
    """Run this interpreter; what it prints is shown only if it fails."""
    done = subprocess.run(
        [sys.executable, *words], cwd=cwd, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(words)}: {done.stdout}{done.stderr}")


def built_alike(out: Path, scratch: Path) -> tuple[Path, Path]:
    """Both archives from this folder, and again from the unpacked source archive."""
    python_of_tools("-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT))
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    sdist = out / f"biot-{version[1]}.tar.gz"
    wheel = out / f"biot-{version[1]}-py3-none-any.whl"
    with tarfile.open(sdist) as archive:
        archive.extractall(scratch / "source", filter="data")
    (unpacked,) = (scratch / "source").iterdir()
    again = scratch / "again"
    python_of_tools("-m", "build", "--no-isolation", "--outdir", str(again), cwd=unpacked)
    for file in (sdist, wheel):
        first, second = (digest(path) for path in (file, again / file.name))
        if first != second:
            sys.exit(f"{file.name}: built twice, it differs: {first} and {second}")
        print(f"{first}  {file.name}, the same in two folders")
    return sdist, wheel


def digest(file: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def check_files(sdist: Path, wheel: Path) -> None:
    """No junk, nothing large, and a description whose links lead somewhere."""
    with tarfile.open(sdist) as archive:
        members = [member for member in archive.getmembers() if member.isfile()]
    paths = {member.name.partition("/")[2]: member.size for member in members}
    strangers = {path for path in paths if path.partition("/")[0] not in BELONG}
    strangers |= {path for path in paths if path.endswith(NEVER)}
    strangers |= {path for path, size in paths.items() if size > LARGEST}
    if strangers:
        sys.exit(f"{sdist.name}: does not belong there: {', '.join(sorted(strangers))}")
    if "README.md" not in paths:  # tests and pages read it
        sys.exit(f"{sdist.name}: lacks README.md")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = (archive.read(name).decode() for name in names if name.endswith("/METADATA"))
    outside = [name for name in names if not name.startswith(("biot/", "biot-"))]
    sources = {path.relative_to(ROOT / "src").as_posix() for path in modules()}
    lacking = {*sources, "biot/py.typed"} - set(names)
    if outside or lacking:
        sys.exit(f"{wheel.name}: holds {outside}, lacks {sorted(lacking)}")
    relative = re.findall(r"\]\((?!https?://|#)[^)]*\)", metadata)
    if relative:
        sys.exit(f"{wheel.name}: links that an index of packages cannot follow: {relative}")
    print(f"{sdist.name}: {len(paths)} files; {wheel.name}: {len(names)}; twine check passed")


def modules() -> list[Path]:
    """Every file of the package that is code."""
    return sorted((ROOT / "src" / "biot").rglob("*.py"))


def installed(what: str, folder: Path) -> Path:
    """The Python of an empty environment into which the wheel was installed."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    subprocess.run(
        [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
         "--constraint", str(ROOT / "constraints.txt"), what],
        check=True,
    )  # fmt: skip
    return python


def run_there(python: Path, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a program of an environment, which sees nothing of this one."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}
    return subprocess.run(
        [str(python.parent / words[0]), *words[1:]],
        cwd=cwd, env=clean, capture_output=True, text=True, check=False,
    )  # fmt: skip


def try_without_extras(wheel: Path, folder: Path) -> None:
    """A model opens and runs; each command works, or says which extra brings it."""
    try_bare(installed(str(wheel), folder), folder / "work")


def try_bare(python: Path, work: Path) -> None:
    """The same, in an environment that is there."""
    for name, content in FILES.items():
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(content, encoding="utf-8")
    must_work(python, "python", "-c", OPEN_AND_RUN, cwd=work)
    for command in WORK_WITHOUT:
        must_work(python, "biot", *command.split(), cwd=work)
    for command, extra in NEEDS_EXTRA.items():
        done = run_there(python, "biot", *command.split(), cwd=work)
        if done.returncode != 1 or f"pip install 'biot[{extra}]'" not in done.stderr:
            sys.exit(f"biot {command}: does not ask for {extra}: {done.stdout}{done.stderr}")
    print(f"without extras: a model opens and runs; {len(NEEDS_EXTRA)} commands name their extra")


def must_work(python: Path, *words: str, cwd: Path) -> None:
    """Run a program, or end with what it printed."""
    done = run_there(python, *words, cwd=cwd)
    if done.returncode:
        sys.exit(f"{' '.join(words)}: {done.stdout}{done.stderr}")


def try_with_all(wheel: Path, folder: Path) -> None:
    """Every command has what it needs: the whole way, from simulated recordings to ONNX."""
    python = installed(f"{wheel}[all]", folder)
    for command in ("demo --out demo", "export demo/run/model --out model.onnx"):
        must_work(python, "biot", *command.split(), cwd=folder)
    print("with the extra `all`: the demo runs, its model is exported")


if __name__ == "__main__":
    main()
