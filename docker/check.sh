#!/usr/bin/env bash
# Checks what docker/Dockerfile does, as far as that is possible without a container engine: the
# distribution without PyTorch is installed into a fresh environment, and the container's command
# runs there on a simulated recording, without a network where the system can take it away.
#
#   docker/check.sh                      with the Python of .venv
#   PYTHON=/path/to/python docker/check.sh
#
# PYTHON is one with this package and its extras signals and export: it makes model and recording.
# ENVIRONMENT=FOLDER keeps the fresh environment there, and takes one that is there already.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-$root/.venv/bin/python}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/data/sub-01" "$work/output"
venv=${ENVIRONMENT:-$work/venv}

echo "Making a model and a recording ..."
"$python" "$root/docker/check_material.py" "$work"

if [ ! -x "$venv/bin/biot" ]; then
  echo "Installing packaging/runtime into a fresh environment ..."
  "$python" -m venv "$venv"
  "$venv/bin/python" -m pip install --quiet --no-compile --disable-pip-version-check \
    "$root/packaging/runtime"
fi
if "$venv/bin/python" -c "import torch" 2>/dev/null; then
  echo "FAILED: PyTorch was installed" && exit 1
fi

offline=()
if unshare --user --map-root-user --net true 2>/dev/null; then
  offline=(unshare --user --map-root-user --net)
fi
words=$(sed -n 's/^CMD \["\(.*\)"\]$/\1/p' "$root/docker/Dockerfile")

# run INPUT OUTPUT MODEL: the container's command, in an environment that holds nothing else
run() {
  "${offline[@]}" env -i PATH="$venv/bin:/usr/bin:/bin" INPUT="$1" OUTPUT="$2" BIOT_MODEL="$3" \
    biot "$words" --data-root "$work/data" --output-root "$work/output" >"$work/said" 2>&1
}

fails() { # what, words in the message, then the arguments of run
  local what=$1 message=$2
  shift 2
  local code=0
  run "$@" || code=$?
  if [ "$code" != 1 ] || ! grep -q "$message" "$work/said"; then
    echo "FAILED: $what gave $code, without '$message':" && cat "$work/said" && exit 1
  fi
  echo "ok: $what is refused: $(tail -n 1 "$work/said")"
}

run sub-01/night.edf sub-01/eeg/night.tsv "$work/model.onnx" || { cat "$work/said"; exit 1; }
"$python" "$root/docker/check_material.py" "$work" compare
echo "ok: $(head -n 1 "$work/said")"

printf 'no recording' >"$work/data/damaged.edf"
printf 'no model' >"$work/damaged.onnx"
: >"$work/output/file"
before=$(find "$work/output" | sort)
fails "a missing INPUT" "INPUT is not set" "" night.tsv "$work/model.onnx"
fails "a missing OUTPUT" "OUTPUT is not set" sub-01/night.edf "" "$work/model.onnx"
fails "an OUTPUT elsewhere" "leads out of" sub-01/night.edf ../night.tsv "$work/model.onnx"
fails "a recording that is not there" "none.edf" none.edf night.tsv "$work/model.onnx"
fails "a damaged recording" "damaged.edf" damaged.edf night.tsv "$work/model.onnx"
fails "a folder that cannot be made" "cannot be made" sub-01/night.edf file/night.tsv "$work/model.onnx"
fails "a damaged model" "damaged.onnx" sub-01/night.edf night.tsv "$work/damaged.onnx"
fails "a model folder without PyTorch" "PyTorch (torch) is not installed" \
  sub-01/night.edf night.tsv "$work/model"
if [ "$before" != "$(find "$work/output" | sort)" ]; then
  echo "FAILED: a refusal left a file:" && find "$work/output" && exit 1
fi
echo "ok: nothing was written by what was refused"
if [ ${#offline[@]} = 0 ]; then echo "note: the network could not be taken away here"; fi
echo "Installed: $(du -sm "$venv"/lib/python*/site-packages | cut -f1) MB with pip itself."
