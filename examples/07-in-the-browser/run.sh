#!/usr/bin/env bash
# The bundled model in a page: a folder of static files that draws with onnxruntime-web, and asks no server for a picture.
. "$(dirname "${BASH_SOURCE[0]}")/../place.sh"
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
site="$place/07-site"
rm -rf "$site"
mkdir -p "$site/ort"
cp "$here/index.html" "$site"
stage=(--stage 2)
if [ "$toy" = 1 ]; then stage=(--stage 1); fi
stackgan export --model bundled "${stage[@]}" --output "$site/model" --prompt "a small red bird" \
    --prompt "a large blue bird with black wings" --prompt "a white bird standing in snow"
if command -v npm > /dev/null && npm install --silent --prefix "$place/npm" onnxruntime-web@1.30.0; then
    cp "$place"/npm/node_modules/onnxruntime-web/dist/ort{.wasm.min.js,-wasm-simd-threaded.mjs,-wasm-simd-threaded.wasm} "$site/ort"
    echo "See it with: python -m http.server --directory $site"
else
    echo "Without npm, put the files of onnxruntime-web 1.30.0 into $site/ort by hand."
fi
