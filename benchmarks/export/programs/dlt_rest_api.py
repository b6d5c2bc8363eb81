"""dlt's rest_api source into its DuckDB destination, as its documentation sets an offset paginator up.

Maps are told to be JSON, and lists no tables of their own. Unasked, it makes a column of each label, and 20,000 chats
take minutes.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.export.programs.harness import KEY, Job, Outcome, main

# It is in the rivals' environment only.
dlt: Any = import_module("dlt")
rest_api: Any = import_module("dlt.sources.rest_api")

_MAPS = (
    "chat_access",
    "custom_properties",
    "flag_count_map",
    "freshdesk_metadata",
    "group_metadata",
    "hubspot_metadata",
    "label_ids",
    "latest_message",
    "latest_message_timestamp_map",
    "member_closed_at",
    "member_unread_count",
    "members",
    "snooze_metadata",
    "unread_count",
    "zohocrm_metadata",
    "zohodesk_metadata",
    "ai_metadata",
)


def _export(job: Job, _: Outcome) -> None:
    source = rest_api.rest_api_source(
        {
            "client": {
                "base_url": f"{job.base_url}/",
                "auth": {"type": "bearer", "token": KEY},
                "paginator": {"type": "offset", "limit": job.page_size, "total_path": "count"},
            },
            "resources": [
                {
                    "name": "chats",
                    "primary_key": ["chat_id", "org_phone"],
                    "max_table_nesting": 0,
                    "columns": {name: {"data_type": "json"} for name in _MAPS},
                    "endpoint": {"path": "chats", "data_selector": "chats"},
                }
            ],
        }
    )
    pipeline = dlt.pipeline(
        pipeline_name="chats",
        pipelines_dir=str(Path(job.out).with_suffix(".pipelines")),
        destination=dlt.destinations.duckdb(job.out),
        dataset_name="periskope",
    )
    pipeline.run(source).raise_on_failed_jobs()


if __name__ == "__main__":
    main(_export)
