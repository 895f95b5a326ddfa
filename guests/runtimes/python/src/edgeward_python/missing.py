"""What there is not in this interpreter: threads, and packages with compiled extensions. I make each say so.

Without me, a thread's start says "can't start new thread", and a compiled package "No module named 'x._speedups'".
"""

import os
import sys
import threading
from importlib.machinery import PathFinder


def install() -> None:
    threading._start_joinable_thread = _no_thread
    threading._start_new_thread = _no_thread
    sys.meta_path[sys.meta_path.index(PathFinder)] = _Finder


def _no_thread(*_args, **_kwargs):
    raise RuntimeError("can't start new thread: python3.14 runs in one thread; use asyncio or a ThreadPoolExecutor, or call the function itself")


class _Finder(PathFinder):
    """Finds what it always finds. What it does not find may be there as machine code."""

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        spec = super().find_spec(name, path, target)
        # A folder of that name, with stubs in it, would be a namespace.
        if spec is None or spec.loader is None:
            _refuse_compiled(name, sys.path if path is None else path)
        return spec


def _refuse_compiled(name: str, folders) -> None:
    package, _, last = name.rpartition(".")
    for folder in folders:
        try:
            files = os.listdir(folder or ".")
        except OSError:
            continue
        for file in files:
            if file.startswith(last + ".") and file.endswith((".so", ".pyd", ".dylib")):
                top = (package or last).split(".")[0]
                raise ModuleNotFoundError(
                    f"No module named '{name}': python3.14 runs pure-Python packages; {top} has a compiled extension"
                    f" ({os.path.join(folder, file)})",
                    name=name,
                )
