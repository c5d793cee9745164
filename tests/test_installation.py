"""What a message says of installing, in either distribution that holds the package."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest

from biot import cli
from biot.errors import MissingDependencyError, require
from biot.installation import distribution, install_command, install_needed, package_version

Install = Callable[..., None]


@pytest.fixture
def only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Makes these the only distributions of ours, with the extras that each offers."""

    def install(**extras: list[str]) -> None:
        found = {}
        for name, offered in extras.items():
            folder = tmp_path / f"{name}-9.8.7.dist-info"
            folder.mkdir()
            lines = ["Metadata-Version: 2.4", f"Name: {name.replace('_', '-')}", "Version: 9.8.7"]
            lines += [f"Provides-Extra: {extra}" for extra in offered]
            (folder / "METADATA").write_text("\n".join(lines) + "\n", encoding="utf-8")
            found[name.replace("_", "-")] = metadata.PathDistribution(folder)

        def of_name(name: str) -> metadata.Distribution:
            try:
                return found[name]
            except KeyError:
                raise metadata.PackageNotFoundError(name) from None

        monkeypatch.setattr(metadata, "distribution", of_name)

    return install


def test_the_whole_package_installs_its_own_extras(only: Install) -> None:
    only(biot=["signals", "training"])
    assert install_command("signals") == "Install it with: pip install 'biot[signals]'"
    assert install_needed("torch") == "Install it with: pip install torch"
    assert package_version() == "9.8.7"


def test_the_distribution_without_torch_installs_the_extras_that_it_offers(only: Install) -> None:
    only(biot_runtime=["signals"])
    assert install_command("signals") == "Install it with: pip install 'biot-runtime[signals]'"
    assert package_version() == "9.8.7"


def test_what_the_distribution_without_torch_lacks_is_elsewhere(only: Install) -> None:
    only(biot_runtime=["signals"])
    assert install_command("training") == (
        "biot-runtime, which is installed here, does not offer it. Use another environment, with: "
        "pip install 'biot[training]'"
    )
    assert install_needed("torch").endswith("Use another environment, with: pip install biot")


def test_sources_that_run_uninstalled_have_no_version_and_name_the_whole_package(
    only: Install,
) -> None:
    only()
    assert distribution() is None
    assert package_version() is None
    assert install_command("xdf") == "Install it with: pip install 'biot[xdf]'"


def test_a_missing_package_is_told_with_the_extra_of_the_distribution(only: Install) -> None:
    only(biot_runtime=["signals"])
    with pytest.raises(
        MissingDependencyError,
        match=r"^not_there is not installed\. Install it with: pip install 'biot-runtime\[signals",
    ):
        require("not_there", extra="signals")


@pytest.mark.parametrize(
    ("package", "called"),
    [("torch", r"PyTorch (torch)"), ("safetensors", "safetensors")],
)
def test_a_command_that_needs_the_whole_package_says_so_in_one_line(
    package: str,
    called: str,
    only: Install,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def missing(name: str) -> object:
        raise ModuleNotFoundError(f"No module named {package!r}", name=package)

    only(biot_runtime=["signals"])
    monkeypatch.setattr(importlib, "import_module", missing)
    assert cli.main(["export", "model", "--out", "model.onnx"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line == (
        f"biot: error: {called} is not installed, and this needs it. biot-runtime, which is "
        "installed here, does not offer it. Use another environment, with: pip install biot. "
        "Without it biot predict, szcore and live take a file that biot export wrote (.onnx)."
    )
