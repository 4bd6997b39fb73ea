#!/bin/sh
# make_lerobot_environment.sh [PYTHON]: an environment with lerobot's own reader in .venv-lerobot (5 GB, Python 3.12).
# lerobot 0.6.1 pins torch, numpy and PyAV below what simvid's tests use, so it cannot live beside them.
set -eu
cd "$(dirname "$0")/../.."
"${1:-python3.12}" -m venv .venv-lerobot
.venv-lerobot/bin/python -m pip install --quiet 'lerobot[dataset]==0.6.1'
.venv-lerobot/bin/python -c 'from lerobot.datasets.lerobot_dataset import LeRobotDataset'
echo "made .venv-lerobot; tests/export/test_lerobot.py finds it there"
