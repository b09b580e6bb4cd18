"""The operations on sessions, a part of EMR Serverless's handlers.

https://docs.aws.amazon.com/emr-serverless/latest/APIReference/API_StartSession.html
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from velodrome.awsapi.caller import Caller

from ..applications import Applications
from ..descriptions import created_by, moment
from ..jobs import utilization
from ..pages import created_within, page, place
from ..spark.resources import Workers
from .sessions import DEFAULT_IDLE_MINUTES, Sessions
from .store import ENDED, Session

Parameters = Mapping[str, Any]
# What a session shows as it, or its application, was asked for.
_ASKED = ("name", "configurationOverrides", "networkConfiguration")


class SessionOperations:
    """The handlers, named as boto3 names the operations; a base of EmrServerless, which sets the attributes."""

    _applications: Applications
    _sessions: Sessions

    def start_session(self, caller: Caller, parameters: Parameters) -> dict[str, Any]:
        """StartSession."""
        self._applications.owned(caller, parameters["applicationId"])
        session = self._sessions.start(caller, parameters)
        return {
            "applicationId": session.application_id,
            "sessionId": session.id,
            "arn": self._sessions.arn(session),
        }

    def get_session(self, caller: Caller, parameters: Parameters) -> dict[str, Any]:
        """GetSession."""
        self._applications.owned(caller, parameters["applicationId"])
        session = self._sessions.get(parameters["applicationId"], parameters["sessionId"])
        details = self._session_summary(session)
        details |= {name: session.request[name] for name in _ASKED if name in session.request}
        details["idleTimeoutMinutes"] = session.request.get("idleTimeoutMinutes", DEFAULT_IDLE_MINUTES)
        details["tags"] = session.tags
        if session.started_at is not None:
            details["startedAt"] = moment(session.started_at)
        if session.ended_at is not None:
            details["endedAt"] = moment(session.ended_at)
        if session.idle_since is not None:
            details["idleSince"] = moment(session.idle_since)
        if session.state in ENDED:
            details |= _used(session)
        return {"session": details}

    def get_session_endpoint(self, caller: Caller, parameters: Parameters) -> dict[str, Any]:
        """GetSessionEndpoint."""
        self._applications.owned(caller, parameters["applicationId"])
        application_id, id = parameters["applicationId"], parameters["sessionId"]
        endpoint, token, expires_at = self._sessions.endpoint(application_id, id)
        return {
            "applicationId": application_id,
            "sessionId": id,
            "endpoint": endpoint,
            "authToken": token,
            "authTokenExpiresAt": moment(expires_at),
        }

    def list_sessions(self, caller: Caller, parameters: Parameters) -> dict[str, Any]:
        """ListSessions."""
        self._applications.owned(caller, parameters["applicationId"])
        states = parameters.get("states")
        found = self._sessions.list(parameters["applicationId"], states)
        sessions = [session for session in found if created_within(moment(session.created_at), parameters)]
        shown, token = page(sessions, parameters, lambda session: place(session, states))
        return {"sessions": [self._session_summary(session) for session in shown], "nextToken": token}

    def terminate_session(self, caller: Caller, parameters: Parameters) -> dict[str, Any]:
        """TerminateSession."""
        self._applications.owned(caller, parameters["applicationId"])
        application_id, id = parameters["applicationId"], parameters["sessionId"]
        self._sessions.terminate(application_id, id)
        return {"applicationId": application_id, "sessionId": id}

    def _session_summary(self, session: Session) -> dict[str, Any]:
        return {
            "applicationId": session.application_id,
            "sessionId": session.id,
            "arn": self._sessions.arn(session),
            "name": session.request.get("name"),
            "state": session.state,
            "stateDetails": session.state_details,
            "releaseLabel": session.request["releaseLabel"],
            "executionRoleArn": session.request["executionRoleArn"],
            "createdBy": created_by(session.request, self._sessions.arn(session)),
            "createdAt": moment(session.created_at),
            "updatedAt": moment(session.updated_at),
        }


def _used(session: Session) -> dict[str, Any]:
    """How long a session ran, and with what."""
    if session.workers is None or session.started_at is None or session.ended_at is None:
        return {"totalExecutionDurationSeconds": 0}
    workers, seconds = Workers.of(session.workers), session.ended_at - session.started_at
    return {
        "totalExecutionDurationSeconds": math.ceil(seconds),
        "totalResourceUtilization": utilization.total(workers, seconds),
        "billedResourceUtilization": utilization.billed(workers, seconds),
    }
