"""Code in folders of the host: archives in buckets, and files that are reloaded."""

import json
import os
import pathlib

import boto3

from aws import active, arn, aws, client, has, python, refused, request, same, step, updated, wrong, zipped

iam = client("iam")
FOLDER = pathlib.Path(os.environ["EDGEWARD_TEST_FOLDER"]).resolve()
BUCKET, HOT = FOLDER / "buckets" / "apples", FOLDER / "hot" / "f"
NO_KEY = "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist."
NO_BUCKET = "Error occurred while GetObject. S3 Error Code: NoSuchBucket. S3 Error Message: The specified bucket does not exist"
CODE = python("def lambda_handler(event, context):\n    return 'from a bucket'\n")
BUCKET.joinpath("code").mkdir(parents=True)
BUCKET.joinpath("code/f.zip").write_bytes(CODE)
BUCKET.joinpath("apples.txt").write_text("apples")
FOLDER.joinpath("secret.zip").write_bytes(CODE)
BUCKET.joinpath("link.zip").symlink_to(FOLDER / "secret.zip")
HOT.mkdir(parents=True)


def at(bucket, key, **more):
    return {"S3Bucket": bucket, "S3Key": key, **more}


def made(name, code, **more):
    return aws.create_function(**{**request(name, b""), "Code": code, **more})


def invoke(name):
    answer = aws.invoke(FunctionName=name, Payload=b"{}")
    return answer.get("FunctionError"), json.loads(answer["Payload"].read())


def write(text):
    """As editors do: another file, renamed over the old one."""
    HOT.joinpath("new").write_text(text)
    HOT.joinpath("new").rename(HOT / "lambda_function.py")


with step("a_function_of_a_bucket"):
    has(made("f", at("apples", "code/f.zip")), CodeSize=len(CODE))
    active("f")
    same(invoke("f"), (None, "from a bucket"))

with step("update_from_a_bucket"):
    BUCKET.joinpath("code/g.zip").write_bytes(python("def lambda_handler(event, context):\n    return 'another'\n"))
    aws.update_function_code(FunctionName="f", S3Bucket="apples", S3Key="code/g.zip")
    updated("f")
    same(invoke("f"), (None, "another"))

with step("a_layer_of_a_bucket"):
    BUCKET.joinpath("layer.zip").write_bytes(zipped({"python/greeting.py": "TEXT = 'hello'\n"}))
    layer = aws.publish_layer_version(LayerName="greetings", Content=at("apples", "layer.zip"))
    same(layer["Content"]["CodeSize"], BUCKET.joinpath("layer.zip").stat().st_size)

with step("what_is_not_in_a_bucket"):
    for key in ["nothing", "code", "../../secret.zip", "../apples/code/f.zip", "link.zip", "/etc/passwd", "code//f.zip", "./layer.zip"]:
        with wrong(NO_KEY):
            made("g", at("apples", key))
    for bucket in ["pears", "...", "apples/code"]:
        with wrong(NO_BUCKET):
            made("g", at(bucket, "f.zip"))
    with wrong("Could not unzip uploaded file."):
        made("g", at("apples", "apples.txt"))
    with wrong("S3ObjectVersion is not supported here; leave it out."):
        made("g", at("apples", "code/f.zip", S3ObjectVersion="1"))
    with wrong("S3Bucket and S3Key are given together."):
        made("g", {"S3Bucket": "apples"})
    with wrong("Please do not provide other FunctionCode parameters when providing a ZipFile."):
        made("g", at("apples", "code/f.zip", ZipFile=python("")))
    with refused("ResourceNotFoundException", 404, f"Function not found: {arn('g')}"):
        aws.get_function(FunctionName="g")

with step("a_caller_needs_the_permission_of_s3"):
    iam.create_user(UserName="ada")
    statements = [
        {"Effect": "Allow", "Action": ["lambda:*", "iam:PassRole"], "Resource": "*"},
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::apples/code/*"},
    ]
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_user_policy(UserName="ada", PolicyName="makes", PolicyDocument=document)
    key = iam.create_access_key(UserName="ada")["AccessKey"]
    ada = boto3.client("lambda", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
    ada.update_function_code(FunctionName="f", S3Bucket="apples", S3Key="code/f.zip")
    updated("f")
    for code in [at("apples", "layer.zip"), at("hot-reload", str(HOT))]:
        with refused("AccessDeniedException", 403, "Your access has been denied by S3, please make sure your request credentials have "
                     f"permission to GetObject for {code['S3Bucket']}/{code['S3Key']}. S3 Error Code: AccessDenied."):  # fmt: skip
            ada.update_function_code(FunctionName="f", **code)

with step("code_is_reloaded"):
    write("def lambda_handler(event, context):\n    return 1\n")
    made("hot", at("hot-reload", str(HOT)))
    active("hot")
    same(aws.get_function(FunctionName="hot")["Code"]["Location"], f"file://{HOT}")
    same(invoke("hot"), (None, 1))
    for number in [2, 30]:
        write(f"import part\n\ndef lambda_handler(event, context):\n    return part.NUMBER + {number}\n")
        HOT.joinpath("part.py").write_text(f"NUMBER = {number}\n")
        same(invoke("hot"), (None, 2 * number))

with step("code_that_is_broken_meanwhile"):
    write("def lambda_handler(event, context)\n")
    failed, told = invoke("hot")
    same((failed, told["errorType"]), ("Unhandled", "Runtime.UserCodeSyntaxError"))
    write("def lambda_handler(event, context):\n    return 'mended'\n")
    same(invoke("hot"), (None, "mended"))

with step("what_is_not_reloaded"):
    for elsewhere in [str(FOLDER), str(BUCKET), "/etc", "hot/f", str(HOT / "nothing"), str(HOT / ".." / ".." / "buckets")]:
        with wrong("`api_hot_reload` in [server], or `serve --api-hot-reload`, names; `"):
            made("g", at("hot-reload", elsewhere))
    for publish in [
        lambda: aws.publish_version(FunctionName="hot"),
        lambda: made("g", at("hot-reload", str(HOT)), Publish=True),
        lambda: aws.update_function_code(FunctionName="f", S3Bucket="hot-reload", S3Key=str(HOT), Publish=True),
    ]:
        with wrong("Code that is reloaded when it changes is not published as a version; send an archive."):
            publish()

with step("from_and_to_an_archive"):
    aws.update_function_code(FunctionName="hot", ZipFile=CODE)
    updated("hot")
    write("def lambda_handler(event, context):\n    return 'hot'\n")
    same(invoke("hot"), (None, "from a bucket"))
    same(aws.publish_version(FunctionName="hot")["Version"], "1")
    aws.update_function_code(FunctionName="hot", S3Bucket="hot-reload", S3Key=str(HOT))
    updated("hot")
    same(invoke("hot"), (None, "hot"))
    same(invoke("hot:1"), (None, "from a bucket"))
