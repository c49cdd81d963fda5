"""Tell somebody: every failure is one line in the log, and one message to the webhook where there is one.

The webhook is Airflow's connection `deid_alert`: its host is the URL, its password, if any, a bearer token. It gets
`{"text": …}`, which Slack, Mattermost and Teams understand.
"""

import logging

import requests
from airflow.sdk import Connection, Context
from airflow.sdk.exceptions import AirflowNotFoundException

CONNECTION = "deid_alert"
_SECONDS = 10

log = logging.getLogger(__name__)


def alert(context: Context) -> None:
    """Failure callback of a task: its last try has failed."""
    task = context["ti"]
    reason = str(context.get("exception") or "no reason given")
    text = f"{task.dag_id} {context.get('ds', task.run_id)}: {task.task_id} failed: {reason}"
    log.error("ALERT %s", text)
    try:
        hook = Connection.get(CONNECTION)
    except AirflowNotFoundException:
        return
    headers = {"Authorization": f"Bearer {hook.password}"} if hook.password else {}
    requests.post(hook.host, json={"text": text}, headers=headers, timeout=_SECONDS).raise_for_status()
