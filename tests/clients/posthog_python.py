"""Drives posthog for Python, as it is published, against a Tenrec. Its one argument is JSON: what to do, and for whom.

`POSTHOG_CAPTURE_MODE` chooses the protocol, as it does for everybody.
"""

import json
import sys
from datetime import date, datetime, timezone
from decimal import Decimal
from uuid import UUID

from posthog import Posthog

spec = json.loads(sys.argv[1])
run = spec["run"]
failures = []


def named(name):
    return f"{run}-{name}"


def make_client(**options):
    return Posthog(
        spec["key"],
        host=spec["host"],
        flush_at=20,
        flush_interval=600,  # what is sent is sent because twenty wait, or at the end
        gzip=spec["compress"],
        capture_compression=spec.get("compression"),
        max_retries=10,
        on_error=lambda error, batch: failures.append(f"{error!r} for {len(batch)} events"),
        **options,
    )


def everything(client):
    ada = named("ada")
    at = datetime.fromtimestamp(spec["at"] / 1000, tz=timezone.utc)
    client.capture("visited", distinct_id=named("anon"), properties={"plan": "free"})
    client.alias(previous_id=ada, distinct_id=named("anon"))
    client.set(distinct_id=ada, properties={"email": f"{ada}@example.com", "level": 2})
    client.set_once(distinct_id=ada, properties={"first": "a"})
    client.set_once(distinct_id=ada, properties={"first": "b"})
    client.group_identify("company", named("acme"), {"seats": 5}, distinct_id=ada)
    client.capture(
        "paid",
        distinct_id=ada,
        uuid=spec["uuid"],
        timestamp=at,
        groups={"company": named("acme")},
        properties={
            "amount": 12.5, "whole": 3, "yes": True, "none": None, "text": "żółć 猫 \U0001f600 \"'\\", "list": [1, 2, 3],
            "nested": {"a": {"b.c": "d"}}, "$set": {"paid": True},
        },
    )
    # What JSON has no word for.
    client.capture(
        "odd",
        distinct_id=ada,
        properties={
            "nan": float("nan"), "infinite": float("inf"), "decimal": Decimal("1.25"), "day": date(2026, 1, 2),
            "moment": at, "id": UUID(spec["uuid"]), "bytes": b"abc", "huge": 2**80, "half": "\ud83d",
        },
    )
    try:
        raise ValueError("boom")
    except ValueError as error:
        client.capture_exception(error, distinct_id=ada, properties={"where": "here"})
    client.capture_ai("$ai_generation", distinct_id=ada, properties={"$ai_model": "m", "$ai_input_tokens": 7})

    assert client.get_all_flags(ada) == {}, client.get_all_flags(ada)
    assert client.get_feature_flag("absent", ada) is None
    assert not client.feature_enabled("absent", ada)
    assert not client.evaluate_flags(ada).is_enabled("absent")

    for n in range(45):
        client.capture("tick", distinct_id=ada, properties={"n": n})


def historical(client):
    """Events of long ago, as an import sends them."""
    for n in range(30):
        at = datetime(2019, 1, 1 + n, 12, tzinfo=timezone.utc)
        client.capture("imported", distinct_id=named("ada"), timestamp=at, properties={"n": n})


def late(client):
    """Nobody answers at first, and the first answer is lost."""
    for n in range(30):
        client.capture("tick", distinct_id=named("ada"), properties={"n": n})


options = {"historical_migration": True} if spec["scenario"] == "historical" else {}
client = make_client(**options)
{"everything": everything, "historical": historical, "late": late}[spec["scenario"]](client)
client.shutdown()
assert not failures, failures
