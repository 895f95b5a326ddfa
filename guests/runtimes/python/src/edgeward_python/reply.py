"""What a function may return, as the bytes of a reply: JSON with Lambda's liberties, and bytes as they are.

Lambda encodes with simplejson, which differs from the standard library: a `Decimal` is a number with the digits it has,
and bytes inside an object are text. Not taken over: a named tuple is a list here.
"""

import json
import json.encoder
import math
import sys

from . import errors


def encode(value) -> bytes:
    if isinstance(value, bytes):
        return value
    try:
        try:
            text = _fast.encode(value)
        except _HasDecimal:
            text = _exact.encode(value)
        return text.encode("utf-8")
    except Exception as error:
        raise errors.Fault("MarshalError", f"Unable to marshal response: {error}") from None


class _HasDecimal(Exception):
    pass


class _Digits(float):
    """A number that is written as the text it came from."""


class _Encoder(json.JSONEncoder):
    def default(self, value):
        if isinstance(value, bytes):
            return str(value, "utf-8")
        # If it is not loaded, nothing is one.
        decimal = sys.modules.get("decimal")
        if decimal is not None and isinstance(value, decimal.Decimal):
            return self.decimal(value)
        return super().default(value)

    def decimal(self, value):
        raise _HasDecimal


class _ExactEncoder(_Encoder):
    """The library's own encoder in Python instead of C, which lets a number have its own text."""

    def decimal(self, value):
        if value.is_nan():
            return math.nan
        digits = _Digits()
        digits.text = str(value)
        return digits

    def iterencode(self, o, _one_shot=False):
        def number(value):
            if isinstance(value, _Digits):
                return value.text
            if math.isfinite(value):
                return float.__repr__(value)
            return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"

        iterate = json.encoder._make_iterencode(
            {},
            self.default,
            json.encoder.encode_basestring,
            None,
            number,
            self.key_separator,
            self.item_separator,
            self.sort_keys,
            self.skipkeys,
            _one_shot,
        )
        return iterate(o, 0)


_fast = _Encoder(ensure_ascii=False)
_exact = _ExactEncoder(ensure_ascii=False)
