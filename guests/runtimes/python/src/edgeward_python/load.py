"""I find the function that a handler's name means, by running its module. What can be wrong has Lambda's name and text."""

import gc
import importlib
import os
import sys

from . import call, errors, exchange, fresh, logs

TASK = "/var/task"
# Where a layer would be, in Lambda's order.
LAYERS = ("/opt/python/lib/python3.14/site-packages", "/opt/python")
LIBRARY = "/python"

# The environment of the build is no function's. What the host gives is copied over this one before `init` is called.
os.environ.clear()


def init(handler: str) -> None:
    """Loads the function's code and leaves the interpreter as a new instance shall find it; raises `Err`."""
    _settle()
    logs.start()
    try:
        call.function = _function(handler)
        fresh.before_snapshot()
    except BaseException as error:
        raise errors.failed(error, request_id="") from None
    finally:
        logs.flush()
    # What garbage or an open response holds of the host's is gone when the snapshot is used. What is left lives for ever: a
    # collection during a call need not look at it, and does not touch its pages.
    exchange.close_all()
    gc.collect()
    gc.freeze()


def _settle() -> None:
    """Puts the interpreter where Lambda's is: its path, its working directory, its arguments."""
    own = os.environ.get("PYTHONPATH", "")
    path = [TASK, *filter(None, own.split(":")), *(folder for folder in LAYERS if os.path.isdir(folder)), LIBRARY]
    sys.path[:] = path
    # What the build found at these places, or did not.
    sys.path_importer_cache.clear()
    sys.dont_write_bytecode = True
    sys.argv[:] = ["/var/runtime/bootstrap.py"]
    # There is none where the component is tried without a host's folders.
    if os.path.isdir(TASK):
        os.chdir(TASK)


def _function(handler: str):
    try:
        module_name, name = handler.rsplit(".", 1)
    except ValueError as error:
        raise errors.Fault("MalformedHandlerName", f"Bad handler '{handler}': {error}") from None
    if module_name.split(".")[0] in sys.builtin_module_names:
        raise errors.Fault("BuiltInModuleConflict", f"Cannot use built-in module {module_name} as a handler module")
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        raise errors.Fault("ImportModuleError", f"Unable to import module '{module_name}': {error}") from None
    except SyntaxError as error:
        trace = [f'  File "{error.filename}" Line {error.lineno}\n    {error.text}']
        raise errors.Fault("UserCodeSyntaxError", f"Syntax error in module '{module_name}': {error}", trace) from None
    try:
        return getattr(module, name)
    except AttributeError:
        raise errors.Fault("HandlerNotFound", f"Handler '{name}' missing on module '{module_name}'") from None
