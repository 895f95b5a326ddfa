"""What there is not in this interpreter: threads, and packages with compiled extensions. I make each say so.

Without me, a thread's start says "can't start new thread", and a compiled package "No module named 'x._speedups'".
"""

import os
import sys
import threading


def install() -> None:
    threading._start_joinable_thread = _no_thread
    threading._start_new_thread = _no_thread
    sys.meta_path.append(_CompiledFinder)


def _no_thread(*_args, **_kwargs):
    raise RuntimeError("can't start new thread: python3.14 runs in one thread; use asyncio, or call the function itself")


class _CompiledFinder:
    """Asked when nobody else has found a module: it may be there as machine code."""

    @staticmethod
    def find_spec(name, path=None, _target=None):
        package, _, last = name.rpartition(".")
        for folder in sys.path if path is None else path:
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
        return None

    # So that importlib.invalidate_caches() can ask every finder.
    @staticmethod
    def invalidate_caches():
        pass
