#!/bin/sh
# What runs once the files are there: the tests of this folder on the cards of the kernel. The report leaves by the second
# serial port, and nothing is read from the files any more in the end: they do not survive the suspend that is tested.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
export PYTHONDONTWRITEBYTECODE=1 PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 OMP_NUM_THREADS=1
unset ALSA_CONFIG_PATH
cd "$REPO" || exit
stty -F /dev/ttyS1 raw
echo "kernel-audio: Linux $(uname -r), up since $(cut -d ' ' -f 1 /proc/uptime) s"
cat /proc/asound/cards
eval "set -- $FLAGS" # which are quoted for a shell
# Without the fixtures of the other tests, which import torch.
"$PYTHON" -m pytest tests/kernel_audio --confcutdir=tests/kernel_audio -p no:cacheprovider --color=no -v -m board \
    --durations=0 --durations-min=0.1 -o faulthandler_timeout=100 --junitxml=/dev/ttyS1 "$@" </dev/null
echo o >/proc/sysrq-trigger # power off
sleep 60
