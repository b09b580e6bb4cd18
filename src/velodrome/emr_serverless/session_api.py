"""The operations on sessions, a part of EMR Serverless's handlers.

https://docs.aws.amazon.com/emr-serverless/latest/APIReference/API_StartSession.html
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Mapping
from typing import Any

from .pages import page
from .session_store import Session
from .sessions import DEFAULT_IDLE_MINUTES, Sessions

Parameters = Mapping[str, Any]
# What a session shows of its request as it was asked.
_ASKED = ("name", "configurationOverrides")


class SessionOperations:
    """The handlers, named as boto3 names the operations; a base of EmrServerless, which sets the attributes."""

    _sessions: Sessions
    _created_by: str

    def start_session(self, parameters: Parameters) -> dict[str, Any]:
        """StartSession."""
        session = self._sessions.start(parameters)
        return {
            "applicationId": session.application_id,
            "sessionId": session.id,
            "arn": self._sessions.arn(session),
        }

    def get_session(self, parameters: Parameters) -> dict[str, Any]:
        """GetSession."""
        session = self._sessions.get(parameters["applicationId"], parameters["sessionId"])
        details = self._session_summary(session, self._sessions.release(session.application_id))
        details |= {name: session.request[name] for name in _ASKED if name in session.request}
        details["idleTimeoutMinutes"] = session.request.get("idleTimeoutMinutes", DEFAULT_IDLE_MINUTES)
        details["tags"] = session.tags
        if session.started_at is not None:
            details["startedAt"] = _moment(session.started_at)
            details["totalExecutionDurationSeconds"] = round((session.ended_at or time.time()) - session.started_at)
        if session.ended_at is not None:
            details["endedAt"] = _moment(session.ended_at)
        if session.idle_since is not None:
            details["idleSince"] = _moment(session.idle_since)
        return {"session": details}

    def get_session_endpoint(self, parameters: Parameters) -> dict[str, Any]:
        """GetSessionEndpoint."""
        application_id, id = parameters["applicationId"], parameters["sessionId"]
        endpoint, token, expires_at = self._sessions.endpoint(application_id, id)
        return {
            "applicationId": application_id,
            "sessionId": id,
            "endpoint": endpoint,
            "authToken": token,
            "authTokenExpiresAt": _moment(expires_at),
        }

    def list_sessions(self, parameters: Parameters) -> dict[str, Any]:
        """ListSessions."""
        sessions = [one for one in self._sessions.list(parameters["applicationId"]) if _wanted(one, parameters)]
        shown, token = page(sessions, parameters, lambda session: session.id)
        release = self._sessions.release(parameters["applicationId"])
        return {"sessions": [self._session_summary(session, release) for session in shown], "nextToken": token}

    def terminate_session(self, parameters: Parameters) -> dict[str, Any]:
        """TerminateSession."""
        application_id, id = parameters["applicationId"], parameters["sessionId"]
        self._sessions.terminate(application_id, id)
        return {"applicationId": application_id, "sessionId": id}

    def _session_summary(self, session: Session, release: str) -> dict[str, Any]:
        return {
            "applicationId": session.application_id,
            "sessionId": session.id,
            "arn": self._sessions.arn(session),
            "name": session.request.get("name"),
            "state": session.state,
            "stateDetails": session.state_details,
            "releaseLabel": release,
            "executionRoleArn": session.request["executionRoleArn"],
            "createdBy": self._created_by,
            "createdAt": _moment(session.created_at),
            "updatedAt": _moment(session.updated_at),
        }


def _wanted(session: Session, parameters: Parameters) -> bool:
    created = _moment(session.created_at)
    states = parameters.get("states")
    return (
        (not states or session.state in states)
        and ("createdAtAfter" not in parameters or created >= parameters["createdAtAfter"])
        and ("createdAtBefore" not in parameters or created <= parameters["createdAtBefore"])
    )


def _moment(seconds: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)
