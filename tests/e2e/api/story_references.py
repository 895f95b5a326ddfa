"""Environment variables that refer to secrets and parameters."""

import json

from aws import ACCOUNT, aws, client, create, logged, python, same, step, updated, wrong

iam, secrets, ssm = client("iam"), client("secretsmanager"), client("ssm")
CODE = python("""
import os

def lambda_handler(event, context):
    return {name: os.environ.get(name) for name in event}
""")
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
ROLE = iam.create_role(RoleName="reader", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
secrets.create_secret(Name="plain", SecretString="hunter2")
db = secrets.create_secret(Name="db", SecretString=json.dumps({"user": "ada", "port": 5432}))["ARN"]
ssm.put_parameter(Name="/app/host", Type="String", Value="db.example")
ssm.put_parameter(Name="/app/word", Type="SecureString", Value="swordfish")
VARIABLES = {
    "PLAIN": "{{resolve:secretsmanager:plain}}",
    "URL": "db://{{resolve:secretsmanager:db:SecretString:user}}@{{resolve:ssm:/app/host}}:{{resolve:secretsmanager:db::port}}",
    "BY_ARN": "{{resolve:secretsmanager:" + db + ":SecretString:user}}",
    "WORD": "{{resolve:ssm-secure:/app/word}}",
    "OTHER": "as it is",
}


def may(*actions):
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_role_policy(RoleName="reader", PolicyName="reads", PolicyDocument=document)


def call(*names):
    answer = aws.invoke(FunctionName="f", Payload=json.dumps(names).encode())
    return answer.get("FunctionError"), json.loads(answer["Payload"].read())


def configure(**variables):
    aws.update_function_configuration(FunctionName="f", Environment={"Variables": variables})
    updated("f")


def failure():
    failed, told = call("PLAIN")
    same((failed, told["errorType"]), ("Unhandled", "Runtime.EnvironmentUnresolved"))
    return told["errorMessage"]


with step("a_role_that_may_not_read_does_not_get_it"):
    create("f", CODE, Role=ROLE, Environment={"Variables": {"PLAIN": VARIABLES["PLAIN"]}})
    told = failure()
    for part in ["`PLAIN`", f"assumed-role/reader/f is not authorized to perform: secretsmanager:GetSecretValue on resource: "
                 f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:plain-"]:  # fmt: skip
        assert part in told, told
    configure(WORD=VARIABLES["WORD"])
    assert "perform: ssm:GetParameter on resource: " in failure()

with step("a_role_that_may_read_gets_it"):
    may("secretsmanager:GetSecretValue", "ssm:GetParameter")
    # Without a change of the function.
    same(call("WORD"), (None, {"WORD": "swordfish"}))
    configure(**VARIABLES)
    same(call(*VARIABLES), (None, {"PLAIN": "hunter2", "URL": "db://ada@db.example:5432", "BY_ARN": "ada", "WORD": "swordfish",
                                   "OTHER": "as it is"}))  # fmt: skip

with step("the_reference_is_told_and_not_the_value"):
    configuration = aws.get_function(FunctionName="f")["Configuration"]
    same(configuration["Environment"], {"Variables": VARIABLES})
    same(aws.get_function_configuration(FunctionName="f")["Environment"], {"Variables": VARIABLES})

with step("versions_and_stages"):
    secrets.put_secret_value(SecretId="plain", SecretString="hunter3")
    ssm.put_parameter(Name="/app/host", Type="String", Value="two.example", Overwrite=True)
    same(call("PLAIN"), (None, {"PLAIN": "hunter2"}))
    configure(PLAIN=VARIABLES["PLAIN"], OLD="{{resolve:secretsmanager:plain:::AWSPREVIOUS}}", HOST="{{resolve:ssm:/app/host:1}}")
    same(call("PLAIN", "OLD", "HOST"), (None, {"PLAIN": "hunter3", "OLD": "hunter2", "HOST": "db.example"}))

with step("what_is_not_there_is_told_without_values"):
    for value, expected in [
        ("{{resolve:secretsmanager:nothing}}", "the secret `nothing`: ResourceNotFoundException"),
        ("{{resolve:secretsmanager:plain:SecretString:user}}", "the secret `plain` is no JSON object"),
        ("{{resolve:secretsmanager:db:SecretString:word}}", "the secret `db` has no key `word`"),
        ("{{resolve:ssm:/app/nothing}}", "the parameter `/app/nothing`: ParameterNotFound"),
        ("{{resolve:ssm:/app/word}}", "is a SecureString, which `ssm-secure` reads"),
    ]:
        configure(PLAIN=value)
        told = failure()
        assert "`PLAIN` cannot be resolved: " in told and expected in told, told
        assert not any(secret in told for secret in ["hunter", "swordfish", "5432"]), told
    logged("/aws/lambda/f", '"which `ssm-secure` reads"')
    for event in logged("/aws/lambda/f", ""):
        assert not any(secret in event["message"] for secret in ["hunter", "swordfish", "5432"]), event

with step("what_is_no_reference_is_refused"):
    with wrong("The reference in the environment variable PLAIN cannot be read: `{{resolve:s3:a}}`: the service is"):
        configure(PLAIN="{{resolve:s3:a}}")
    with wrong("`{{resolve:` has no `}}` after it"):
        aws.create_function(FunctionName="g", Role=ROLE, Runtime="python3.14", Handler="lambda_function.lambda_handler",
                            Code={"ZipFile": CODE}, Environment={"Variables": {"PLAIN": "{{resolve:ssm:a"}})  # fmt: skip
