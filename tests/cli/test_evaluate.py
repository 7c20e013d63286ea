"""shrike evaluate: the protocol against a slow definition, thresholds, the report, the published figures."""

import html.parser
import json
import math

import pytest

duckdb = pytest.importorskip("duckdb", reason="scores are read with duckdb")
metrics = pytest.importorskip("sklearn.metrics", reason="figures are compared with scikit-learn's")

TRAIN, TEST = "2018-05-10..2018-05-20", "2018-05-27..2018-05-31"
PROTOCOL = ["--test", TEST, "--delay", "7d", "--entity", "customer_id", "--top-k", "20"]


@pytest.fixture(scope="module")
def fraud(binary, root, tmp_path_factory):
    """A function that runs the program in a folder with payments and a model version fraud/1."""
    import subprocess

    from surroundings import clean_environment

    folder = tmp_path_factory.mktemp("fraud")

    def run(*arguments, status=0, input=None):
        result = subprocess.run(
            [str(binary), *map(str, arguments)],
            cwd=folder,
            env=clean_environment(),
            input=input,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert result.returncode == status, f"{arguments}: {result.returncode}\n{result.stderr}"
        return result

    run(
        "generate",
        "--customers",
        600,
        "--terminals",
        1200,
        "--days",
        60,
        "--seed",
        3,
        "--out",
        "payments.parquet",
    )
    run(
        "train",
        "--name",
        "fraud",
        "--plan",
        root / "examples/handbook/features.sql",
        "--in",
        "payments.parquet",
        "--label",
        "is_fraud",
        "--train",
        TRAIN,
        "--delay",
        "7d",
        "--rounds",
        15,
        "--param",
        "max_depth=4",
        "eta=0.3",
        "--threads",
        1,
    )
    run.folder = folder
    return run


def evaluate(run, *arguments):
    return json.loads(
        run("evaluate", "models:/fraud/1", "--in", "payments.parquet", *arguments, "--json").stdout
    )


@pytest.fixture(scope="module")
def scored(fraud):
    """Every payment with its score, from `shrike score`."""
    fraud(
        "score", "models:/fraud/1", "--in", "payments.parquet", "--out", "scores.parquet", "--keep", "tx_id"
    )
    return duckdb.sql(f"""
        SELECT p.tx_id, p.customer_id, p.amount, p.is_fraud, s.score,
               date_diff('day', DATE '2018-05-10', p.ts::DATE) AS day
        FROM '{fraud.folder}/payments.parquet' p JOIN '{fraud.folder}/scores.parquet' s USING (tx_id)
        ORDER BY p.tx_id""").df()


def slow_protocol(rows, first=17, last=20, delay=7, k=20):
    """Remaining test rows and precision@k per day, by the protocol's words. Training begins on day 0."""
    import pandas

    kept, precisions, found = [], [], set()
    for day in range(first, last + 1):
        known = set(rows[(rows.is_fraud == 1) & (rows.day >= 0) & (rows.day <= day - delay - 1)].customer_id)
        today = rows[(rows.day == day) & ~rows.customer_id.isin(known)]
        kept.append(today)
        cards = today[~today.customer_id.isin(found)].groupby("customer_id")[["score", "is_fraud"]].max()
        top = cards.sort_values("score", ascending=False, kind="stable").head(k)
        hits = set(top[top.is_fraud == 1].index)
        precisions.append(len(hits) / k)
        found |= hits
    return pandas.concat(kept), precisions


def test_protocol(fraud, scored):
    answer = evaluate(fraud, *PROTOCOL)
    rows, precisions = slow_protocol(scored)
    assert answer["rows"] == len(rows) and answer["frauds"] == rows.is_fraud.sum() > 20
    assert answer["known"]["rows"] == ((scored.day >= 17) & (scored.day <= 20)).sum() - len(rows) > 500
    figures = answer["metrics"]
    assert figures["auc"] == pytest.approx(metrics.roc_auc_score(rows.is_fraud, rows.score), abs=1e-12)
    assert figures["average_precision"] == pytest.approx(
        metrics.average_precision_score(rows.is_fraud, rows.score), abs=1e-12
    )
    assert figures["brier"] == pytest.approx(
        ((rows.score.astype(float) - rows.is_fraud) ** 2).mean(), abs=1e-12
    )
    assert figures["log_loss"] == pytest.approx(
        metrics.log_loss(rows.is_fraud, rows.score.astype(float)), abs=1e-9
    )
    # Equal scores at the edge of the k may go either way in the slow definition: a card a day at most.
    assert figures["precision_at_k"] == pytest.approx(sum(precisions) / 4, abs=1 / 20)
    assert [day["day"] for day in answer["days"]] == [f"2018-05-{d}" for d in range(27, 31)]
    assert sum(day["found"] for day in answer["days"]) == figures["found"] <= figures["compromised"]
    assert answer["model"]["training"] == TRAIN and answer["protocol"]["labels"] == "assumed on time"


def test_known_cases(fraud, scored):
    test = scored[(scored.day >= 17) & (scored.day <= 20)]
    for arguments in (["--keep-known", *PROTOCOL], PROTOCOL[:4]):
        answer = evaluate(fraud, *arguments)
        assert answer["rows"] == len(test) and answer["known"]["rows"] == 0
        assert not answer["protocol"]["known_removed"]
    assert answer["metrics"]["precision_at_k"] is None
    later = evaluate(fraud, *PROTOCOL, "--train-start", "2018-05-18")
    assert evaluate(fraud, *PROTOCOL)["known"]["rows"] > later["known"]["rows"] > 0
    # With no delay at all, everything up to yesterday is known.
    prompt = evaluate(fraud, *PROTOCOL[:2], "--delay", "0", *PROTOCOL[4:])
    assert prompt["rows"] == len(slow_protocol(scored, delay=0)[0])


def test_thresholds(fraud, scored):
    rows, _ = slow_protocol(scored)
    answer = evaluate(
        fraud,
        *PROTOCOL,
        "--threshold",
        0.25,
        "--precision",
        0.8,
        "--alerts-per-day",
        5,
        "--alert-share",
        0.01,
        "--cost-false-alarm",
        3,
        "--cost-missed",
        2,
        "--amount",
        "amount",
    )
    given, precise, budget, share, cheapest = answer["thresholds"][:5]
    assert answer["chosen"] == 0 and given["name"] == "given" and not given["chosen_on_test"]
    alert = rows.score >= 0.25
    assert given["caught"] == (alert & (rows.is_fraud == 1)).sum()
    assert given["false_alarms"] == (alert & (rows.is_fraud == 0)).sum()
    assert given["caught"] + given["missed"] == answer["frauds"]
    missed = rows[~alert & (rows.is_fraud == 1)]
    assert given["cost"] == pytest.approx(
        3 * given["false_alarms"] + 2 * len(missed) + missed.amount.sum(), abs=1e-6
    )
    assert given["amount_caught"] == pytest.approx(rows[alert & (rows.is_fraud == 1)].amount.sum(), abs=1e-6)
    assert precise["precision"] >= 0.8 and precise["chosen_on_test"]
    assert budget["alerts"] <= 20 and share["alerts"] <= 0.01 * len(rows)
    # One distinct score lower breaks the promise.
    for row, broken in ((precise, lambda a: rows[a].is_fraud.mean() < 0.8), (budget, lambda a: a.sum() > 20)):
        assert broken(rows.score >= rows.score[rows.score < row["threshold"]].max())
    assert all(
        cheapest["cost"] <= row["cost"] for row in answer["thresholds"] if row["threshold"] is not None
    )
    best = max(
        metrics.f1_score(rows.is_fraud, rows.score >= t) for t in rows.score[rows.score > 0.05].unique()
    )
    assert {row["name"]: row for row in answer["thresholds"]}["best F1"]["f1"] == pytest.approx(
        best, abs=1e-12
    )


def test_text(fraud):
    text = fraud("evaluate", "models:/fraud/1", "--in", "payments.parquet", *PROTOCOL).stdout
    figures = evaluate(fraud, *PROTOCOL)["metrics"]
    assert (
        "labels assumed on time" in text
        and "fraud version 1 (forest)" in text
        and "known cases removed" in text
    )
    lines = {line[2:21].strip(): line[21:].split() for line in text.splitlines() if line.startswith("  ")}
    assert lines["AUC ROC"][0] == f"{figures['auc']:.3f}"
    assert lines["average precision"][0] == f"{figures['average_precision']:.3f}"
    assert lines["precision@20"][0] == f"{figures['precision_at_k']:.3f}"
    assert max(map(len, text.splitlines())) <= 140


class Page(html.parser.HTMLParser):
    """Checks that tags close in order, and collects ids of outside things."""

    VOID = {"meta", "br", "img", "input", "link"}

    def __init__(self):
        super().__init__()
        self.open, self.outside, self.text = [], [], []

    def handle_starttag(self, tag, attributes):
        self.outside += [value for name, value in attributes if name in ("src", "href", "srcset", "action")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_report(fraud):
    fraud(
        "evaluate",
        "models:/fraud/1",
        "--in",
        "payments.parquet",
        *PROTOCOL,
        "--report",
        "report.html",
        "--cost-false-alarm",
        1,
        "--cost-missed",
        10,
    )
    content = (fraud.folder / "report.html").read_text()
    page = Page()
    page.feed(content)
    page.close()
    text = " ".join(page.text)
    assert page.open == [] and page.outside == [] and "<script" not in content and "url(" not in content
    figures = evaluate(fraud, *PROTOCOL)
    for value in (
        f"{figures['metrics']['auc']:.3f}",
        f"{figures['metrics']['average_precision']:.3f}",
        figures["data"]["fingerprint"],
        figures["model"]["plan_hash"],
        TRAIN,
        "terminal_risk_7d",
        "2018-05-28",
        "labels assumed on time",
    ):
        assert value in text
    assert content.count("<figure") == 5 and "nan" not in content


def test_drivers(fraud):
    drivers = evaluate(fraud, *PROTOCOL)["drivers"]
    weights = [driver["mean_absolute_contribution"] for driver in drivers]
    assert len(drivers) == 15 and weights == sorted(weights, reverse=True) and weights[0] > 0
    assert drivers[0]["gain"] > 0


@pytest.mark.parametrize(
    "arguments, status, message",
    [
        (["--test", "2019-01-01..2019-01-02"], 3, "no row lies in the test span"),
        (["--test", "2018-05-27"], 2, "--test"),
        (["--test", TEST, "--delay", "7"], 2, "--delay"),
        (["--test", TEST, "--entity", "nobody"], 3, "nobody"),
        (["--test", TEST, "--amount", "nothing"], 2, "--amount nothing"),
        (["--test", TEST, "--label", "nothing"], 3, "nothing"),
        (["--test", TEST, "--cost-false-alarm", "1"], 2, "--cost-missed"),
        (["--test", TEST, "--cost-missed", "1"], 2, "--cost-false-alarm"),
        (["--test", TEST, "--precision", "1.5"], 2, "precision"),
        (["--test", TEST, "--report", "nowhere/report.html"], 5, "nowhere"),
        (["--test", TEST, "--report", "report.pdf"], 2, "its name must end in .html"),
        (["--test", TEST, "--report", "report"], 2, "its name must end in .html"),
        ([], 2, "--test"),
    ],
)
def test_refused(fraud, arguments, status, message):
    result = fraud("evaluate", "models:/fraud/1", "--in", "payments.parquet", *arguments, status=status)
    assert message in result.stderr and result.stdout == ""
    assert not (fraud.folder / "nowhere").exists()


def test_missing(fraud):
    assert (
        "absent.parquet"
        in fraud("evaluate", "models:/fraud/1", "--in", "absent.parquet", "--test", TEST, status=5).stderr
    )
    assert (
        "fraud"
        in fraud("evaluate", "models:/fraud/9", "--in", "payments.parquet", "--test", TEST, status=5).stderr
    )


def test_steps(fraud):
    """Time as integer steps: spans and delays are steps, and so are the days."""
    duckdb.sql(
        f"""COPY (SELECT i AS id, i // 20 AS step, hash(i) % 40 AS card, a AS amount, (a > 97)::TINYINT AS bad
                   FROM (SELECT i, (hash(i + 9) % 1000 / 10.0)::DOUBLE AS a FROM range(6000) t(i)) ORDER BY i)
                   TO '{fraud.folder}/steps.parquet' (FORMAT parquet)"""
    )
    (fraud.folder / "steps.sql").write_text("""
        CREATE TABLE steps (id BIGINT PRIMARY KEY, step INTEGER, card INTEGER, amount DOUBLE,
                            bad TINYINT DEFAULT 0);
        SELECT amount, count(*) OVER (PARTITION BY card ORDER BY step
                                      RANGE BETWEEN 10 PRECEDING AND CURRENT ROW) AS n
        FROM steps;""")
    fraud(
        "train",
        "--name",
        "steps",
        "--plan",
        "steps.sql",
        "--in",
        "steps.parquet",
        "--label",
        "bad",
        "--train",
        "20..200",
        "--delay",
        "5",
        "--rounds",
        5,
        "--threads",
        1,
    )
    answer = json.loads(
        fraud(
            "evaluate",
            "models:/steps/1",
            "--in",
            "steps.parquet",
            "--label",
            "bad",
            "--test",
            "210..220",
            "--delay",
            "5",
            "--entity",
            "card",
            "--top-k",
            "1",
            "--json",
        ).stdout
    )
    rows = duckdb.sql(
        f"""
        WITH s AS (SELECT * FROM '{fraud.folder}/steps.parquet')
        SELECT count(*) FROM s WHERE step BETWEEN 210 AND 219
        AND NOT EXISTS (FROM s k WHERE k.card = s.card AND k.bad = 1 AND k.step BETWEEN 20 AND s.step - 6)"""
    ).fetchone()[0]
    assert answer["rows"] == rows and answer["known"]["rows"] == 200 - rows > 0
    assert [day["day"] for day in answer["days"]] == [str(step) for step in range(210, 220)]
    assert answer["protocol"]["delay"] == 5 and answer["model"]["training"] == "20..200"
    fraud("evaluate", "models:/steps/1", "--in", "steps.parquet", "--label", "bad", "--test", TEST, status=2)


def test_reasons_only_from_a_score(fraud):
    def run(*arguments):
        fraud("run", "models:/fraud/1", "--source", "payments.parquet", "--sink", "out.jsonl", *arguments)
        return [json.loads(line) for line in (fraud.folder / "out.jsonl").read_text().splitlines()]

    some, everything = run("--explain", 2, "--explain-from", 0.5), run("--explain", 2)
    assert 0 < sum(row["score"] >= 0.5 for row in some) < len(some)
    for one, other in zip(some, everything, strict=True):
        assert one["reasons"] == (other["reasons"] if other["score"] >= 0.5 else [])
        assert one["score"] == other["score"] and one["decision"] == other["decision"]


@pytest.mark.parametrize(
    "name, arguments, published, tolerance",
    [
        (
            "xgboost",
            ["--rounds", 100, "--param", "max_depth=6", "eta=0.3", "tree_method=exact", "base_score=0.5"],
            (0.862, 0.639, 0.273),
            0,
        ),
        ("linear", ["--model", "linear"], (0.870, 0.605, 0.291), 0.003),
    ],
)
def test_published_figures(shrike, root, data, name, arguments, published, tolerance):
    """The Fraud Detection Handbook's figures, to the digit that is printed."""
    payments = data / "data/handbook/transactions.parquet"
    if not payments.exists():
        pytest.skip(f"the published payments are absent: no {payments}")
    shrike(
        "train",
        "--name",
        name,
        "--plan",
        root / "examples/handbook/published.sql",
        "--in",
        payments,
        "--label",
        "is_fraud",
        "--train",
        "2018-07-25..2018-08-01",
        "--delay",
        "7d",
        *arguments,
        check=True,
    )
    result = shrike(
        "evaluate",
        f"models:/{name}/1",
        "--in",
        payments,
        "--test",
        "2018-08-08..2018-08-15",
        "--delay",
        "7d",
        "--entity",
        "customer_id",
        "--top-k",
        100,
        "--json",
        check=True,
    )
    answer = json.loads(result.stdout)
    assert (answer["rows"], answer["frauds"]) == (58264, 385)
    figures = [answer["metrics"][key] for key in ("auc", "average_precision", "precision_at_k")]
    for figure, expected in zip(figures, published):
        assert math.isclose(round(figure, 3), expected, abs_tol=tolerance + 1e-9)


def test_a_span_that_the_model_was_trained_on_is_pointed_at(fraud):
    words = ["evaluate", "models:/fraud/1", "--in", "payments.parquet"]
    said = fraud(*words, "--test", "2018-05-19..2018-05-22").stderr
    assert "overlaps the span that the model was trained on (2018-05-10" in said
    assert "overlaps" not in fraud(*words, "--test", "2018-05-20..2018-05-22").stderr
