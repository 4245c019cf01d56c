"""The steps that make a fresh Raspberry Pi OS, or any Debian, a board that runs what its slots hold.

/opt/edge-sdk/venv                    Python environment, from wheels that were brought
/usr/local/bin/edge-sdk               the command; for what touches slots it becomes the service's user
/etc/edge-sdk/                        descriptions of a board or an array that are one's own
/etc/security/limits.d/edge-sdk.conf  real time for who logs in and runs a stream by hand
/etc/systemd/system/edge-sdk.service  what `edge-sdk service` prints, and beside it what is different for slots
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from firmware_bridge.provision import Step, Target

USER = "edge-sdk"  # of the service, and of whoever touches slots
SERVICE = "edge-sdk.service"
VENV = "/opt/edge-sdk/venv"
STAMP = "/opt/edge-sdk/wheels.sha256"
SETTINGS = "/etc/edge-sdk"
UNIT = f"/etc/systemd/system/{SERVICE}"
NO_WHEELS = ("python3-numpy", "python3-soundfile")  # PyPI has none for armv7l, nor of soxr
TO_BUILD = ("gcc", "python3-dev", "libasound2-dev")  # where pyalsaaudio comes as source
CHANGED = "/run/edge-sdk.changed"  # there while the service runs what was before
LIMITS = """# Written by edge-sdk provision: real time, and memory that stays, for who may use the sound cards.
@audio - rtprio 95
@audio - memlock unlimited
"""
COMMAND = f"""#!/bin/sh
# Written by edge-sdk provision. Slots belong to the service's user; what another leaves there it could not write again.
program={VENV}/bin/edge-sdk
case $1 in install | status | confirm | rollback | receive) ;; *) exec $program "$@" ;; esac
case $(id -un) in
{USER}) exec $program "$@" ;;
root) exec runuser -u {USER} -- $program "$@" ;;
*) exec sudo -n -u {USER} $program "$@" ;;
esac
"""


@dataclass(frozen=True)
class Wishes:
    """What a board shall be. runtime: package of its interpreter. wheels: to be installed, of which those that end in
    .tar.gz are built there. unit: what `edge-sdk service` prints. serve: words after `edge-sdk` that the service runs.
    settings: files of one's own, by name in SETTINGS. trust: the trust file, None where `install --trust` brings it.
    """

    runtime: str
    wheels: tuple[Path, ...]
    unit: str
    serve: tuple[str, ...]
    slots: str
    settings: tuple[tuple[str, str], ...] = ()
    trust: str | None = None


def steps_for(target: Target, wishes: Wishes) -> list[Step]:
    """All steps, in their order."""
    settings = [file_step(f"{SETTINGS}/{name}", text, served=True) for name, text in wishes.settings]
    trust = [] if wishes.trust is None else [trust_step(f"{wishes.slots}/trust.json", wishes.trust)]
    return [
        packages(wishes),
        user(),
        *([member(target.user)] if target.needs_sudo else []),
        file_step("/etc/security/limits.d/edge-sdk.conf", LIMITS),
        slots_folder(wishes.slots),
        environment(wishes),
        installed(target, wishes.wheels),
        file_step("/usr/local/bin/edge-sdk", COMMAND, mode="755"),
        *settings,
        *trust,
        file_step(UNIT, wishes.unit, served=True),
        file_step(f"{UNIT}.d/slots.conf", drop_in(wishes), served=True),
        enabled(),
        started(),
    ]


def packages(wishes: Wishes) -> Step:
    """Of the distribution; all that may need a network on the board, and only where one is missing."""
    builds = any(wheel.name.endswith(".tar.gz") for wheel in wishes.wheels)
    wanted = ["python3-venv", *(NO_WHEELS if shared_packages(wishes) else ()), *(TO_BUILD if builds else ())]
    words = " ".join(wanted)
    return Step(
        f"packages of the distribution: {words}",
        f"for name in {words}; do\n"
        "    dpkg-query -W -f '${Status}' $name 2>/dev/null | grep -q 'ok installed' || exit 1\n"
        "done",
        "export DEBIAN_FRONTEND=noninteractive\n"
        f"apt-get -q update && apt-get -q install -y --no-install-recommends {words}",
    )


def user() -> Step:
    """The user of the service."""
    return Step(
        f"user {USER}, who may use sound cards and serial ports",
        f"{in_group(USER, 'audio')} && {in_group(USER, 'dialout')}",
        f"id -u {USER} >/dev/null 2>&1 ||\n"
        f"useradd --system --user-group --no-create-home --home-dir / --shell /usr/sbin/nologin {USER} || exit 1\n"
        f"usermod -a -G audio,dialout {USER}",
    )


def member(name: str) -> Step:
    """Who logs in may try a stream by hand."""
    return Step(f"user {name} may use sound cards", in_group(name, "audio"), f"usermod -a -G audio {shlex.quote(name)}")


def in_group(name: str, group: str) -> str:
    """A script that ends with 0 where a user is in a group."""
    return f"id -nG {shlex.quote(name)} 2>/dev/null | tr ' ' '\\n' | grep -qx {group}"


def slots_folder(path: str) -> Step:
    """The folder of the slots, which only the service's user can write to."""
    quoted = shlex.quote(path)
    return Step(
        f"folder {path} for the slots",
        f"[ \"$(stat -c '%U %G %a' {quoted} 2>/dev/null)\" = '{USER} {USER} 755' ]",
        f"install -d -o {USER} -g {USER} -m 755 {quoted}",
    )


def environment(wishes: Wishes) -> Step:
    """The Python environment, empty."""
    shared = " --system-site-packages" if shared_packages(wishes) else ""
    return Step(
        f"Python environment {VENV}",
        f"{VENV}/bin/python -c '' 2>/dev/null && {VENV}/bin/python -m pip --version >/dev/null 2>&1",
        f"/usr/bin/python3 -m venv --clear{shared} {VENV} && rm -f {STAMP}",
    )


def installed(target: Target, wheels: Sequence[Path]) -> Step:
    """The wheels themselves, exactly these, whether the board has a network or not."""
    lines = "".join(f"{hashlib.sha256(wheel.read_bytes()).hexdigest()}  {wheel.name}\n" for wheel in wheels)
    names = " ".join(shlex.quote(wheel.name) for wheel in wheels)
    return Step(
        f"{len(wheels)} wheels: {', '.join(wheel.name.split('-')[0] for wheel in wheels)}",
        f"{same(STAMP, lines)} && {VENV}/bin/edge-sdk --version >/dev/null",
        f"touch {CHANGED}\ncd {shlex.quote(target.arrivals)} &&\n"
        f"{VENV}/bin/python -m pip install -q --disable-pip-version-check --no-index --find-links . --no-deps "
        f"--force-reinstall {names} &&\n"
        f"{written(STAMP, lines)}",
        tuple(wheels),
    )


def trust_step(path: str, text: str) -> Step:
    """The first trust file; another one takes its place only as `edge-sdk install --trust` allows."""
    quoted = shlex.quote(path)
    return Step(
        f"trust file {path}",
        same(path, text),
        f"if [ -e {quoted} ]; then\n"
        "    echo 'another trust file is there, which edge-sdk install --trust may change' >&2\n"
        "    exit 1\n"
        "fi\n"
        f"{written(path, text)} && chown {USER}:{USER} {quoted}",
    )


def enabled() -> Step:
    """The service starts with the board."""
    return Step(
        f"{SERVICE} starts with the board",
        f"systemctl -q is-enabled {SERVICE} 2>/dev/null",
        f"systemctl -q enable {SERVICE}",
    )


def started() -> Step:
    """The service runs, as all of the above is now; nothing to do where systemd does not run, as in a mounted image."""
    return Step(
        f"{SERVICE} runs, wherever systemd does",
        "[ ! -d /run/systemd/system ] && exit 0\n"
        f"[ ! -e {CHANGED} ] && systemctl is-active {SERVICE} | grep -qE '^(active|activating)$'",
        f"systemctl daemon-reload && systemctl restart --no-block {SERVICE} && rm -f {CHANGED} && sleep 1",
    )


def drop_in(wishes: Wishes) -> str:
    """What is different from `edge-sdk run`: the slots, and a user whom installers can become."""
    command = " ".join(quoted_for_systemd(word) for word in [f"{VENV}/bin/edge-sdk", *wishes.serve])
    return f"""# Written by edge-sdk provision: the slots say what runs; they belong to a user whom installers become.
[Service]
ExecStart=
ExecStart={command}
DynamicUser=no
User={USER}
ReadWritePaths={wishes.slots}
"""


def file_step(path: str, text: str, mode: str = "644", served: bool = False) -> Step:
    """A file with this text. served: the service has to read it anew."""
    return Step(
        f"file {path}",
        f"{same(path, text)} && [ \"$(stat -c '%U %a' {path})\" = 'root {mode}' ]",
        (f"touch {CHANGED}\n" if served else "") + written(path, text, mode),
    )


def same(path: str, text: str) -> str:
    """A script that ends with 0 where a file has this text."""
    wanted = hashlib.sha256(text.encode()).hexdigest()
    return f"[ \"$(sha256sum < {shlex.quote(path)})\" = '{wanted}  -' ]"


def written(path: str, text: str, mode: str = "644") -> str:
    """A script that writes a file whole or not at all."""
    folder, aside = shlex.quote(str(Path(path).parent)), shlex.quote(f"{path}.part")
    return (
        f"mkdir -p {folder} && printf %s {shlex.quote(text)} > {aside} &&\n"
        f"chown root:root {aside} && chmod {mode} {aside} && sync {aside} && mv {aside} {shlex.quote(path)}"
    )


def shared_packages(wishes: Wishes) -> bool:
    """Whether the environment sees the distribution's NumPy, because this interpreter's boards have no wheel of it."""
    return wishes.runtime == "tflite-runtime"


def quoted_for_systemd(word: str) -> str:
    """A word of ExecStart (systemd.service, "Command lines")."""
    word = word.replace("%", "%%").replace("$", "$$").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{word}"' if not word or set(word) & set(" ;'\"\\") else word
