"""I am one call: I decode the event, call the function, encode what it returns, and turn what it raises into a record.

Whatever happens, what was printed has left the instance when I return.
"""

import json
import os

from . import errors, fresh, logs, reply
from .context import LambdaContext

# What `load` has found.
function = None


def handle(event: bytes, host_context) -> bytes:
    """The reply's bytes; raises `Err`."""
    logs.request_id = host_context.request_id
    if host_context.trace_id is not None:
        os.environ["_X_AMZN_TRACE_ID"] = host_context.trace_id
    else:
        os.environ.pop("_X_AMZN_TRACE_ID", None)
    try:
        fresh.renew()
        context = LambdaContext(host_context)
        return reply.encode(function(_decode(event), context))
    except BaseException as error:
        raise errors.failed(error, host_context.request_id) from None
    finally:
        logs.flush()


def _decode(event: bytes):
    # No payload is an empty event.
    if not event:
        return {}
    try:
        return json.loads(event)
    except Exception as error:
        raise errors.Fault("UnmarshalError", f"Unable to unmarshal input: {error}") from None
