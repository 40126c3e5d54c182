"""Checks `tenrec engine` with ClickHouse's own Python client: URL and password as arguments."""

import logging
import sys
from datetime import datetime, timezone
from urllib.parse import urlsplit

import clickhouse_connect
from clickhouse_connect.driver.exceptions import DatabaseError

ROWS = 100_000
# The client logs what this check provokes.
logging.disable()


def connect(url, password, **options):
    return clickhouse_connect.get_client(
        host=url.hostname, port=url.port, username="default", password=password, **options
    )


def check_types_and_formats(client):
    client.command("CREATE TABLE events (id UInt64, name String, at DateTime64(3, 'UTC'), tags Array(String), score Nullable(Float64)) ENGINE = MergeTree ORDER BY id")
    at = datetime(2026, 3, 4, 5, 6, 7, 89000, tzinfo=timezone.utc)
    summary = client.insert(
        "events",
        [[1, "it's\t\n\nhere", at, ["a", "b'c"], 1.5], [2, "żółć", at, [], None]],
        column_names=["id", "name", "at", "tags", "score"],
    )
    assert summary.written_rows == 2, summary.summary
    rows = client.query("SELECT * FROM events ORDER BY id").result_rows
    utc = at.replace(tzinfo=None)  # how this client gives times of a server in UTC
    assert rows == [(1, "it's\t\n\nhere", utc, ["a", "b'c"], 1.5), (2, "żółć", utc, [], None)], rows
    assert client.raw_query("SELECT id FROM events ORDER BY id", fmt="CSVWithNames") == b'"id"\n1\n2\n'
    assert client.raw_query("SELECT id FROM events ORDER BY id FORMAT JSONEachRow") == b'{"id":1}\n{"id":2}\n'
    assert b'"rows": 2' in client.raw_query("SELECT id FROM events", fmt="JSON")
    client.raw_insert("events", ["id", "name"], b'3,"c\n\nd"\n', fmt="CSV")
    assert client.query("SELECT name FROM events WHERE id = 3").first_row == ("c\n\nd",)


def check_parameters(client):
    nasty = "x' OR 1=1 -- \\ \t \n {a:String}"
    row = client.query(
        "SELECT {text:String}, {list:Array(String)}, {number:Int64}, {at:DateTime}",
        parameters={"text": nasty, "list": ["a'b", "c\\d", "e,f"], "number": -7, "at": datetime(2026, 1, 2, 3, 4, 5)},
    ).first_row
    assert row[:3] == (nasty, ["a'b", "c\\d", "e,f"], -7), row


def check_form_parameters(url, password):
    client = connect(url, password, database="clients_python", form_encode_query_params=True)
    assert client.query("SELECT {a:String} || {b:String}", parameters={"a": "1'", "b": "\r\n2"}).first_row == ("1'\r\n2",)


def check_settings_end_with_their_query(client):
    setting = "SELECT getSetting('max_threads')"
    default = client.command(setting)
    assert client.command(setting, settings={"max_threads": 7}) == 7
    assert client.command(setting) == default


def check_errors(client):
    for sql, code in [("SELECT * FROM absent", 60), ("SELECT )", 62), ("SELECT absent", 47)]:
        try:
            client.query(sql)
        except DatabaseError as error:
            assert error.code == code, error
        else:
            raise AssertionError(f"no error for {sql}")
    assert client.command("SELECT 1") == 1, "the connection is usable after an error"


def check_large(client):
    client.command("CREATE TABLE large (n UInt64, text String) ENGINE = MergeTree ORDER BY n")
    client.insert("large", [[n, "\n\n"] for n in range(ROWS)], column_names=["n", "text"])
    assert client.query("SELECT count(), sum(n), countIf(text = '\\n\\n') FROM large").first_row == (ROWS, ROWS * (ROWS - 1) // 2, ROWS)
    count = total = 0
    with client.query_row_block_stream("SELECT number, toString(number) FROM numbers(3000000)") as blocks:
        for block in blocks:
            count += len(block)
            total += sum(row[0] for row in block)
    assert (count, total) == (3_000_000, 3_000_000 * 2_999_999 // 2), (count, total)
    failed = "SELECT throwIf(number = 2000000), toString(number) FROM numbers(3000000)"
    try:
        with client.query_row_block_stream(failed) as blocks:
            for _ in blocks:
                pass
    except Exception as error:
        assert "395" in str(error) or "throwIf" in str(error), error
    else:
        raise AssertionError("a result that failed midway looked complete")


def main():
    url, password = urlsplit(sys.argv[1]), sys.argv[2]
    try:
        connect(url, "wrong")
    except DatabaseError as error:
        assert "516" in str(error) or "Authentication" in str(error), error
    else:
        raise AssertionError("a wrong password was accepted")
    with connect(url, password) as client:
        client.command("CREATE DATABASE clients_python")
        assert client.ping()
    for compress in (False, "lz4", "gzip"):
        with connect(url, password, database="clients_python", compress=compress) as client:
            check_types_and_formats(client)
            check_parameters(client)
            check_settings_end_with_their_query(client)
            check_errors(client)
            check_large(client)
            client.command("DROP TABLE events")
            client.command("DROP TABLE large")
    check_form_parameters(url, password)
    print("clickhouse-connect", clickhouse_connect.__version__, "passed")


if __name__ == "__main__":
    main()
