#!/usr/bin/env bash
# The notebook from top to bottom, without Jupyter; its pictures become files.
. "$(dirname "${BASH_SOURCE[0]}")/../place.sh"
here=$(dirname "${BASH_SOURCE[0]}")

python "$here/execute.py" "$here/the-paper.ipynb" "$place/08"
