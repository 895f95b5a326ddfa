"""The object that tells a function about its call, with the attributes of Lambda's."""

import json
import time

from . import errors, logs

# What W3C's trace context may carry; anything else that a client sends under this name is dropped.
_W3C_FIELDS = ("traceparent", "tracestate", "baggage")


class LambdaContext:
    def __init__(self, host):
        self.aws_request_id = host.request_id
        self.log_group_name = host.log_group_name
        self.log_stream_name = host.log_stream_name
        self.function_name = host.function_name
        # Text, as Lambda has it.
        self.memory_limit_in_mb = str(host.memory_limit_mb)
        self.function_version = host.function_version
        self.invoked_function_arn = host.invoked_function_arn
        self.tenant_id = None
        client = _client(host.client_context)
        self._w3c = _take_w3c(client)
        self.client_context = ClientContext(client) if client is not None else None
        self.identity = CognitoIdentity()
        self._deadline_ms = host.deadline_ms

    def get_remaining_time_in_millis(self) -> int:
        return max(0, self._deadline_ms - int(time.time() * 1000))

    def log(self, message) -> None:
        logs.write(str(message))

    def w3c(self) -> dict:
        return dict(self._w3c)

    def __repr__(self):
        names = (
            "aws_request_id",
            "log_group_name",
            "log_stream_name",
            "function_name",
            "memory_limit_in_mb",
            "function_version",
            "invoked_function_arn",
            "client_context",
            "identity",
            "tenant_id",
        )
        return _shown(self, names)


class ClientContext:
    __slots__ = ("custom", "env", "client")

    def __init__(self, sent: dict):
        self.custom = sent.get("custom")
        self.env = sent.get("env")
        client = sent.get("client")
        self.client = Client(client) if client is not None else None

    def __repr__(self):
        return _shown(self, self.__slots__)


class Client:
    __slots__ = ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name")

    def __init__(self, sent: dict):
        for name in self.__slots__:
            setattr(self, name, sent.get(name))

    def __repr__(self):
        return _shown(self, self.__slots__)


class CognitoIdentity:
    """Nobody's: there is no Cognito here."""

    __slots__ = ("cognito_identity_id", "cognito_identity_pool_id")

    def __init__(self):
        self.cognito_identity_id = None
        self.cognito_identity_pool_id = None

    def __repr__(self):
        return _shown(self, self.__slots__)


def _shown(thing, names) -> str:
    values = ",".join(f"{name}={getattr(thing, name)}" for name in names)
    return f"{type(thing).__name__}([{values}])"


def _client(text):
    if not text:
        return None
    try:
        return json.loads(text)
    except Exception as error:
        raise errors.Fault("LambdaContextUnmarshalError", f"Unable to parse Client Context JSON: {error}") from None


def _take_w3c(client) -> dict:
    sent = client.pop("w3c", None) if isinstance(client, dict) else None
    if not isinstance(sent, dict):
        return {}
    return {name: sent[name] for name in _W3C_FIELDS if isinstance(sent.get(name), str)}
