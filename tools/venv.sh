#!/usr/bin/env bash
# Make a virtual environment and install this distribution into it.
#
# usage: tools/venv.sh [--copy] DIR EXTRAS
#   --copy   a real install, as on a board, instead of an editable one
# environment:
#   PYTHON       interpreter; python3.11, or else python3, when empty
#   TORCH_FLAGS  pip options for torch alone, such as the CPU index named on pytorch.org
set -euo pipefail
cd "$(dirname "$0")/.."

editable=--editable
if [ "${1:-}" = --copy ]; then
    editable=
    shift
fi
venv=$1
extras=$2

refuse() {
    echo "edge-sdk: $*" >&2
    exit 1
}

has_extra() {
    case ",$extras," in *",$1,"*) true ;; *) false ;; esac
}

# The first interpreter that runs: a version manager leaves names on PATH that do not.
find_python() {
    local name
    for name in ${PYTHON:-python3.11 python3}; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
            echo "$name"
            return
        fi
    done
    refuse "no Python 3.10 or newer found (tried: ${PYTHON:-python3.11 python3}); run: apt-get install python3 python3-venv"
}

make_venv() {
    local python version
    python=$(find_python)
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        refuse "Python $version cannot make virtual environments; run: apt-get install python$version-venv"
    if has_extra tflite-runtime && [ "$version" != 3.10 ] && [ "$version" != 3.11 ]; then
        refuse "tflite-runtime 2.14 has no wheel for Python $version; run: apt-get install python3.11-venv, or set PYTHON=python3.11"
    fi
    # An environment that was moved, or whose interpreter is gone, is made anew.
    if [ "$("$venv/bin/python" -c 'import sys; print(sys.prefix)' 2>/dev/null)" = "$PWD/$venv" ]; then
        return
    fi
    "$python" -m venv --clear "$venv"
}

pip() {
    "$venv/bin/python" -m pip --disable-pip-version-check --quiet "$@"
}

# torch goes in first and alone, so that TORCH_FLAGS choose its build and nothing else.
install_torch() {
    local torch flags offered
    torch=$(grep -o -m 1 'torch==[0-9.]*' pyproject.toml)
    read -ra flags <<<"${TORCH_FLAGS:-}"
    if [ "$(uname -s)" = Linux ]; then
        offered=$("$venv/bin/python" -m pip index versions "${flags[@]}" torch 2>/dev/null) || offered=
        case "$offered" in
            "" | *"${torch#torch==}+cpu"*) ;;
            *) echo "edge-sdk: pip offers $torch only with CUDA (several GB, not needed here); for the CPU build stop now" \
                "and see \"PyTorch without CUDA\" in CONTRIBUTING.md" >&2 ;;
        esac
    fi
    pip install "${flags[@]}" "$torch"
}

install_pesq() {
    local headers version
    headers=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["include"])')
    version=$("$venv/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    if command -v "${CC:-cc}" >/dev/null && [ -e "$headers/Python.h" ]; then
        pip install "$(grep -o -m 1 'pesq==[0-9.]*' pyproject.toml)"
    else
        echo "edge-sdk: no PESQ, so the tests that need it are skipped; for it run:" \
            "apt-get install build-essential python$version-dev, and remove $venv" >&2
    fi
}

# What is built from source on most machines, where a compiler and its headers are there.
install_alsa() {
    if command -v "${CC:-cc}" >/dev/null && [ -e /usr/include/alsa/asoundlib.h ]; then
        pip install "$(grep -o -m 1 'pyalsaaudio>=[0-9.]*' pyproject.toml)"
    else
        echo "edge-sdk: no pyalsaaudio, so the tests on sound cards are skipped; for it run:" \
            "apt-get install build-essential libasound2-dev, and remove $venv" >&2
    fi
}

start=$SECONDS
make_venv
echo "edge-sdk: installing .[$extras] into $venv" >&2
if has_extra train || has_extra export || has_extra asteroid; then
    install_torch
fi
rm -rf build/lib build/bdist.* # what an older version left there would be packed again
pip install ${editable:+"$editable"} ".[$extras]"
if has_extra dev; then
    install_pesq
    install_alsa
fi
echo "edge-sdk: $venv is ready after $((SECONDS - start)) s, $(du -sm "$venv" | cut -f 1) MiB" >&2
