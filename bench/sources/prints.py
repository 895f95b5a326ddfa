"""Lines without end."""


def lambda_handler(event, context):
    while True:
        print("x" * 1000)
