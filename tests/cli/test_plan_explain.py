"""shrike plan explain: what it shows of the handbook's plan, as text and as JSON, and what it refuses."""

import json
import re


def explained(shrike, root, *options):
    plan = root / "examples/handbook/features.sql"
    return json.loads(shrike("plan", "explain", plan, "--json", *options, check=True).stdout)


def test_text(shrike, root):
    text = shrike("plan", "explain", root / "examples/handbook/features.sql", check=True).stdout
    assert text.startswith("transactions: 15 features, 3 of them without a window; 12 windows in 2 groups\n")
    assert re.search(r"^├─ by customer_id$", text, re.M)
    assert re.search(r"^│ +37d \.\. 7d +O\(1\) amortised +count\(\*\) +terminal_count_30d$", text, re.M)
    assert "keeps     events of the last 37d; entities go 37d after their last event" in text
    assert "is_fraud: known 7d after the event, then 0 where nobody said otherwise; 3 windows read it" in text


def test_json(shrike, root):
    answer = explained(shrike, root)
    assert [group["keys"] for group in answer["groups"]] == ["customer_id", "terminal_id"]
    customer, terminal = answer["groups"]
    assert [len(group["windows"]) for group in answer["groups"]] == [6, 6]
    assert customer["retain_us"] == 30 * 86400 * 10**6 and terminal["retain_us"] == 37 * 86400 * 10**6
    assert {window["features"][0] for window in customer["windows"]} >= {"customer_mean_30d"}
    assert [group["label_bytes"] for group in (customer, terminal)] == [0, 4]
    assert answer["late"] == [{"column": "is_fraud", "after_us": 7 * 86400 * 10**6, "default": "0",
                               "windows": 3, "nearest_us": 7 * 86400 * 10**6}]
    assert answer["estimate"]["bytes"] == customer["estimate"]["bytes"] + terminal["estimate"]["bytes"]


def test_load(shrike, root):
    options = ["--events-per-day", "1000", "--entities", "50", "terminal_id=7", "--dedupe", "2d"]
    few = explained(shrike, root, *options)
    assert [group["estimate"]["entities"] for group in few["groups"]] == [50, 7]
    assert few["groups"][0]["estimate"]["retained_events"] == 30_000
    assert few["ids"] == {"dedupe_us": 2 * 86400 * 10**6, "ids": 2000.0, "bytes_per_id": 72}
    more = explained(shrike, root, "--events-per-day", "4000", "--entities", "50")
    assert more["estimate"]["bytes"] > 2.5 * few["estimate"]["bytes"]


def test_refusals(shrike, root, tmp_path):
    plan = root / "examples/handbook/features.sql"
    result = shrike("plan", "explain", plan, "--entities", "shop=3")
    assert result.returncode == 2
    assert "no window has PARTITION BY shop; there are: customer_id; terminal_id" in result.stderr
    result = shrike("plan", "explain", plan, "--entities", "terminal_id=many")
    assert result.returncode == 2 and "'many' is not a number of entities" in result.stderr
    (tmp_path / "broken.sql").write_text("CREATE TABLE t (x INTEGER);\nSELECT y AS f FROM t")
    result = shrike("plan", "explain", tmp_path / "broken.sql")
    assert result.returncode == 3 and "broken.sql:2:8" in result.stderr


def test_the_page_shows_what_it_prints(shrike, root):
    page = (root / "docs/explain.md").read_text()
    command, shown = re.search(r"```\n\$ shrike (plan explain .*?)\n(.*?)```", page, re.S).groups()
    assert shrike(*command.split(), cwd=root, check=True).stdout == shown
