"""Every operation of botocore's model of Lambda is in docs/lambda-api.md, and is there, or not, as it says."""

import pathlib
import re

from botocore.exceptions import ClientError, ParamValidationError

from aws import aws, careless, step

TABLE = pathlib.Path(__file__).parents[3] / "docs/lambda-api.md"
ROWS = dict(re.findall(r"^\| `(\w+)` \| (done|differs|not there) \|", TABLE.read_text(), re.M))
MODEL = aws.meta.service_model

with step("each_operation_has_a_row"):
    assert sorted(ROWS) == sorted(MODEL.operation_names), set(ROWS) ^ set(MODEL.operation_names)


def arguments(shape):
    """What a request must have in its path and query, with values that nothing has."""
    text = "arn:aws:lambda:us-east-1:123456789012:function:nobody"
    sent = {}
    for name in shape.required_members:
        member = shape.members[name]
        location = member.serialization.get("location")
        if location in ("uri", "querystring", "header"):
            values = {"integer": 1, "list": ["a"], "timestamp": 0, "boolean": True}
            sent[name] = values.get(member.type_name, "nobody" if "Arn" not in name and name != "Resource" else text)
    return sent


with step("an_operation_is_there_or_not_as_its_row_says"):
    from botocore import xform_name

    for operation, state in ROWS.items():
        shape = MODEL.operation_model(operation).input_shape
        try:
            getattr(careless, xform_name(operation))(**(arguments(shape) if shape else {}))
            code = ""
        except ClientError as error:
            code = error.response["Error"]["Code"]
        except ParamValidationError as error:
            raise AssertionError(f"{operation}: {error}") from error
        unknown = code == "UnknownOperationException"
        assert unknown == (state == "not there"), f"{operation} is {state} in the table; the answer is {code or 'a reply'}"
