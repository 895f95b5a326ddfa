"""Instances begin in the same state: I renew in each what has to differ between them, and run the hooks of SnapStart.

What a function drew at random while it was loaded stays the same in all instances, as with Lambda's SnapStart. The seed
of `hash` stays that of the build.
"""

import random
import sys

import snapshot_restore_py

from . import errors

_renewed = False


def before_snapshot() -> None:
    """The last that is done before the state is kept."""
    hooks = snapshot_restore_py.get_before_snapshot()
    while hooks:
        function, args, kwargs = hooks.pop()
        function(*args, **kwargs)


def forget() -> None:
    """What follows is another instance's first call."""
    global _renewed
    _renewed = False


def renew() -> None:
    """Called before each call; does its work before the first one of an instance."""
    global _renewed
    if _renewed:
        return
    _renewed = True
    random.seed()
    # The generator that names temporary files, and the node of `uuid1`, are made at their first use.
    if (tempfile := sys.modules.get("tempfile")) is not None:
        tempfile._name_sequence = None
    if (uuid := sys.modules.get("uuid")) is not None:
        uuid._node = None
    try:
        for function, args, kwargs in snapshot_restore_py.get_after_restore():
            function(*args, **kwargs)
    except Exception as error:
        raise errors.Fault("AfterRestoreError", f"{type(error).__name__}: {error}") from error
