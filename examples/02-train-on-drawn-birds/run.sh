#!/usr/bin/env bash
# The whole way on the built-in data: an evening on two cores, a minute with STACKGAN_TOY=1.
. "$(dirname "${BASH_SOURCE[0]}")/../place.sh"
size=() small=() few=()
if [ "$toy" = 1 ]; then
    size=(--reader-option count=120 --encoder-option fit_steps=5)
    small=(--steps 4 --batch-size 4 --set 'objectives=[{name="matching",options={fit_steps=4}}]')
    few=(--num-images 12 --extractor-option count=100 --extractor-option epochs=1)
fi

stackgan prepare --data drawn-birds "${size[@]}"
stackgan train-stage1 --data drawn-birds "${small[@]}"
stackgan train-stage2 --data drawn-birds "${small[@]}"
stackgan generate "a small red bird" "a large blue bird with black wings" --model drawn-birds --output "$place/02"
stackgan evaluate --data drawn-birds "${few[@]}"
