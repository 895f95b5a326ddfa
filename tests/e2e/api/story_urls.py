"""The configuration of function URLs, and of recursion."""

from aws import GONE, arn, aws, conflict, create, has, invalid, matches, missing, python, same, status_of, step

create("f", python("def lambda_handler(event, context):\n    return 1\n"))
aws.publish_version(FunctionName="f")
aws.create_alias(FunctionName="f", Name="live", FunctionVersion="1")
URL = r"https?://[a-z0-9]{32}\.lambda-url\.us-east-1\.[a-z0-9.:-]+/"
CORS = {
    "AllowCredentials": True, "AllowHeaders": ["x-fruit"], "AllowMethods": ["GET", "POST"], "AllowOrigins": ["https://www.example.com"],
    "ExposeHeaders": ["x-count"], "MaxAge": 86_400,
}  # fmt: skip

with step("no_url"):
    for call in [aws.get_function_url_config, aws.delete_function_url_config]:
        with missing(GONE):
            call(FunctionName="f")
    with missing(GONE):
        aws.update_function_url_config(FunctionName="f", AuthType="NONE")
    same(aws.list_function_url_configs(FunctionName="f")["FunctionUrlConfigs"], [])

with step("create"):
    url = aws.create_function_url_config(FunctionName="f", AuthType="NONE")
    same(status_of(url), 201)
    has(url, FunctionArn=arn("f"), AuthType="NONE", InvokeMode="BUFFERED")
    matches(URL, url["FunctionUrl"])
    assert "Cors" not in url, url
    has(aws.get_function_url_config(FunctionName="f"), FunctionUrl=url["FunctionUrl"], AuthType="NONE", CreationTime=url["CreationTime"])

with step("create_twice"):
    with conflict(f"Failed to create function url config for [functionArn = {arn('f')}]. "
                  "Error message:  FunctionUrlConfig exists for this Lambda function"):  # fmt: skip
        aws.create_function_url_config(FunctionName="f", AuthType="AWS_IAM")

with step("of_an_alias"):
    alias = aws.create_function_url_config(FunctionName="f", Qualifier="live", AuthType="AWS_IAM", Cors=CORS, InvokeMode="RESPONSE_STREAM")
    has(alias, FunctionArn=arn("f", "live"), AuthType="AWS_IAM", Cors=CORS, InvokeMode="RESPONSE_STREAM")
    assert alias["FunctionUrl"] != url["FunctionUrl"]
    same({listed["FunctionArn"] for listed in aws.list_function_url_configs(FunctionName="f")["FunctionUrlConfigs"]},
         {arn("f"), arn("f", "live")})  # fmt: skip

with step("update"):
    changed = aws.update_function_url_config(FunctionName="f", AuthType="AWS_IAM", Cors={"AllowOrigins": ["*"]})
    same(status_of(changed), 200)
    has(changed, FunctionUrl=url["FunctionUrl"], AuthType="AWS_IAM", Cors={"AllowOrigins": ["*"]}, InvokeMode="BUFFERED")
    same(aws.get_function_url_config(FunctionName="f", Qualifier="live")["Cors"], CORS)

with step("urls_that_cannot_be"):
    with invalid("at 'qualifier' failed to satisfy constraint: Member must satisfy regular expression pattern: "):
        aws.create_function_url_config(FunctionName="f", Qualifier="1", AuthType="NONE")
    with invalid(r"Value '$LATEST' at 'qualifier' failed to satisfy constraint: "
                 r"Member must satisfy regular expression pattern: ((?!^\d+$)^[0-9a-zA-Z-_]+$)"):  # fmt: skip
        aws.create_function_url_config(FunctionName="f", Qualifier="$LATEST", AuthType="NONE")
    with invalid("Value 'SOMEBODY' at 'authType' failed to satisfy constraint: Member must satisfy enum value set: ["):
        aws.create_function_url_config(FunctionName="f", AuthType="SOMEBODY")
    with invalid("at 'cors.maxAge' failed to satisfy constraint: Member must have value less than or equal to 86400"):
        aws.update_function_url_config(FunctionName="f", Cors={"MaxAge": 86_401})
    with missing("Function does not exist"):
        aws.create_function_url_config(FunctionName="nobody", AuthType="NONE")
    with missing("Function does not exist"):
        aws.create_function_url_config(FunctionName="f", Qualifier="nowhere", AuthType="NONE")
    with missing(GONE):
        aws.get_function_url_config(FunctionName="nobody")

with step("delete"):
    same(status_of(aws.delete_function_url_config(FunctionName="f")), 204)
    with missing(GONE):
        aws.get_function_url_config(FunctionName="f")
    same(aws.get_function_url_config(FunctionName="f", Qualifier="live")["FunctionUrl"], alias["FunctionUrl"])
    again = aws.create_function_url_config(FunctionName="f", AuthType="NONE")
    assert again["FunctionUrl"] != alias["FunctionUrl"], again

with step("recursion"):
    same(aws.get_function_recursion_config(FunctionName="f")["RecursiveLoop"], "Terminate")
    answer = aws.put_function_recursion_config(FunctionName="f", RecursiveLoop="Allow")
    same((status_of(answer), answer["RecursiveLoop"]), (200, "Allow"))
    same(aws.get_function_recursion_config(FunctionName="f")["RecursiveLoop"], "Allow")
    with invalid("Value 'Sometimes' at 'recursiveLoop' failed to satisfy constraint: Member must satisfy enum value set: ["):
        aws.put_function_recursion_config(FunctionName="f", RecursiveLoop="Sometimes")
    for call, more in [(aws.get_function_recursion_config, {}), (aws.put_function_recursion_config, {"RecursiveLoop": "Allow"})]:
        with missing(f"Function not found: {arn('nobody')}"):
            call(FunctionName="nobody", **more)
