#!/bin/bash
# examples/cluster/ray_by_hand.sh table_top 1000 /shared/data/table_top worker1 worker2
# This machine is the head; the others, reached by ssh, have the same simvid on their PATH and share the folder.
set -euo pipefail
scene=$1 count=$2 out=$3
shift 3
address=$(hostname -I | cut -d' ' -f1):6379
ray start --head --port=6379
for machine in "$@"; do ssh "$machine" ray start --address="$address"; done
trap 'for machine in "$@"; do ssh "$machine" ray stop; done; ray stop' EXIT
simvid generate "$scene" --count "$count" --out "$out" --ray "$address" --timeout 1800
