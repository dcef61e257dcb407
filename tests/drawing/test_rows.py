from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from stackgan_cli import Pipeline
from stackgan_cli.components.protocols import TextFeatures
from stackgan_cli.drawing import interpolating
from stackgan_cli.drawing.pictures import Request, Stop
from stackgan_cli.errors import UsageError

BIRDS = ("a small red bird", "a large blue bird with black wings", "a white bird standing in snow")


@pytest.fixture
def threads() -> Iterator[Any]:
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def drawn(pipeline: Pipeline, requests: list[Request]) -> list[Any]:
    return [np.asarray(each.picture) for each in pipeline.draw_all(requests)]


def all_same(some: list[Any], others: list[Any]) -> bool:
    return len(some) == len(others) and all(map(np.array_equal, some, others))


def test_pictures_are_the_same_on_any_number_of_threads(threads: Any) -> None:
    pipeline = Pipeline.from_pretrained("bundled", "cpu", "float32")
    requests = [Request(bird, seed) for bird in BIRDS for seed in (1, 2)]
    several = {}
    for count in (1, 3):
        threads(count)
        several[count] = drawn(pipeline, requests)
        way = interpolating.frames(pipeline, [Stop(BIRDS[0], 1), Stop(BIRDS[1], 1)], 2, stage=2)
        assert all_same([np.asarray(picture) for picture in way], several[count][::2][:2])
    assert all_same(several[1], several[3])


@pytest.mark.parametrize("count", [1, 3, 4, 17])
def test_in_batches_of_one_size_no_picture_depends_on_the_others(model: Path, count: int) -> None:
    pipeline = Pipeline.from_pretrained(model, "cpu", "float32")
    pipeline.at_once = 4
    shapes = []
    real = pipeline.pixels_of_stages

    def noting(text: TextFeatures, noises: Any) -> Any:
        shapes.append(len(text.sentence))
        return real(text, noises)

    pipeline.pixels_of_stages = noting  # type: ignore[method-assign]
    requests = [Request(BIRDS[number % 3], number) for number in range(count)]
    together = list(pipeline.draw_all(requests))
    assert [Request(each.prompt, each.seed) for each in together] == requests
    assert shapes == [4] * -(-count // 4)
    for number in (0, count // 2, count - 1):
        (alone,) = pipeline.draw_all([requests[number]])
        assert np.array_equal(np.asarray(alone.picture), np.asarray(together[number].picture))
        assert alone.sketch is not None
        assert np.array_equal(np.asarray(alone.sketch), np.asarray(together[number].sketch))


def test_sentences_read_word_by_word_are_never_put_together(model: Path) -> None:
    pipeline = Pipeline.from_pretrained(model, "cpu", "float32")
    pipeline.at_once = 4
    real, shapes = pipeline.encode, []

    def with_words(captions: Any) -> TextFeatures:
        words = torch.zeros(1, len(captions[0].split()), 8)
        return TextFeatures(real(captions).sentence, words, torch.zeros(words.shape[:2], dtype=torch.bool))

    def noting(text: TextFeatures, noises: Any) -> Any:
        shapes.append(None if text.words is None else text.words.shape[:2])
        return draw(text, noises)

    draw = pipeline.pixels_of_stages
    pipeline.encode, pipeline.pixels_of_stages = with_words, noting  # type: ignore[method-assign]
    list(pipeline.draw_all([Request(bird, 1) for bird in BIRDS]))
    assert shapes == [(1, len(bird.split())) for bird in BIRDS]


def test_an_encoder_reads_one_sentence_at_a_time_and_each_once(model: Path, threads: Any) -> None:
    pipeline = Pipeline.from_pretrained(model, "cpu", "float32")
    threads(3)
    reading, read, real = threading.Lock(), [], pipeline.encode

    def slow(captions: Any) -> TextFeatures:
        assert reading.acquire(blocking=False), "two at once"
        time.sleep(0.02)
        read.extend(captions)
        reading.release()
        return real(captions)

    pipeline.encode = slow  # type: ignore[method-assign]
    assert len(drawn(pipeline, [Request(bird, seed) for bird in BIRDS for seed in range(4)])) == 12
    assert sorted(read) == sorted(BIRDS)


def test_a_bad_request_of_an_endless_row_spoils_none_before_it(model: Path, threads: Any) -> None:
    threads(3)
    pipeline = Pipeline.from_pretrained(model, "cpu", "float32")
    pictures = pipeline.draw_all(Request("a bird" if number != 3 else "", number) for number in range(10))
    assert [next(pictures).seed for _ in range(3)] == [0, 1, 2]
    with pytest.raises(UsageError, match="empty"):
        next(pictures)
