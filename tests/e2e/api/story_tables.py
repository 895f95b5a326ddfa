"""DynamoDB: tables and their items, by boto3's client and its resource, and Powertools' idempotency in a function."""

import json
import pathlib
import re
import threading
import time
from decimal import Decimal

import boto3
from boto3.dynamodb.conditions import Attr, Key
from botocore import xform_name
from botocore.exceptions import ClientError

from aws import ACCOUNT, aws, client, create, has, matches, python, refusal, refused, same, status_of, step
from sdk import layer

tables = client("dynamodb")
careless = client("dynamodb", parameter_validation=False)
resource = boto3.resource("dynamodb")
ARN = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/"
DOCUMENT = pathlib.Path(__file__).parents[3] / "docs/dynamodb.md"


def invalid(text):
    return refused("ValidationException", 400, text)


def nothing(text="Requested resource not found"):
    return refused("ResourceNotFoundException", 400, text)


def failed():
    return refused("ConditionalCheckFailedException", 400, "The conditional request failed")


def make(name, key, **more):
    kinds = ["HASH", "RANGE"]
    return tables.create_table(
        TableName=name, BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": kind} for name, kind in key],
        KeySchema=[{"AttributeName": name, "KeyType": kind} for (name, _), kind in zip(key, kinds)], **more,
    )  # fmt: skip


with step("the_table_of_operations_is_true"):
    rows = dict(re.findall(r"^\| `(\w+)` \| (done|differs|not there) \|", DOCUMENT.read_text(), re.M))
    model = tables.meta.service_model
    same(sorted(rows), sorted(model.operation_names), "the rows of docs/dynamodb.md")
    for operation, state in rows.items():
        shape = model.operation_model(operation).input_shape
        # boto3 itself looks into these.
        empty = {name: {"map": {}, "list": []}[shape.members[name].type_name]
                 for name in shape.required_members if shape.members[name].type_name in ("map", "list")}  # fmt: skip
        try:
            getattr(careless, xform_name(operation))(**empty)
            code = ""
        except ClientError as error:
            code = error.response["Error"]["Code"]
        assert (code == "UnknownOperationException") == (state == "not there"), f"{operation} is {state}; the answer is {code}"

with step("create_table"):
    made = make("music", [("artist", "S"), ("year", "N")], Tags=[{"Key": "team", "Value": "blue"}])["TableDescription"]
    has(made, TableName="music", TableArn=ARN + "music", TableStatus="ACTIVE", ItemCount=0)
    matches(r"[0-9a-f-]{36}", made["TableId"])
    tables.get_waiter("table_exists").wait(TableName="music")
    with refused("ResourceInUseException", 400, "Table already exists: music"):
        make("music", [("artist", "S")])
    with invalid("Invalid KeySchema: Some index key attribute have no definition"):
        careless.create_table(TableName="other", BillingMode="PAY_PER_REQUEST", AttributeDefinitions=[],
                              KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}])  # fmt: skip
    index = {"IndexName": "by-id", "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}], "Projection": {"ProjectionType": "ALL"}}
    answer = refusal(make, name="other", key=[("id", "S")], GlobalSecondaryIndexes=[index])
    assert "GlobalSecondaryIndexes of CreateTable is not supported here" in answer["Error"]["Message"], answer

with step("describe_list_and_update_table"):
    has(tables.describe_table(TableName=ARN + "music")["Table"], TableId=made["TableId"], KeySchema=made["KeySchema"])
    with nothing("Requested resource not found: Table: nobody not found"):
        tables.describe_table(TableName="nobody")
    make("another", [("id", "B")])
    same([name for page in tables.get_paginator("list_tables").paginate(PaginationConfig={"PageSize": 1}) for name in page["TableNames"]], ["another", "music"])
    changed = tables.update_table(TableName="another", DeletionProtectionEnabled=True)["TableDescription"]
    has(changed, DeletionProtectionEnabled=True)

with step("delete_table"):
    with invalid("Resource cannot be deleted as it is currently protected against deletion"):
        tables.delete_table(TableName="another")
    tables.update_table(TableName="another", DeletionProtectionEnabled=False)
    has(tables.delete_table(TableName="another")["TableDescription"], TableStatus="DELETING")
    tables.get_waiter("table_not_exists").wait(TableName="another")
    with nothing():
        tables.delete_table(TableName="another")

with step("tags"):
    tables.tag_resource(ResourceArn=ARN + "music", Tags=[{"Key": "stage", "Value": "prod"}])
    tables.untag_resource(ResourceArn=ARN + "music", TagKeys=["team"])
    same(tables.list_tags_of_resource(ResourceArn=ARN + "music")["Tags"], [{"Key": "stage", "Value": "prod"}])
    with nothing("Requested resource not found: ResourcArn: " + ARN + "nobody not found"):
        tables.list_tags_of_resource(ResourceArn=ARN + "nobody")

music = resource.Table("music")
SONG = {
    "artist": "Ada", "year": 1843, "length": Decimal("3.1415926535897932384626433832795028841"), "cover": b"\x00\x01",
    "live": True, "label": None, "tags": {"new", "loud"}, "ratings": {Decimal(4), Decimal("4.5")}, "parts": ["one", {"two": Decimal(2)}],
}  # fmt: skip

with step("put_and_get_item"):
    same(status_of(music.put_item(Item=SONG)), 200)
    same(music.get_item(Key={"artist": "Ada", "year": 1843}, ConsistentRead=True)["Item"], SONG)
    part = music.get_item(Key={"artist": "Ada", "year": 1843}, ProjectionExpression="parts[1].two, #l", ExpressionAttributeNames={"#l": "live"})
    same(part["Item"], {"parts": [{"two": Decimal(2)}], "live": True})
    assert "Item" not in music.get_item(Key={"artist": "Ada", "year": 1844})
    same(music.put_item(Item=SONG, ReturnValues="ALL_OLD")["Attributes"], SONG)
    same(music.put_item(Item=SONG, ReturnConsumedCapacity="TOTAL")["ConsumedCapacity"], {"TableName": "music", "CapacityUnits": 1.0})

with step("put_and_get_item_refuse"):
    with nothing():
        tables.put_item(TableName="nobody", Item={"id": {"S": "a"}})
    with invalid("One or more parameter values were invalid: Missing the key year in the item"):
        music.put_item(Item={"artist": "Ada"})
    with invalid("Type mismatch for key year expected: N actual: S"):
        music.put_item(Item={"artist": "Ada", "year": "1843"})
    with invalid("The provided key element does not match the schema"):
        music.get_item(Key={"artist": "Ada"})
    with invalid("The parameter cannot be converted to a numeric value: many"):
        tables.put_item(TableName="music", Item={"artist": {"S": "a"}, "year": {"N": "many"}})
    with invalid("Item size has exceeded the maximum allowed size"):
        music.put_item(Item={"artist": "a", "year": 1, "text": "x" * (400 << 10)})
    with invalid("Attribute name is a reserved keyword; reserved keyword: year"):
        music.get_item(Key={"artist": "Ada", "year": 1843}, ProjectionExpression="year")
    with refused("SerializationException", 400, ""):
        careless.put_item(TableName="music", Item={"artist": {"S": 7}, "year": {"N": "1"}})

with step("conditions"):
    first = {"Item": {"artist": "Bob", "year": 1, "plays": 1}, "ConditionExpression": Attr("artist").not_exists()}
    music.put_item(**first)
    with failed():
        music.put_item(**first)
    try:
        tables.put_item(TableName="music", Item={"artist": {"S": "Bob"}, "year": {"N": "1"}}, ConditionExpression="attribute_not_exists(artist)",
                        ReturnValuesOnConditionCheckFailure="ALL_OLD")  # fmt: skip
        raise AssertionError("not refused")
    except tables.exceptions.ConditionalCheckFailedException as error:
        same(error.response["Item"], {"artist": {"S": "Bob"}, "year": {"N": "1"}, "plays": {"N": "1"}})
    right = Attr("plays").between(1, 3) & Attr("plays").is_in([1, 2]) & ~Attr("artist").begins_with("C") & Attr("artist").contains("o")
    music.put_item(Item={"artist": "Bob", "year": 1, "plays": 2}, ConditionExpression=right & Attr("plays").attribute_type("N") & Attr("artist").size().lt(4))
    with failed():
        music.delete_item(Key={"artist": "Bob", "year": 1}, ConditionExpression=Attr("plays").lt(2) | Attr("missing").exists())
    with invalid('Invalid ConditionExpression: Syntax error; token: "<EOF>", near: "="'):
        music.delete_item(Key={"artist": "Bob", "year": 1}, ConditionExpression="plays =")
    with invalid("Value provided in ExpressionAttributeValues unused in expressions: keys: {:x}"):
        music.delete_item(Key={"artist": "Bob", "year": 1}, ConditionExpression="attribute_exists(artist)", ExpressionAttributeValues={":x": 1})

with step("update_item"):
    key = {"artist": "Ada", "year": 1843}
    changed = music.update_item(
        Key=key, ReturnValues="UPDATED_NEW", ExpressionAttributeNames={"#t": "tags"},
        UpdateExpression="SET plays = if_not_exists(plays, :zero) + :one, parts = list_append(parts, :more) "
                         "REMOVE label ADD ratings :five DELETE #t :loud",
        ExpressionAttributeValues={":zero": 0, ":one": 1, ":more": ["three"], ":five": {Decimal(5)}, ":loud": {"loud"}},
    )  # fmt: skip
    expected = {"plays": 1, "parts": ["one", {"two": 2}, "three"], "ratings": {4, Decimal("4.5"), 5}, "tags": {"new"}}
    same(changed["Attributes"], expected)
    changed = music.update_item(Key=key, UpdateExpression="SET parts[1].two = plays - :n REMOVE parts[0]", ReturnValues="ALL_NEW",
                                ExpressionAttributeValues={":n": 3})["Attributes"]  # fmt: skip
    same(changed["parts"], [{"two": -2}, "three"])
    old = music.update_item(Key=key, UpdateExpression="SET plays = :n", ExpressionAttributeValues={":n": 7}, ReturnValues="UPDATED_OLD")
    same(old["Attributes"], {"plays": 1})
    same(music.update_item(Key={"artist": "New", "year": 1}, ReturnValues="ALL_NEW")["Attributes"], {"artist": "New", "year": 1})

with step("update_item_refuses"):
    for expression, text in [
        ("SET artist = :n", "Cannot update attribute artist. This attribute is part of the key"),
        ("SET nobody.a = :n", "The document path provided in the update expression is invalid for update"),
        ("SET plays = nobody + :n", "The provided expression refers to an attribute that does not exist in the item"),
        ("SET artist2 = artist + :n", "An operand in the update expression has an incorrect data type"),
        ("SET plays = :n, plays = :n", "Two document paths overlap with each other"),
        ("SET plays = :n SET live = :n", 'The "SET" section can only be used once in an update expression;'),
        ("SET plays = :nobody", "An expression attribute value used in expression is not defined; attribute value: :nobody"),
    ]:
        with invalid(text):
            music.update_item(Key=key, UpdateExpression=expression, ExpressionAttributeValues={":n": 1})
    with failed():
        music.update_item(Key=key, UpdateExpression="SET plays = :n", ConditionExpression="plays = :n", ExpressionAttributeValues={":n": 1})

with step("delete_item"):
    same(music.delete_item(Key={"artist": "New", "year": 1}, ReturnValues="ALL_OLD")["Attributes"], {"artist": "New", "year": 1})
    assert "Attributes" not in music.delete_item(Key={"artist": "New", "year": 1}, ReturnValues="ALL_OLD")
    with invalid("ReturnValues can only be ALL_OLD or NONE"):
        music.delete_item(Key={"artist": "New", "year": 1}, ReturnValues="ALL_NEW")

with step("batches"):
    with music.batch_writer() as batch:
        for year in range(-30, 30):
            batch.put_item(Item={"artist": "Cy", "year": year, "odd": year % 2 == 1})
        batch.delete_item(Key={"artist": "Cy", "year": -30})
    keys = [{"artist": "Cy", "year": year} for year in (-30, -1, 2)]
    found = resource.batch_get_item(RequestItems={"music": {"Keys": keys}})
    same((sorted(int(item["year"]) for item in found["Responses"]["music"]), found["UnprocessedKeys"]), ([-1, 2], {}))
    put = {"PutRequest": {"Item": {"artist": {"S": "a"}, "year": {"N": "1"}}}}
    with invalid("Provided list of item keys contains duplicates"):
        tables.batch_write_item(RequestItems={"music": [put, put]})
    with invalid("Too many items requested for the BatchWriteItem call"):
        careless.batch_write_item(RequestItems={"music": [put] * 26})
    with invalid("Too many items requested for the BatchGetItem call"):
        careless.batch_get_item(RequestItems={"music": {"Keys": [put["PutRequest"]["Item"]] * 101}})

with step("query"):
    years = lambda answer: [int(item["year"]) for item in answer["Items"]]
    of = Key("artist").eq("Cy")
    same(years(music.query(KeyConditionExpression=of & Key("year").between(-2, 2))), [-2, -1, 0, 1, 2])
    same(years(music.query(KeyConditionExpression=of & Key("year").lt(-27), ScanIndexForward=False)), [-28, -29])
    answer = music.query(KeyConditionExpression=of, FilterExpression=Attr("odd").eq(True), Select="COUNT")
    has(answer, Count=30, ScannedCount=59)
    pages = tables.get_paginator("query").paginate(
        TableName="music", KeyConditionExpression="artist = :a", ExpressionAttributeValues={":a": {"S": "Cy"}}, PaginationConfig={"PageSize": 10})  # fmt: skip
    same([int(item["year"]["N"]) for page in pages for item in page["Items"]], list(range(-29, 30)))
    last = music.query(KeyConditionExpression=of, Limit=3)["LastEvaluatedKey"]
    same(last, {"artist": "Cy", "year": -27})
    same(years(music.query(KeyConditionExpression=of, Limit=1, ExclusiveStartKey=last)), [-26])

with step("query_refuses"):
    with invalid("Query condition missed key schema element: artist"):
        music.query(KeyConditionExpression=Key("year").eq(1))
    with invalid("Query key condition not supported"):
        music.query(KeyConditionExpression=Key("artist").gt("a"))
    with invalid("The table does not have the specified index: by-year"):
        music.query(IndexName="by-year", KeyConditionExpression=of)
    with invalid("The provided starting key is outside query boundaries based on provided conditions"):
        music.query(KeyConditionExpression=of, ExclusiveStartKey={"artist": "Ada", "year": 1})
    answer = refusal(careless.query, TableName="music", KeyConditions={})
    assert "KeyConditions of Query is not supported here" in answer["Error"]["Message"], answer

with step("scan"):
    same(music.scan(Select="COUNT")["Count"], 61)
    parts = [music.scan(Segment=n, TotalSegments=4)["Items"] for n in range(4)]
    same(sum(map(len, parts)), 61)
    same(years(music.scan(FilterExpression=Attr("plays").gt(5), ProjectionExpression="#y", ExpressionAttributeNames={"#y": "year"})), [1843])
    pages = tables.get_paginator("scan").paginate(TableName="music", PaginationConfig={"PageSize": 7})
    same(sum(len(page["Items"]) for page in pages), 61)
    with invalid("The TotalSegments parameter is required but was not present"):
        music.scan(Segment=0)

with step("transactions"):
    account = lambda name, change: {"Update": {
        "TableName": "music", "Key": {"artist": name, "year": 0}, "UpdateExpression": "SET balance = balance + :n",
        "ConditionExpression": "balance >= :least", "ExpressionAttributeValues": {":n": change, ":least": -change},
    }}  # fmt: skip
    for name in ("from", "to"):
        music.put_item(Item={"artist": name, "year": 0, "balance": 10})
    write = resource.meta.client.transact_write_items
    write(TransactItems=[account("from", -7), account("to", 7)], ClientRequestToken="once")
    write(TransactItems=[account("from", -7), account("to", 7)], ClientRequestToken="once")
    try:
        write(TransactItems=[account("to", 7), account("from", -7)])
        raise AssertionError("not refused")
    except resource.meta.client.exceptions.TransactionCanceledException as error:
        codes = [reason["Code"] for reason in error.response["CancellationReasons"]]
        same(codes, ["None", "ConditionalCheckFailed"])
        assert "[None, ConditionalCheckFailed]" in error.response["Error"]["Message"], error.response
    read = resource.meta.client.transact_get_items(TransactItems=[{"Get": {"TableName": "music", "Key": {"artist": name, "year": 0}}} for name in ("from", "to", "no")])
    same([response.get("Item", {}).get("balance") for response in read["Responses"]], [3, 17, None])
    with refused("IdempotentParameterMismatchException", 400, "non-identical request"):
        write(TransactItems=[account("to", 1)], ClientRequestToken="once")
    with invalid("Transaction request cannot include multiple operations on one item"):
        write(TransactItems=[account("to", 1), account("to", 1)])

with step("time_to_live"):
    same(tables.describe_time_to_live(TableName="music")["TimeToLiveDescription"], {"TimeToLiveStatus": "DISABLED"})
    enabled = {"Enabled": True, "AttributeName": "expires"}
    same(tables.update_time_to_live(TableName="music", TimeToLiveSpecification=enabled)["TimeToLiveSpecification"], enabled)
    with invalid("TimeToLive is already enabled"):
        tables.update_time_to_live(TableName="music", TimeToLiveSpecification=enabled)
    has(tables.describe_time_to_live(TableName="music")["TimeToLiveDescription"], TimeToLiveStatus="ENABLED", AttributeName="expires")
    music.put_item(Item={"artist": "Past", "year": 1, "expires": int(time.time()) - 1})
    assert "Item" not in music.get_item(Key={"artist": "Past", "year": 1})

with step("of_many_one_is_first"):
    won = []

    def race(number):
        try:
            client("dynamodb").put_item(TableName="music", Item={"artist": {"S": "first"}, "year": {"N": "1"}, "by": {"N": str(number)}},
                                        ConditionExpression="attribute_not_exists(artist)")  # fmt: skip
            won.append(number)
        except ClientError as error:
            same(error.response["Error"]["Code"], "ConditionalCheckFailedException")

    racers = [threading.Thread(target=race, args=(number,)) for number in range(8)]
    [racer.start() for racer in racers]
    [racer.join() for racer in racers]
    same(len(won), 1)

TRUST = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
MAY = {
    "Effect": "Allow", "Resource": ARN + "idempotency",
    "Action": ["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:GetItem", "dynamodb:DeleteItem"],
}  # fmt: skip
SOURCE = """
import boto3
from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer, IdempotencyConfig, idempotent
from botocore.exceptions import ClientError

runs = 0
layer = DynamoDBPersistenceLayer(table_name="idempotency")


@idempotent(persistence_store=layer, config=IdempotencyConfig(event_key_jmespath="order"))
def lambda_handler(event, context):
    global runs
    runs += 1
    if event.get("fails"):
        raise ValueError("no")
    try:
        boto3.client("dynamodb").scan(TableName="music")
        denied = None
    except ClientError as error:
        denied = error.response["Error"]["Code"]
    return {"order": event["order"], "runs": runs, "denied": denied}
"""


def document(statement):
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def invoke(**event):
    answer = aws.invoke(FunctionName="orders", Payload=json.dumps(event))
    return json.loads(answer["Payload"].read()), answer.get("FunctionError")


with step("powertools_runs_a_body_once_for_equal_events"):
    make("idempotency", [("id", "S")])
    tables.update_time_to_live(TableName="idempotency", TimeToLiveSpecification={"Enabled": True, "AttributeName": "expiration"})
    iam = client("iam")
    role = iam.create_role(RoleName="orders", AssumeRolePolicyDocument=document(TRUST))["Role"]["Arn"]
    iam.put_role_policy(RoleName="orders", PolicyName="orders", PolicyDocument=document(MAY))
    published = aws.publish_layer_version(LayerName="sdk", Content={"ZipFile": layer(["dynamodb"])})["LayerVersionArn"]
    create("orders", python(SOURCE), Role=role, Layers=[published], Timeout=60, MemorySize=512)
    told, error = invoke(order=7)
    same((told.get("order"), error), (7, None), told)
    # Its role may not scan.
    same(told["denied"], "AccessDeniedException")
    for _ in range(2):
        same(invoke(order=7), (told, None))
    other, _ = invoke(order=8)
    assert other["order"] == 8, other
    (kept,) = tables.query(TableName="idempotency", KeyConditionExpression="id = :i", ExpressionAttributeValues={
        ":i": tables.scan(TableName="idempotency", Limit=1)["Items"][0]["id"]})["Items"]  # fmt: skip
    same(kept["status"]["S"], "COMPLETED")

with step("powertools_forgets_what_has_failed"):
    _, error = invoke(order=9, fails=True)
    same(error, "Unhandled")
    told, error = invoke(order=9)
    same((told["order"], error), (9, None))
    same(tables.describe_table(TableName="idempotency")["Table"]["ItemCount"], 3)
