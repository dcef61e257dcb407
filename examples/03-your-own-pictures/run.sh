#!/usr/bin/env bash
# A folder of captioned pictures becomes a model. Put your own folder in the place of $pictures.
. "$(dirname "${BASH_SOURCE[0]}")/../place.sh"
pictures="$place/03/pictures"
count=2000 small=(--steps 1500)
[ "$toy" = 1 ] && count=60 small=(--steps 4 --batch-size 4 --set 'objectives=[{name="matching",options={fit_steps=4}}]')

python "$(dirname "${BASH_SOURCE[0]}")/make_pictures.py" "$pictures" "$count"
stackgan prepare --data shapes --source "$pictures" --encoder hashed-words --resolution 32 --resolution 64
stackgan train-stage1 --data shapes --recipe quick --set resolution=32 "${small[@]}"
stackgan train-stage2 --data shapes --recipe quick --set resolution=64 \
    --discriminator residual --discriminator-option patch=2 "${small[@]}"
stackgan generate "a red circle" "blue square, gray ground" --model shapes -n 4 --seed 1 --grid --output "$place/03"
