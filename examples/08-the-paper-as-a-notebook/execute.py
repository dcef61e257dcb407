"""Run the cells of a notebook from top to bottom, without Jupyter, and keep the pictures that they show.

Use: python execute.py NOTEBOOK FOLDER
"""

import ast
import json
import sys
import warnings
from pathlib import Path

from matplotlib import pyplot
from PIL import Image


def run(source: str, names: dict[str, object]) -> object:
    """Run a cell, and give what its last line comes to, as a notebook does."""
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "<cell>", "exec"), names)
    return None if last is None else eval(compile(ast.Expression(last.value), "<cell>", "eval"), names)


def main(notebook: Path, folder: Path) -> None:
    """Run a notebook."""
    pyplot.switch_backend("agg")
    warnings.filterwarnings("ignore", message="FigureCanvasAgg is non-interactive")
    folder.mkdir(parents=True, exist_ok=True)
    names: dict[str, object] = {"__name__": "__main__"}
    cells = [each for each in json.loads(notebook.read_text(encoding="utf-8"))["cells"] if each["cell_type"] == "code"]
    for number, cell in enumerate(cells, 1):
        path = folder / f"{notebook.stem}-{number}.png"
        shown = run("".join(cell["source"]), names)
        if isinstance(shown, Image.Image):
            shown.save(path)
        elif shown is not None:
            print(repr(shown))
        for figure in pyplot.get_fignums():
            pyplot.figure(figure).savefig(path)
        pyplot.close("all")
        print(f"cell {number} of {len(cells)}" + (f": {path}" if path.exists() else ""))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
