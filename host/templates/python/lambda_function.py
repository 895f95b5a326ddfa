"""A function, as a Lambda function in Python: it answers the requests of a site.

Code out here runs once, at deployment; each instance begins with what it has left.
"""

import json


def lambda_handler(event, context):
    path = event.get("rawPath", "/")
    if path == "/hello":
        return {"statusCode": 200, "headers": {"content-type": "text/plain"}, "body": "hello from {{name}}\n"}
    return {
        "statusCode": 404,
        "headers": {"content-type": "application/json"},
        "body": json.dumps({"path": path, "requestId": context.aws_request_id}),
    }
