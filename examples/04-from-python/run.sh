#!/usr/bin/env bash
. "$(dirname "${BASH_SOURCE[0]}")/../place.sh"

python "$(dirname "${BASH_SOURCE[0]}")/draw.py" "$place/04"
