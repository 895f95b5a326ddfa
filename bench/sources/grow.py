"""All the memory that there is."""


def lambda_handler(event, context):
    kept = []
    while True:
        kept.append(bytearray(1 << 20))
        for at in range(0, 1 << 20, 4096):
            kept[-1][at] = 1
