"""The conformance kit: does a component keep the contract of ``stackgan_cli.components.protocols``?

Plugin authors call :func:`assert_conforms` in their tests; ``stackgan components check`` prints the same checks as a
table. Everything runs at small sizes on the CPU, in seconds.
"""

from __future__ import annotations

from stackgan_cli.components.conformance.checking import assert_conforms, check, check_installed
from stackgan_cli.components.conformance.subject import Check

__all__ = ["Check", "assert_conforms", "check", "check_installed"]
