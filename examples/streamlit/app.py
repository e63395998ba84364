"""A board of one's own over hxp: streamlit run app.py -- --data-dir ./data

What is live comes from the stream, hours from SQL, single requests from the lake."""
import argparse
import datetime
import pathlib

import plotly.express as px
import streamlit as st

import hxp

parser = argparse.ArgumentParser()
parser.add_argument("--stream", default="http://127.0.0.1:9102", help="data-streaming-api")
parser.add_argument("--data-dir", default="./data", help="data folder of hxp, for its database and its lake")
args = parser.parse_args()
data = pathlib.Path(args.data_dir)

st.set_page_config(page_title="hxp", layout="wide")
st.title("What the models do")


@st.fragment(run_every=2)
def now():
    """The last minutes, again every two seconds."""
    try:
        state = hxp.live(args.stream)
    except OSError as e:
        st.error(f"The stream at {args.stream} does not answer: {e}")
        return
    rates, overall = state["rates"], state["overall"]
    error_rate, p95 = overall.get("error_rate"), (overall.get("latency_ms") or {}).get("p95")
    shown = [("Requests a second", f"{rates['requests_per_second']:.1f}"), ("Errors", "–" if error_rate is None else f"{error_rate:.2%}"),
             ("Latency p95", "–" if p95 is None else f"{p95:,.0f} ms"), ("Tokens a second", f"{rates['prompt_tokens_per_second'] + rates['completion_tokens_per_second']:,.0f}")]
    for column, (name, value) in zip(st.columns(len(shown)), shown):
        column.metric(name, value)
    st.dataframe(hxp.models(state), hide_index=True)


def past(days):
    """Cost and requests by hour, from SQL."""
    since = (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
    table = hxp.hours(data / "hxp.db", since)
    by_model = table[table["model"] != "_all"]
    if by_model.empty:
        st.info("No hour is aggregated yet.")
        return
    left, right = st.columns(2)
    left.plotly_chart(px.bar(by_model, x="timestamp", y="cost_usd", color="model", title="Cost by hour, USD"))
    right.plotly_chart(px.line(by_model, x="timestamp", y="latency_p95_ms", color="model", title="Latency p95 by hour, ms"))


def raw():
    """How long single requests took, from Parquet."""
    requests = hxp.lake(data / "lake")
    good = requests[requests["success"] == True]  # noqa: E712  a nullable column
    if good.empty:
        st.info("No request lies in the lake yet.")
        return
    st.plotly_chart(px.histogram(good, x="duration_ms", color="model", nbins=80, title=f"Latency of {len(good):,} requests, ms"))


now()
past(st.slider("Days", 1, 30, 7))
raw()
