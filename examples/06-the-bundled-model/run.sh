#!/usr/bin/env bash
# The bundled model again, from nothing: hours on two cores, two minutes with STACKGAN_TOY=1.
. "$(dirname "${BASH_SOURCE[0]}")/../place.sh"
# The other examples have drawn-birds of another size.
export STACKGAN_HOME="$place/home-of-06"
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
data=(--reader-option count=12000 --encoder words --encoder-option fit_steps=4000 --encoder-option picture_every=16)
shapes1=(--steps 6000) shapes2=(--steps 4500) words=(--steps 1500) stage1=(--steps 15000) stage2=(--steps 7400)
judge=() few=() glance=() fitted= recombined=8192 processes=2
if [ "$toy" = 1 ]; then
    data=(--reader-option count=120 --encoder words --encoder-option fit_steps=5)
    fitted=,fit_steps=4 recombined=20
    quickly="objectives=[{name=\"matching\",options={attributes=4.0$fitted}}]"
    shapes1=(--steps 2 --batch-size 4) shapes2=("${shapes1[@]}") stage1=("${shapes1[@]}")
    words=("${shapes1[@]}" --set "$quickly") stage2=("${shapes1[@]}")
    judge=(--extractor-option count=100 --extractor-option epochs=1)
    glance=(--count 8 --judge-option count=100 --judge-option epochs=1)
    processes=1
    few=(--sentences 3 --draws 1 --judge-option count=100 --judge-option epochs=1)
fi
# One process for each core, one thread in each, is a quarter quicker than one process with two threads.
export OMP_NUM_THREADS=1
train=(torchrun --nproc-per-node "$processes" -m stackgan_cli)

stackgan prepare --data drawn-birds "${data[@]}"
python "$here/reads.py" --data drawn-birds
# What birds look like is learnt first, by steps that cost a third; what the words say of every part is learnt then, and
# told three times as loudly at last, of birds that were never painted too, while the condition is let off being noise and
# the noise is asked to show.
residual='discriminators=[{name="residual",options={channels=40,max_channels=160}}]'
patches='discriminators=[{name="residual",options={patch=4,channels=32,max_channels=160}}]'
alone='objectives=[{name="gradient-penalty",options={power=6.0},weight=2.0,every=4}]'
"${train[@]}" train-stage1 --data drawn-birds --name shapes --set "$residual" --set "$alone" "${shapes1[@]}"
"${train[@]}" train-stage2 --data drawn-birds --name shapes --set "$patches" --set "$alone" "${shapes2[@]}"
"${train[@]}" train-stage1 --data drawn-birds --name words --from shapes "${words[@]}"
penalty='{name="gradient-penalty",options={power=6.0},weight=2.0,every=4,discriminators=["residual"]}'
matching='{name="matching",options={attributes=8.0,recombined='$recombined$fitted'},weight=0.6}'
varied='{name="mode-seeking",weight=0.4,every=2}'
"${train[@]}" train-stage1 --data drawn-birds --from words --set "objectives=[$penalty,$matching,$varied]" \
    --set kl_weight=0.002 --set generator.options.mirrored=true "${stage1[@]}"
"${train[@]}" train-stage2 --data drawn-birds --from shapes --set "objectives=[$penalty,$matching]" "${stage2[@]}"
stackgan evaluate --data drawn-birds "${judge[@]}"
python "$here/heeds.py" --model drawn-birds --data drawn-birds --sheet "$place/06-heeds.png" "${few[@]}"
python "$here/sees.py" "$STACKGAN_HOME/models/drawn-birds/stage1/objective-matching" --model drawn-birds "${glance[@]}"
