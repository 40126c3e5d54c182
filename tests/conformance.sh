#!/usr/bin/env bash
# Runs the public API's conformance cases against a server of its own, on data of its own, and prints how many hold by area.
# usage: tests/conformance.sh CASES_DIR [file or folder …]
# CASES_DIR holds conformance.py and cases/. TENREC names the binary, CONFORMANCE_SECONDS the bound (1800).
set -euo pipefail
cases_dir=$1
shift
tenrec=${TENREC:-target/debug/tenrec}
data=$(mktemp -d "${TMPDIR:-/tmp}/tenrec-conformance-XXXXXX")
chmod 755 "$data"
key=phx_conformance$(printf '0%.0s' {1..28})
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
server=
stop() {
	if [ -n "$server" ]; then
		kill "$server" 2>/dev/null || true
		wait "$server" 2>/dev/null || true
	fi
	rm -rf "$data"
}
trap stop EXIT
TENREC_DATA_DIR="$data" HOST=127.0.0.1 PORT=$port TENREC_INIT_EMAIL=conformance@example.com \
	TENREC_INIT_PASSWORD="$(head -c 18 /dev/urandom | base64)" TENREC_INIT_PERSONAL_KEY=$key \
	"$tenrec" serve >"$data/log" 2>&1 &
server=$!
for _ in $(seq 300); do
	if curl -sf "http://127.0.0.1:$port/readyz" >/dev/null; then break; fi
	if ! kill -0 "$server" 2>/dev/null; then cat "$data/log" >&2; exit 1; fi
	sleep 0.2
done
timeout "${CONFORMANCE_SECONDS:-1800}" python3 "$cases_dir/conformance.py" "http://127.0.0.1:$port" \
	--api-key "$key" "$@" >"$data/lines" || true
grep -A1 '^FAIL' "$data/lines" || true
python3 - "$data/lines" "$cases_dir" <<'PY'
import collections, json, pathlib, re, sys
areas = {p.stem: json.loads(p.read_text())["area"] for p in pathlib.Path(sys.argv[2], "cases").glob("*.json")}
lines = open(sys.argv[1], encoding="utf-8").read().splitlines()
table = collections.defaultdict(collections.Counter)
for line in lines:
    if found := re.match(r"(ok|FAIL) +([^:]+): ", line):
        table[areas.get(found[2], "?")][found[1]] += 1
table["all"] = sum(table.values(), collections.Counter())
print(f"{'area':<14}{'passed':>8}{'failed':>8}{'of':>8}")
for area, counts in sorted(table.items(), key=lambda row: (row[0] == "all", row[0])):
    print(f"{area:<14}{counts['ok']:>8}{counts['FAIL']:>8}{counts.total():>8}")
if not lines or " passed, " not in lines[-1]:
    sys.exit("the bound ended it before every case was asked")
PY
