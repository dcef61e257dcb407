#!/usr/bin/env bash
# The bundled model again, from nothing: hours on two cores, two minutes with STACKGAN_TOY=1.
. "$(dirname "${BASH_SOURCE[0]}")/../place.sh"
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
data=(--reader-option count=12000 --encoder words --encoder-option fit_steps=4000 --encoder-option picture_every=16)
stage1=(--steps 6000) stage2=(--steps 3000) judge=() few=()
if [ "$toy" = 1 ]; then
    data=(--reader-option count=120 --encoder words --encoder-option fit_steps=5)
    stage1=(--steps 2 --batch-size 4) stage2=(--steps 2 --batch-size 4)
    judge=(--extractor-option count=100 --extractor-option epochs=1)
    few=(--sentences 3 --draws 1 --judge-option count=100 --judge-option epochs=1)
fi
# One process for each core, one thread in each, is a quarter quicker than one process with two threads.
export OMP_NUM_THREADS=1
train=(torchrun --nproc-per-node 2 -m stackgan_cli)

stackgan prepare --data drawn-birds "${data[@]}"
python "$here/reads.py" --data drawn-birds
"${train[@]}" train-stage1 --data drawn-birds "${stage1[@]}"
"${train[@]}" train-stage2 --data drawn-birds "${stage2[@]}"
stackgan evaluate --data drawn-birds "${judge[@]}"
python "$here/heeds.py" --model drawn-birds --data drawn-birds "${few[@]}"
