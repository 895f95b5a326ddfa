"""Who may have a layer: the policies of its versions."""

import json

import boto3

from aws import (
    ANOTHER_REVISION, UUID, active, aws, careless, client, conflict, invalid, layer_arn, matches, missing, python, refused, request,
    same, stale, status_of, step, updated, zipped,
)  # fmt: skip

iam = client("iam")
LAYER = zipped({"python/greeting.py": 'TEXT = "hello"\n'})
for _ in range(2):
    aws.publish_layer_version(LayerName="greetings", Content={"ZipFile": LAYER})
STALE_LAYER = (
    "The Revision Id provided does not match the latest Revision Id. Call the GetLayerPolicy API to retrieve the latest Revision Id"
)
FIRST = {"LayerName": "greetings", "VersionNumber": 1}
NO_POLICY = "No policy is associated with the given resource."


def add(sid, principal="*", of=aws, **more):
    said = {**FIRST, "StatementId": sid, "Action": "lambda:GetLayerVersion", "Principal": principal}
    return of.add_layer_version_permission(**{**said, **more})


def remove(sid, **more):
    return aws.remove_layer_version_permission(**FIRST, StatementId=sid, **more)


with step("no_policy"):
    with missing(NO_POLICY):
        aws.get_layer_version_policy(**FIRST)
    with missing(NO_POLICY):
        remove("everybody")

with step("add"):
    added = add("everybody")
    same(status_of(added), 201)
    everybody = {
        "Sid": "everybody", "Effect": "Allow", "Principal": "*", "Action": "lambda:GetLayerVersion",
        "Resource": layer_arn("greetings", 1),
    }  # fmt: skip
    same(json.loads(added["Statement"]), everybody)
    matches(UUID, added["RevisionId"])
    got = aws.get_layer_version_policy(**FIRST)
    same((status_of(got), got["RevisionId"]), (200, added["RevisionId"]))
    same(json.loads(got["Policy"]), {"Version": "2012-10-17", "Id": "default", "Statement": [everybody]})
    organization = json.loads(add("organization", OrganizationId="o-0123456789")["Statement"])
    same(organization["Condition"], {"StringEquals": {"aws:PrincipalOrgID": "o-0123456789"}})
    account = json.loads(add("account", "210987654321")["Statement"])
    same(account["Principal"], {"AWS": "arn:aws:iam::210987654321:root"})
    with missing(NO_POLICY):
        aws.get_layer_version_policy(LayerName="greetings", VersionNumber=2)

with step("revisions"):
    revision = aws.get_layer_version_policy(**FIRST)["RevisionId"]
    with stale(STALE_LAYER):
        add("later", RevisionId=ANOTHER_REVISION)
    with stale(STALE_LAYER):
        remove("account", RevisionId=ANOTHER_REVISION)
    same(status_of(remove("account", RevisionId=revision)), 204)
    assert aws.get_layer_version_policy(**FIRST)["RevisionId"] != revision

with step("statements_that_cannot_be"):
    with conflict("The statement id (everybody) provided already exists."):
        add("everybody")
    with invalid("Value 'lambda:Get' at 'action' failed to satisfy constraint: "
                 "Member must satisfy regular expression pattern: lambda:GetLayerVersion"):  # fmt: skip
        add("other", Action="lambda:Get")
    with invalid("at 'principal' failed to satisfy constraint: "):
        add("other", "lambda.amazonaws.com")
    with invalid("at 'organizationId' failed to satisfy constraint: "):
        add("other", OrganizationId="apples")
    with refused("InvalidParameterValueException", 400, "OrganizationId needs the principal *"):
        add("other", "123456789012", OrganizationId="o-0123456789")
    with missing(f"Layer version {layer_arn('greetings', 9)} does not exist."):
        add("other", VersionNumber=9)
    with missing(f"Layer version {layer_arn('nothing', 1)} does not exist."):
        aws.get_layer_version_policy(LayerName="nothing", VersionNumber=1)
    with missing("Statement nowhere is not found in resource policy."):
        remove("nowhere")
    with refused("InvalidParameterValueException", 400, "Layer Version Cannot be less than 1"):
        add("other", of=careless, VersionNumber=0)

# Somebody whose own policy says nothing of layers.
iam.create_user(UserName="ada")
allowed = ["lambda:CreateFunction", "lambda:UpdateFunctionConfiguration", "iam:PassRole"]
statement = {"Effect": "Allow", "Action": allowed, "Resource": "*"}
iam.put_user_policy(UserName="ada", PolicyName="makes", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
key = iam.create_access_key(UserName="ada")["AccessKey"]
ada = boto3.client("lambda", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
CODE = python("import greeting\n\ndef lambda_handler(event, context):\n    return greeting.TEXT\n")


def denied(version, action="lambda:GetLayerVersion"):
    return refused("AccessDeniedException", 403, f"is not authorized to perform: {action} on resource: {layer_arn('greetings', version)}")


with step("who_is_allowed_gets_it"):
    for got in [ada.get_layer_version(**FIRST), ada.get_layer_version_by_arn(Arn=layer_arn("greetings", 1))]:
        same(got["Version"], 1)
    with denied(2):
        ada.get_layer_version(LayerName="greetings", VersionNumber=2)
    with denied(2):
        ada.get_layer_version_by_arn(Arn=layer_arn("greetings", 2))
    with denied(1, "lambda:GetLayerVersionPolicy"):
        ada.get_layer_version_policy(**FIRST)
    with denied(1, "lambda:AddLayerVersionPermission"):
        add("mine", of=ada)

with step("who_is_allowed_uses_it"):
    with denied(2):
        ada.create_function(**request("f", CODE, Layers=[layer_arn("greetings", 2)]))
    ada.create_function(**request("f", CODE, Layers=[layer_arn("greetings", 1)]))
    active("f")
    same(json.loads(aws.invoke(FunctionName="f")["Payload"].read()), "hello")
    with denied(2):
        ada.update_function_configuration(FunctionName="f", Layers=[layer_arn("greetings", 2)])

with step("what_is_taken_away_is_not_used_again"):
    for sid in ["everybody", "organization"]:
        remove(sid)
    with missing(NO_POLICY):
        aws.get_layer_version_policy(**FIRST)
    with denied(1):
        ada.get_layer_version(**FIRST)
    with denied(1):
        ada.create_function(**request("g", CODE, Layers=[layer_arn("greetings", 1)]))
    # What it has, it keeps.
    ada.update_function_configuration(FunctionName="f", Timeout=5)
    updated("f")
    same(json.loads(aws.invoke(FunctionName="f")["Payload"].read()), "hello")
