"""One run of ``generate``: what is asked for is checked, the model loaded, and everything drawn and written."""

from __future__ import annotations

import json
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, TypeVar

from stackgan_cli.console import ConsoleProgress, ProgressReport, patience, say, speak, warn
from stackgan_cli.drawing.pictures import seed_by_lot
from stackgan_cli.errors import UsageError
from stackgan_cli.generating.files import FileOptions
from stackgan_cli.generating.picture_list import PictureList
from stackgan_cli.generating.prompt_files import passing_content
from stackgan_cli.generating.prompts import Prompts, words_typed_apart
from stackgan_cli.generating.seeds import Seeds
from stackgan_cli.generating.ways import check_way
from stackgan_cli.generating.writing import PictureWriter
from stackgan_cli.interrupts import this_command
from stackgan_cli.pictures.picture_files import check_format, check_target, form_of, refuse_other_format

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from stackgan_cli.generating.files import Written
    from stackgan_cli.generating.prompts import LeftOutLine
    from stackgan_cli.generating.request import GenerateRequest
    from stackgan_cli.pipeline import Pipeline
    from stackgan_cli.ranks import Ranks

Each = TypeVar("Each")

_FRAMES = 16
"""Pictures on a way, where nobody says how many."""
_LINES_NAMED = 1000
"""Lines that cannot be drawn that are named one by one."""
_PROMPTS_NOTED = 20
"""Prompts of which is said what the model does not know in them."""


class Generation:
    """A run, which says on stderr what a person may want to know of it.

    Under ``torchrun`` every process makes one, and each draws its part.

    Args:
        request: what is asked for.
        ranks: the processes of the run.

    Raises:
        UsageError: it cannot be meant.
        DataError: a file that it names cannot be read.
    """

    def __init__(self, request: GenerateRequest, ranks: Ranks) -> None:
        self._ranks = ranks
        self._content = None if request.source is None else self._passing_content(request.source)
        by_lot = int(ranks.from_main(str(seed_by_lot()).encode()))
        ranks.at_once(lambda: self._prepare(request, by_lot))

    def _prepare(self, request: GenerateRequest, by_lot: int) -> None:
        """Look at everything that can be told without the model; see the class."""
        self._request, self._past = request.remembered()
        request = self._request
        before = None if self._past is None else form_of(self._past.picture)
        options = FileOptions(
            output=request.output,
            form=request.form or before or "png",
            metadata=request.metadata,
            grid=request.grid,
            grid_only=request.grid_only,
            sketches=request.sketches,
            upscale=request.upscale or 1,
        )
        check_format(options.form)
        if request.form is not None and not options.in_folder:
            refuse_other_format(request.output, request.form)
        if request.frames is not None and not request.interpolate:
            raise UsageError("--frames counts the pictures on a way.", hint="--interpolate with it, or -n for pictures")
        if request.resume and request.grid_only:
            raise UsageError("A sheet alone leaves no pictures to go on with.", hint="--grid with --resume")
        if request.resume and (request.interpolate or not options.in_folder):
            raise UsageError("--resume is for pictures in a folder.", hint="--output with a folder")
        if request.interpolate and (request.grid or request.grid_only or request.sketches):
            raise UsageError("A way is one file, with neither a sheet nor sketches.", hint="--interpolate without them")
        self._list = PictureList(request.output)
        known = self._list.seed_by_lot() if request.resume else None
        usual = Seeds.of(request.seed, request.num_images, request.seeds, by_lot if known is None else known)
        self._prompts = Prompts(request.prompts, request.source, self._content, usual)
        if note := words_typed_apart(request.prompts):
            warn(note)
        if request.interpolate:
            check_way(request.output, request.form)
        else:
            check_target(request.output, options.files(self._prompts.pictures))
        self._writer = PictureWriter(options, self._ranks)
        several = options.in_folder and options.files(self._prompts.pictures) > 1
        if not request.interpolate and (several or request.resume):
            self._keep_list(known)

    @property
    def left_out(self) -> list[LeftOutLine]:
        """Lines of the file of prompts that cannot be drawn."""
        return self._prompts.left_out

    @property
    def there(self) -> int:
        """Pictures that were there already."""
        return self._writer.there

    def files(self) -> Iterator[Written]:
        """Draw everything; give each file as soon as it is written.

        Raises:
            UsageError: of a prompt or of a sheet that cannot be drawn; or a file has come to be where one was to be.
            ModelError: there is no such model or stage, or it is damaged, or is another one than that of a picture.
            ComponentError: a component of the model fails.
            StackganError: a file cannot be written.
        """
        request = self._request
        pipeline = self._loaded()
        self._ranks.at_once(lambda: self._check(pipeline))
        stage = request.stage or pipeline.stages[-1]
        try:
            if not request.interpolate:
                drawn = self._writer.draw_all(pipeline, self._prompts, stage)
                for files in _with_progress(drawn, self._own_share):
                    yield from files
            elif self._ranks.main:
                yield self._way(pipeline, stage)
        except Exception:
            # What happens to this process alone nobody else can tell.
            speak()
            raise
        if self.there:
            say(f"{self.there:,} of {self._prompts.pictures:,} pictures were there already.")

    def facts_of_all(self, facts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Put together what is told of the files of all ranks, in the order of the pictures.

        Returns:
            Nothing on other ranks than the main one.
        """
        told = [json.loads(content) for content in self._ranks.to_main(json.dumps(facts).encode())]
        return [each for turn in zip_longest(*told) for each in turn if each is not None]

    def _passing_content(self, source: str) -> bytes | None:
        """Read what can be read once alone, on the main rank for all."""
        content = self._ranks.at_once(lambda: passing_content(source) if self._ranks.main else None)
        is_file = self._ranks.from_main(b"file" if content is None else b"")
        return None if is_file else self._ranks.from_main(content or b"")

    def _own_share(self) -> int:
        """Pictures that this rank draws, as far as is known."""
        return -(-(self._prompts.pictures - self.there) // self._ranks.count)

    def what_is_kept(self) -> str:
        """Say what an interrupted run leaves behind, and which command goes on."""
        count = self._writer.count
        kept = f"{count:,} picture{'s are' if count > 1 else ' is'} written and kept"
        kept = kept if count else "no picture was written"
        if self._ranks.count > 1:
            kept = "what was written is kept"
        if not self._writer.listed:
            return f"Interrupted; {kept}, and this draws again, under names that are free: {this_command()}"
        command = this_command(["--resume"], more=["--resume"])
        return f"Interrupted; {kept}, and this draws the others: {command}"

    def _keep_list(self, known_lot: int | None) -> None:
        if self._list.foreign:
            if self._request.resume:
                raise UsageError(
                    f"{self._list.path} is no list of pictures that generate has written.", hint="another --output"
                )
            warn(f"{self._list.path} is no list that generate has written; it is left alone, and there is none.")
            return
        known = self._list.last_seed() if self._request.resume and known_lot is None else None
        if known is not None and self._prompts.by_lot is not None:
            raise UsageError(
                f"The pictures in {self._request.output} have seeds that were chosen, so --resume needs them again.",
                hint=f"--seed and what it was; the last picture has {known}",
            )
        self._writer.list_in(self._list, self._prompts.by_lot, resume=self._request.resume)

    def _way(self, pipeline: Pipeline, stage: int) -> Written:
        """Draw the way through all prompts or seeds, and write it as one file."""
        from stackgan_cli.drawing import interpolating

        stops, count = self._prompts.stops(), self._request.frames or _FRAMES
        frames = interpolating.frames(pipeline, stops, count, stage=stage)
        return self._writer.write_way(pipeline, stops, _with_progress(frames, lambda: count), stage)

    def _check(self, pipeline: Pipeline) -> None:
        """Leave out lines that the model cannot read, and say what it will not read or does not know of the others."""
        self._prompts.keep(pipeline.check_prompt)
        left_out = self.left_out
        for note in [*self._prompts.notes, *map(self._prompts.told, left_out[:_LINES_NAMED])]:
            warn(note)
        if len(left_out) > _LINES_NAMED:
            warn(f"{len(left_out) - _LINES_NAMED:,} more lines are left out, which --json lists.")
        told, others = set[str](), 0
        for prompt in self._prompts:
            notes = [] if prompt.text in told else pipeline.notes_on(prompt.text)
            if len(told) >= _PROMPTS_NOTED:
                others += bool(notes)
            elif notes:
                told.add(prompt.text)
                for note in notes:
                    warn(note)
        if others:
            warn(f"So it is with {others:,} more prompts.")

    def _loaded(self) -> Pipeline:
        from stackgan_cli.models.finding import find_model

        request, ranks, find = self._request, self._ranks, self._past.find if self._past else find_model
        # One of the Hub is fetched by the main rank alone.
        folder = ranks.in_turn(lambda: find(request.model, ConsoleProgress()))
        stages = " and ".join("I" * each for each in folder.stages if request.stage is None or each <= request.stage)
        say(f"Drawing with the model {folder.name} ({folder.folder}), Stage-{stages}.")

        def load() -> Pipeline:
            from stackgan_cli.machine import choose_machine
            from stackgan_cli.pipeline import Pipeline

            number = ranks.local_rank if ranks.count > 1 else None
            machine = choose_machine(request.device, request.precision, number)
            return Pipeline(
                folder,
                machine,
                request.checkpoint,
                request.condition,
                request.truncation,
                checkpoint_stage=request.stage,
            )

        with patience("Loading it, which takes longest the first time ..."):
            pipeline = ranks.at_once(load)
        for note in pipeline.notes:
            warn(note)
        return pipeline


def _with_progress(drawn: Iterable[Each], total: Callable[[], int]) -> Iterator[Each]:
    """Show how far the drawing of several pictures is, of which there may turn out to be fewer."""
    if total() == 1:
        yield from drawn
        return
    with ProgressReport("Drawing", total(), unit="pictures") as bar:
        for done, each in enumerate(drawn, 1):
            bar.update(min(done, total()), total())
            with bar.aside():
                yield each
