"""I serve calls of nobody's while the Runtime is built. The interpreter writes into its code what it has learnt of it; an instance
that begins with that has half as much to do in its first call.
"""

from . import call, fresh, logs

# The interpreter has learnt after a few; none of them reaches a host.
_CALLS = 32

_EVENT = b'{"version": "2.0", "rawPath": "/", "headers": {"host": "example.com"}, "list": [1, 2.5, true, null], "isBase64Encoded": false}'


def rehearse(handler, context_type) -> None:
    context = context_type(
        request_id="",
        function_name="",
        function_version="",
        invoked_function_arn="",
        memory_limit_mb=0,
        deadline_ms=0,
        log_group_name="",
        log_stream_name="",
        client_context=None,
        trace_id=None,
    )
    for call.function in (_echo, _answer) * (_CALLS // 2):
        fresh.forget()
        handler.handle(_EVENT, context)
    call.function = None
    fresh.forget()
    logs.request_id = None


def _echo(event, context):
    return event


def _answer(event, context):
    context.get_remaining_time_in_millis()
    return {"statusCode": 200, "headers": {"content-type": "text/plain"}, "body": event["rawPath"]}
