"""Writes the standard library that functions import from: componentize-py's own, without what no function can use.

I run once, as the program of a component that is then thrown away: that is how the tool lets CPython see its library, at
/python. What I write lies at /1/library; the files in `library/`, here at /0/library, replace some of its own.

Each file is compiled for this very interpreter, because a function may import it during a call; the interpreter takes the
compiled file without a look at the source, which is there for stack traces.
"""

import os
import py_compile
import shutil

UNUSED = {
    # Tests, installers, editors and screens.
    "_pyrepl", "curses", "ensurepip", "idlelib", "pydoc_data", "site-packages", "test", "tests", "tkinter", "turtle.py",
    "turtledemo", "venv",
    # Jokes and examples.
    "__hello__.py", "__phello__", "antigravity.py", "this.py",
    # Of other systems.
    "_aix_support.py", "_android_support.py", "_apple_support.py", "_ios_support.py", "_osx_support.py",
    # Of the build: C's headers and objects, and what the tool itself has compiled.
    "__pycache__", "build-details.json", "config-3.14-wasm32-wasi",
}  # fmt: skip


def write(source: str, target: str) -> None:
    shutil.copytree(source, target, ignore=lambda _, names: UNUSED.intersection(names), copy_function=shutil.copyfile)
    shutil.copytree("/0/library", target, dirs_exist_ok=True, copy_function=shutil.copyfile)
    for folder, _, names in os.walk(target):
        for name in names:
            if name.endswith(".py"):
                compile_one(os.path.join(folder, name), os.path.join(folder, "__pycache__"), target, source)


def compile_one(path: str, cache: str, target: str, source: str) -> None:
    stem = os.path.basename(path).removesuffix(".py")
    py_compile.compile(
        path,
        cfile=os.path.join(cache, f"{stem}.cpython-314.pyc"),
        # Where it will lie.
        dfile=path.replace(target, source, 1),
        doraise=True,
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )


write("/python", "/1/library")
