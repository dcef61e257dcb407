from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from stackgan_cli.components.component import blaming
from stackgan_cli.ranks import LostRankError, Ranks
from stackgan_cli.training.distribution import synchronised

# Each process normalises half a batch; the first one compares with torch's batch-norm over the whole of it.
BATCH_NORM = """
import sys, torch, torch.distributed as dist
from torch import nn
from stackgan_cli.ranks import Ranks
from stackgan_cli.training.distribution import synchronised
rank, store = int(sys.argv[1]), sys.argv[2]
dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
torch.manual_seed(0)
for whole, features in ((nn.BatchNorm2d(3), torch.randn(8, 3, 5, 4)), (nn.BatchNorm1d(6), torch.randn(8, 6))):
    nn.init.normal_(whole.weight)
    nn.init.normal_(whole.bias)
    ours = nn.Sequential(type(whole)(whole.num_features))
    ours[0].load_state_dict(whole.state_dict())
    ours = synchronised(ours, Ranks(rank, 2), torch.device("cpu"))
    assert type(ours[0]) is not type(whole)
    assert list(ours[0].state_dict()) == list(whole.state_dict())
    upstream = torch.randn_like(features)
    mine = slice(4 * rank, 4 * rank + 4)
    theirs_in = features.clone().requires_grad_()
    ours_in = features[mine].clone().requires_grad_()
    expected, made = whole(3 * theirs_in + 1), ours(3 * ours_in + 1)
    (expected * upstream).sum().backward()
    (made * upstream[mine]).sum().backward()
    def same(one, other):
        assert torch.allclose(one, other, atol=2e-5), (one - other).abs().max()
    same(made, expected[mine])
    same(ours_in.grad, theirs_in.grad[mine])
    for one, other in zip(ours.parameters(), whole.parameters()):
        dist.all_reduce(one.grad)
        same(one.grad, other.grad)
    for one, other in zip(ours.buffers(), whole.buffers()):
        same(one.float(), other.float())
    same(ours.eval()(features), whole.eval()(features))
    assert ours.train()(features.bfloat16()).dtype == torch.bfloat16
dist.destroy_process_group()
print("same")
"""

TALK = """
import sys, torch.distributed as dist
from stackgan_cli.errors import DataError, StackganError
from stackgan_cli.ranks import Ranks
rank, store = int(sys.argv[1]), sys.argv[2]
dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
ranks = Ranks(rank, 2)
assert ranks.any(rank == 1) and not ranks.any(False)
order = []
assert ranks.in_turn(lambda: order.append(rank) or rank) == rank and order == [rank]
for failing, message in ((0, "größer"), (1, "x" * 20000)):
    def work():
        if rank == failing:
            raise DataError(message, hint="do this")
        assert failing != 0, "nobody begins where the main rank has failed"
    try:
        ranks.in_turn(work)
    except StackganError as error:
        assert error.exit_code == 3
        assert message[:6] in error.message
        assert (rank == failing) != (f"Rank {failing} failed" in error.message)
    else:
        raise AssertionError("no error")
dist.destroy_process_group()
print("same")
"""


@pytest.mark.parametrize("script", [BATCH_NORM, TALK], ids=["batch-norm", "talk"])
def test_two_processes(fork: Callable[..., Any], script: str, tmp_path: Path) -> None:
    for running in [fork(rank, tmp_path / "store", script=script) for rank in range(2)]:
        ended = running.ended()
        assert ended.out == "same\n", ended.err


def test_a_rank_that_is_gone_is_no_fault_of_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_: torch.Tensor) -> None:
        raise RuntimeError("Connection closed by peer")

    monkeypatch.setattr(torch.distributed, "all_reduce", gone)
    network = synchronised(nn.Sequential(nn.BatchNorm1d(3)), Ranks(0, 2), torch.device("cpu"))
    with pytest.raises(LostRankError), blaming("The generator 'paper'", "drawing pictures"):
        network(torch.randn(4, 3))
