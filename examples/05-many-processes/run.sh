#!/usr/bin/env bash
# One run shared by two processes of this machine, and the same run gone on with by one; then from a stream of shards.
. "$(dirname "${BASH_SOURCE[0]}")/../place.sh"
size=() half=(--steps 200) whole=(--steps 400)
if [ "$toy" = 1 ]; then
    size=(--reader-option count=120 --encoder-option fit_steps=5)
    quickly=(--batch-size 4 --set 'objectives=[{name="matching",options={fit_steps=4}}]')
    half=(--steps 2 "${quickly[@]}") whole=(--steps 4 "${quickly[@]}")
fi
processes=${PROCESSES:-2}
rm -rf "$place/shards"

stackgan prepare --data drawn-birds "${size[@]}" --shards "$place/shards"
torchrun --nproc-per-node "$processes" -m stackgan_cli train-stage1 --data drawn-birds --name shared "${half[@]}"
# The number of processes belongs to the machine, not to the run: one alone may go on.
stackgan train-stage1 --data drawn-birds --name shared "${whole[@]}"
torchrun --nproc-per-node "$processes" -m stackgan_cli train-stage1 --data drawn-birds --name streamed \
    --stream "$place/shards" "${half[@]}"
