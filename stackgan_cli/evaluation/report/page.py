"""The page of a report: one file that needs nothing else, and its figures as pictures beside it."""

from __future__ import annotations

import base64
import io
from collections import Counter
from typing import TYPE_CHECKING

from stackgan_cli.evaluation.report.figures import all_figures
from stackgan_cli.evaluation.tables import Table, headline, single_things
from stackgan_cli.files import atomic_file, write_text
from stackgan_cli.pictures.confusion_plot import draw_confusion
from stackgan_cli.pictures.sheets import sheet

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from PIL import Image

    from stackgan_cli.evaluation.report.figures import Figure, Scene
    from stackgan_cli.evaluation.results import Results
    from stackgan_cli.evaluation.rows import Measured

PAGE, FIGURES = "report.html", "figures"
_SIDE = 128
"""Side in pixels of a picture in a figure's own file; on the page a picture is as large as it was drawn."""
_QUALITY = 88


def write_report(folder: Path, results: Results, scene: Scene) -> Path:
    """Draw the figures and write them beside the results, each as its own PNG and all on one page.

    Args:
        folder: that the results are in.
        results: numbers, and everything that they depend on.
        scene: what the figures are drawn from.

    Returns:
        The page, which links to nothing outside of itself.
    """
    from jinja2 import Environment, PackageLoader

    figures = all_figures(scene)
    (folder / FIGURES).mkdir(parents=True, exist_ok=True)
    for figure in figures:
        with atomic_file(folder / FIGURES / f"{figure.name}.png") as temporary:
            sheet([(row.caption, row.pictures) for row in figure.rows], side=_SIDE, across=_across(figure)).save(
                temporary, "PNG"
            )
    confusions, curves = _confusions(scene.measured), _curves(scene)
    if confusions:
        told = {each.title: (each.columns, _counts(each)) for each in confusions}
        draw_confusion(told, folder / FIGURES / "confusion.png")
    for stage, curve in curves.items():
        with atomic_file(folder / FIGURES / f"training-stage{stage}.png") as temporary:
            temporary.write_bytes(curve)
    pages = Environment(loader=PackageLoader("stackgan_cli.evaluation.report", "."), autoescape=True)
    pages.filters["data"] = _data
    page = pages.get_template("page.html.j2").render(
        results=results,
        tables=[headline(results), *single_things(results)],
        confusions=confusions,
        figures=figures,
        curves={f"Stage-{'I' * stage}": _embedded("png", curve) for stage, curve in curves.items()},
    )
    write_text(folder / PAGE, page)
    return folder / PAGE


def _across(figure: Figure) -> int:
    """Captions beside each other in a figure's file."""
    return 4 if len(figure.rows[0].pictures) == 1 else 1


def _confusions(measured: Measured) -> list[Table]:
    """For each attribute, what was asked for by what is seen, in counts; only what captions state counts."""
    seen, texts = measured.drawn.attributes, measured.texts
    if seen is None or texts.truth is None or texts.stated is None:
        return []
    tables = []
    for name, found in seen.items():
        counts = Counter(
            (truth[name], value)
            for truth, stated, value in zip(texts.truth, texts.stated, found, strict=True)
            if name in stated and name in truth
        )
        values = sorted({value for pair in counts for value in pair})
        lines = [(asked, [str(counts[asked, value] or "") for value in values]) for asked in values]
        if lines:
            tables.append(Table(name.replace("_", " "), values, lines))
    return tables


def _counts(confusion: Table) -> list[list[int]]:
    return [[int(cell or 0) for cell in cells] for _, cells in confusion.lines]


def _curves(scene: Scene) -> Mapping[int, bytes]:
    """By stage, the plot of its losses where the model's folder has one."""
    training = scene.pipeline.model.folder / "training"
    paths = {stage: training / f"stage{stage}" / "losses.png" for stage in scene.pipeline.stages}
    return {stage: path.read_bytes() for stage, path in paths.items() if path.is_file()}


def _data(picture: Image.Image) -> str:
    """The picture within a page."""
    file = io.BytesIO()
    picture.save(file, "WEBP", quality=_QUALITY)
    return _embedded("webp", file.getvalue())


def _embedded(form: str, content: bytes) -> str:
    return f"data:image/{form};base64,{base64.b64encode(content).decode()}"
