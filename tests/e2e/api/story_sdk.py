"""AWS's SDK and Powertools inside of a function: they reach the host's own services by the keys of the function's role."""

import io
import json
import zipfile

from aws import ACCOUNT, aws, client, create, has, same, step
from sdk import layer

# Of the models of all services.
MODELS = ["lambda", "sts", "secretsmanager", "ssm"]

SOURCE = """
import json

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities import parameters
from botocore.exceptions import ClientError

logger, metrics = Logger(service="shop"), Metrics(namespace="shop", service="shop")
functions, secrets, identity = boto3.client("lambda"), boto3.client("secretsmanager"), boto3.client("sts")


@logger.inject_lambda_context
@metrics.log_metrics
def lambda_handler(event, context):
    logger.info("an order", extra={"order": 7})
    metrics.add_metric(name="Orders", unit=MetricUnit.Count, value=2)
    told = json.loads(functions.invoke(FunctionName="callee", Payload=json.dumps(event))["Payload"].read())
    try:
        functions.list_functions()
    except ClientError as error:
        denied = error.response["Error"]
    return {
        "callee": told, "secret": secrets.get_secret_value(SecretId="database")["SecretString"],
        "parameter": parameters.get_parameter("/shop/greeting"), "who": identity.get_caller_identity()["Arn"],
        "denied": [denied["Code"], denied["Message"]],
    }
"""
TRUST = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
MAY = {
    "Effect": "Allow", "Resource": "*",
    "Action": ["lambda:InvokeFunction", "secretsmanager:GetSecretValue", "ssm:GetParameter"],
}  # fmt: skip


def document(statement):
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


with step("a_role_and_what_it_may_read"):
    iam = client("iam")
    role = iam.create_role(RoleName="shop", AssumeRolePolicyDocument=document(TRUST))["Role"]["Arn"]
    iam.put_role_policy(RoleName="shop", PolicyName="shop", PolicyDocument=document(MAY))
    client("secretsmanager").create_secret(Name="database", SecretString="a password")
    client("ssm").put_parameter(Name="/shop/greeting", Value="hello", Type="String")

with step("a_layer_of_the_sdk"):
    published = aws.publish_layer_version(LayerName="sdk", Content={"ZipFile": layer(MODELS)})["LayerVersionArn"]

with step("functions"):
    def python(source):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr("lambda_function.py", source)
        return out.getvalue()

    create("callee", python("def lambda_handler(event, context):\n    return {'got': event}\n"))
    create("shop", python(SOURCE), Role=role, Layers=[published], Timeout=60, MemorySize=512)

with step("the_sdk_reaches_the_hosts_own_services"):
    answer = aws.invoke(FunctionName="shop", Payload=b'{"n": 1}', LogType="Tail")
    told = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, told
    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/shop/shop"
    has(told, callee={"got": {"n": 1}}, secret="a password", parameter="hello", who=arn)

with step("and_may_do_what_the_role_allows"):
    code, message = told["denied"]
    same(code, "AccessDeniedException")
    assert message.startswith(f"User: {arn} is not authorized to perform: lambda:ListFunctions on resource: "), message

with step("logger_and_metrics_write_their_lines"):
    import base64

    lines = [json.loads(line) for line in base64.b64decode(answer["LogResult"]).decode().splitlines() if line.startswith("{")]
    (logged,) = [line for line in lines if line.get("message") == "an order"]
    has(logged, order=7, service="shop", function_name="shop", function_memory_size="512")
    (measured,) = [line for line in lines if "_aws" in line]
    same((measured["Orders"], measured["_aws"]["CloudWatchMetrics"][0]["Namespace"]), ([2.0], "shop"))
