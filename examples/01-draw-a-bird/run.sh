#!/usr/bin/env bash
# Sentences to pictures with the bundled model.
. "$(dirname "${BASH_SOURCE[0]}")/../place.sh"
out="$place/01"

stackgan generate "a small red bird" --seed 7 --output "$out"
stackgan generate "a large blue bird with black wings" "a white bird standing in snow" -n 3 --seed 7 --grid --output "$out"
stackgan generate --from "$(dirname "${BASH_SOURCE[0]}")/prompts.txt" --seed 7 --output "$out" --json > "$out/pictures.json"
stackgan generate "a small red bird" --stage 1 --seed 7 --output "$out/sketch.$$.png"
stackgan info "$out/sketch.$$.png"
