#!/bin/sh
# make_lerobot_environment.sh [PYTHON]: an environment with lerobot's own reader in .venv-lerobot (5 GB, Python 3.12),
# and with robomimic's.
# lerobot 0.6.1 pins torch, numpy and PyAV below what simvid's tests use, so it cannot live beside them.
set -eu
cd "$(dirname "$0")/../.."
"${1:-python3.12}" -m venv .venv-lerobot
.venv-lerobot/bin/python -m pip install --quiet 'lerobot[dataset]==0.6.1'
# robomimic without what it wants beside its reader: a build of EGL, and versions of long ago
.venv-lerobot/bin/python -m pip install --quiet --no-deps robomimic==0.3.0 h5py
.venv-lerobot/bin/python -c 'from robomimic.utils.dataset import SequenceDataset'
.venv-lerobot/bin/python -c 'from lerobot.datasets.lerobot_dataset import LeRobotDataset'
echo "made .venv-lerobot; tests/export/test_lerobot.py and test_hdf5.py find it there"
