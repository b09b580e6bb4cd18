"""Which statements read what happened: before them, the gateway writes what it has kept so far.

The views themselves are files of the catalog (40 to 49); those that are nowhere are refused by name.
https://docs.aws.amazon.com/redshift/latest/dg/cm_chap_system-tables.html
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from velodrome.redshift.sql import refuse
from velodrome.redshift.sql.tokens import QUOTED, WORD, Token, vocabulary

# STL_, STV_, SVL_, SVCS_, SYS_ and the rest; a name too much costs one write of a file.
_NAMES = re.compile(
    r"\b(?:stl|stv|svl|svcs|sys)_\w|\bsvv_(?:transactions|query_\w+)\b|\bpg_last_(?:query|copy|unload)_\w",
    re.IGNORECASE,
)

# Views of steps, plans, alerts, hardware, clusters and data sharing that Redshift has.
NOT_HERE = vocabulary(
    """
    stl_aggr stl_bcast stl_commit_stats stl_disk_full_diag stl_dist stl_event_trace stl_explain
    stl_hash stl_hashjoin stl_limit stl_merge stl_mergejoin stl_mv_state stl_nestloop stl_parse stl_plan_info
    stl_project stl_query_metrics stl_replacements stl_return stl_s3client stl_s3client_error
    stl_save stl_scan stl_sort stl_sshclient_error stl_stream_segs stl_unique stl_unload_log stl_usage_control
    stl_warning stl_window stl_wlm_error stl_wlm_rule_action
    stv_active_cursors stv_cursor_configuration stv_db_isolation_level stv_exec_state stv_load_state stv_query_metrics
    stv_startup_recovery_state stv_tbl_trans stv_wlm_qmr_config stv_wlm_classification_config
    stv_wlm_query_task_state
    svl_auto_worker_action svl_compile svl_federated_query svl_multi_statement_violations svl_query_metrics
    svl_query_metrics_summary svl_query_queue_info svl_query_report svl_restore_alter_table_progress svl_s3catalog
    svl_s3list svl_s3log svl_s3partition svl_s3query svl_s3query_summary svl_s3retries svl_s3partition_summary
    svl_spatial_simplify svl_stored_proc_messages svl_terminate svl_udf_log svl_vacuum_percentage
    svcs_alert_event_log svcs_compile svcs_concurrency_scaling_usage svcs_explain svcs_plan_info svcs_query_summary
    svcs_s3list svcs_s3log svcs_s3partition_summary svcs_s3query_summary svcs_stream_segs svcs_unload_log
    sys_applied_masking_policy_log sys_auto_table_optimization sys_automatic_optimization sys_child_query_text
    sys_copy_job sys_copy_job_detail sys_copy_job_info sys_copy_replacements sys_external_query_detail
    sys_external_query_error sys_mv_state sys_procedure_messages sys_query_explain sys_restore_log sys_restore_state
    sys_schema_quota_violations sys_spatial_simplify sys_stream_scan_errors sys_stream_scan_states sys_udf_log
    """
)


def reads_history(sql: str) -> bool:
    """Whether a statement's text names one of them."""
    return _NAMES.search(sql) is not None


def missing(sql: str, tokens: Sequence[Token]) -> None:
    """Refuses a statement for a view that this warehouse lacks."""
    for token in tokens:
        if token.kind in (WORD, QUOTED) and token.value in NOT_HERE:
            raise refuse.not_here(sql, token, f"system view {token.value.upper()}")
