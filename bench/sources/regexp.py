"""A regular expression that tries every way to divide its input."""

import re


def lambda_handler(event, context):
    return re.match(r"^(a+)+$", "a" * 64 + "b") is None
