#!/usr/bin/env bash
# The model of the package stackgan-flowers again: four and a half hours on a core, a minute with STACKGAN_TOY=1. $FLOWERS is a
# folder of Oxford-102 with its captions; without it, what has a public address is fetched.
. "$(dirname "${BASH_SOURCE[0]}")/../place.sh"
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source=(--download) encoder=(--encoder words) stage1=(--steps 6400) stage2=(--steps 3300) few=()
[ -n "${FLOWERS:-}" ] && source=(--source "$FLOWERS")
if [ "$toy" = 1 ]; then
    python "$here/../03-your-own-pictures/make_pictures.py" "$place/09/pictures" 40
    source=(--source "$place/09/pictures" --reader folder) encoder+=(--encoder-option fit_steps=5)
    stage1=(--steps 2 --batch-size 4) stage2=("${stage1[@]}") few=(--extractor imagenet-lite0)
fi

stackgan prepare --data flowers "${source[@]}" "${encoder[@]}"
stackgan train-stage1 --data flowers --recipe modern "${stage1[@]}"
stackgan train-stage2 --data flowers "${stage2[@]}"
stackgan generate --from "$here/sentences.txt" -n 2 --seed 1 --grid-only --model flowers --output "$place/09/flowers.png"
stackgan evaluate --data flowers "${few[@]}"
