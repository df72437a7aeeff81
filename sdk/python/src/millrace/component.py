"""The component's side: the class that the contract's `processor` is, for one plugin.

Only `build` imports this, in the module that it makes a component of.
"""

from __future__ import annotations

import codecs
import gc
import linecache
import os
import random
import sys
import traceback
from datetime import datetime
from pathlib import Path
from typing import Any

from millrace import contract as wit
from millrace import imports
from millrace.executor import Executor
from millrace.plugin import Plugin

ENCODINGS = ("ascii", "cp1252", "idna", "latin-1", "punycode", "unicode_escape", "utf-8-sig", "utf-16", "utf-32")
"""Encodings that are loaded while the component is built; all others an author has to look up in a module."""


def processor(plugin: object) -> type:
    """Make the class of which the component has one instance."""
    if not isinstance(plugin, Plugin):
        raise TypeError(f"`plugin` in [tool.millrace] must name a Plugin, and names a {type(plugin).__name__}")
    known = plugin
    _keep_sources()
    for encoding in ENCODINGS:
        codecs.lookup(encoding)
    # It loads what it is made of when it is first called.
    datetime.strptime("1970", "%Y")
    described = plugin.describe()

    executor: Executor | None = None

    class Processor:
        """The contract's `processor`. Each call may be made on another object, so nothing is kept in one."""

        def describe(self) -> str:
            """Say what the plugin wants."""
            return described

        def configure(self, settings: str) -> None:
            """Set the instance up; raises `Err` for settings that the plugin refuses."""
            # The component is a snapshot of one start: without this, all instances would throw the same dice.
            random.seed()
            nonlocal executor
            try:
                executor = Executor(known, settings)
            except ValueError as error:
                raise wit.Err(str(error)) from None
            # What is there now stays for good; a collection need not look at it.
            gc.freeze()

        def turn(self, now_ms: int, inputs: list[Any]) -> list[Any]:
            """Do one turn. What gets out of it ends the instance, and the host shows the last line that was logged."""
            try:
                # The host configures first; without that, nothing comes of the inputs.
                return executor.turn(now_ms, inputs) if executor is not None else []
            except BaseException:  # noqa: BLE001 - nothing can go on from here
                imports.log(None, "error", traceback.format_exc())
                # Raised on, it would be a panic with a last line of its own.
                os._exit(1)

    return Processor


def _keep_sources() -> None:
    """Keep the lines of all modules that are not Python's own: there are no files once the component runs."""
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if file and file.endswith(".py") and not file.startswith(sys.base_prefix + "/"):
            lines = Path(file).read_text(encoding="utf-8").splitlines(keepends=True)
            # Without a time, `linecache` does not compare it with the file's.
            linecache.cache[file] = (sum(map(len, lines)), None, lines, file)
