# Sourced by the examples: a home of their own, and toy sizes where STACKGAN_TOY=1 asks for them.
set -euo pipefail
place=${STACKGAN_EXAMPLES:-$PWD/stackgan-examples}
mkdir -p "$place"
export STACKGAN_HOME="$place/home"
toy=${STACKGAN_TOY:-0}
