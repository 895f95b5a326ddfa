"""Functions in a VPC: what their subnets and security groups let them reach. The host's configuration is in api.rs."""

import base64
import http.server
import json
import threading

from aws import aws, careless, create, has, invalid, python, refused, request, same, step, updated, wrong

SOURCE = """
import os
import socket
import urllib.error
import urllib.request


def lambda_handler(event, context):
    if "connect" in event:
        with socket.create_connection(tuple(event["connect"]), timeout=5) as connection:
            connection.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
            return connection.recv(4).decode()
    url = event.get("url") or os.environ["AWS_ENDPOINT_URL"]
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code
"""


class Service(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"here")

    def log_message(self, *_):
        pass


service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
threading.Thread(target=service.serve_forever, daemon=True).start()
PORT = service.server_port
URL = f"http://127.0.0.1:{PORT}/"


def attach(subnets, groups, **more):
    config = {"SubnetIds": subnets, "SecurityGroupIds": groups, **more}
    told = aws.update_function_configuration(FunctionName="net", VpcConfig=config)
    updated("net")
    return told["VpcConfig"]


def call(event, qualifier="$LATEST"):
    """What the function returns, or `None` if it is refused, and its log."""
    answer = aws.invoke(FunctionName="net", Qualifier=qualifier, Payload=json.dumps(event), LogType="Tail")
    log = base64.b64decode(answer["LogResult"]).decode()
    return None if "FunctionError" in answer else json.loads(answer["Payload"].read()), log


def denied(event, why):
    result, log = call(event)
    same(result, None, "the result")
    assert f"network: {why}" in log, log


with step("a function that is attached to nothing reaches the API alone"):
    create("net", python(SOURCE))
    denied({"url": URL}, f"127.0.0.1:{PORT} is not granted")
    same(call({})[0], 403, "the API without a signature")

with step("an attached one reaches what both its subnet and its security group permit"):
    told = attach(["subnet-local"], ["sg-any"])
    same(told, {
        "SubnetIds": ["subnet-local"], "SecurityGroupIds": ["sg-any"], "VpcId": "vpc-main", "Ipv6AllowedForDualStack": False,
    })  # fmt: skip
    same(aws.get_function_configuration(FunctionName="net")["VpcConfig"], told)
    same(call({"url": URL})[0], "here")
    same(call({"url": f"http://localhost:{PORT}/"})[0], "here", "by a name")
    same(call({"connect": ["127.0.0.1", PORT]})[0], "HTTP", "by a socket")
    aws.publish_version(FunctionName="net")

with step("it does not reach the internet, whose addresses are in no block of its subnet"):
    denied({"url": "http://1.1.1.1/"}, "1.1.1.1:80 is in no CIDR block of its subnets (subnet-local), which have no NAT")
    denied({"connect": ["1.1.1.1", 53]}, "1.1.1.1:53 is in no CIDR block")

with step("metadata is refused within a block, too"):
    denied({"url": "http://169.254.169.254/latest/meta-data/"}, "169.254.169.254:80 is a cloud's metadata address")

with step("a security group without a rule for it refuses, from the next call on"):
    attach(["subnet-local"], ["sg-https"])
    refusal = f"127.0.0.1:{PORT} is permitted by no egress rule of its security groups (sg-https)"
    denied({"url": URL}, refusal)
    denied({"url": f"http://localhost:{PORT}/"}, refusal)
    denied({"connect": ["127.0.0.1", PORT]}, refusal)
    attach(["subnet-local"], ["sg-https", "sg-any"])
    same(call({"url": URL})[0], "here")

with step("a NAT leads to public addresses alone"):
    attach(["subnet-web"], ["sg-any"], Ipv6AllowedForDualStack=True)
    denied({"url": URL}, f"127.0.0.1:{PORT} is in no CIDR block of its subnets (subnet-web), and is not public")
    has(aws.get_function_configuration(FunctionName="net")["VpcConfig"], Ipv6AllowedForDualStack=True)

with step("the API is reached whatever the subnets are"):
    same(call({})[0], 403)

with step("a published version keeps what it was published with"):
    same(call({"url": URL}, "1")[0], "here")

with step("empty lists detach"):
    same(attach([], []), {"SubnetIds": [], "SecurityGroupIds": [], "VpcId": "", "Ipv6AllowedForDualStack": False})
    denied({"url": URL}, f"127.0.0.1:{PORT} is not granted")

with step("ids that are not defined, or not of one VPC, are refused"):
    with wrong("EC2 Error Code: InvalidSubnetID.NotFound. EC2 Error Message: The subnet ID 'subnet-x' does not exist"):
        attach(["subnet-x"], ["sg-any"])
    with wrong("EC2 Error Code: InvalidGroup.NotFound. EC2 Error Message: The security group 'sg-x' does not exist"):
        attach(["subnet-web"], ["sg-x"])
    with wrong("The subnets subnet-web and subnet-other belong to different VPCs"):
        attach(["subnet-web", "subnet-other"], ["sg-any"])
    with wrong("The security group sg-any and the subnet subnet-other belong to different VPCs"):
        attach(["subnet-other"], ["sg-any"])
    for subnets, groups in [(["subnet-web"], []), ([], ["sg-any"])]:
        with wrong("SubnetIds and SecurityIds must coexist or be both empty list."):
            attach(subnets, groups)
    with wrong("The subnet ID 'subnet-x' does not exist"):
        aws.create_function(**request("no", python(SOURCE), VpcConfig={"SubnetIds": ["subnet-x"], "SecurityGroupIds": ["sg-any"]}))
    with refused("ResourceNotFoundException", 404, "Function not found"):
        aws.get_function(FunctionName="no")

with step("what is no id is refused"):
    for subnets, groups, text in [
        (["net-x"], ["sg-any"], "Value '[net-x]' at 'vpcConfig.subnetIds' failed to satisfy constraint"),
        (["subnet-a"], ["sg-_"], "Value '[sg-_]' at 'vpcConfig.securityGroupIds' failed to satisfy constraint"),
        (["subnet-web"] * 17, ["sg-any"], "Member must have length less than or equal to 16"),
        (["subnet-web"], ["sg-any"] * 6, "Member must have length less than or equal to 5"),
    ]:
        with invalid(text):
            config = {"SubnetIds": subnets, "SecurityGroupIds": groups}
            careless.update_function_configuration(FunctionName="net", VpcConfig=config)
