"""Adds up an order, and gives the discounts that its customer has.

Lambda's console would call the handler `order_total.lambda_handler`.
"""

import json
import logging
import os
from decimal import ROUND_HALF_UP, Decimal

logger = logging.getLogger()
logger.setLevel(os.environ.get("LOG_LEVEL", "INFO"))

# Read once, at deployment.
DISCOUNTS = {name: Decimal(percent) for name, percent in json.loads(os.environ.get("DISCOUNTS", '{"member": "5"}')).items()}
CENT = Decimal("0.01")


class InvalidOrder(Exception):
    pass


def lambda_handler(event, context):
    items = event.get("items")
    if not isinstance(items, list) or not items:
        raise InvalidOrder("an order has items")
    total = sum((Decimal(str(item["price"])) * int(item.get("quantity", 1)) for item in items), Decimal(0))
    percent = DISCOUNTS.get(event.get("customer"), Decimal(0))
    total = (total * (100 - percent) / 100).quantize(CENT, ROUND_HALF_UP)
    logger.info("%d items, %s %% off", len(items), percent)
    return {"total": str(total), "currency": event.get("currency", "EUR")}
