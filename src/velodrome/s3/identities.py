"""Who calls, told to LocalStack and moto: the account of the key that signed, and temporary keys that prove themselves.

LocalStack takes the account from the letters of an access key's id, and moto gives temporary keys that nobody could
verify after a restart.
"""

# mypy: disable-error-code="import-not-found, import-untyped, misc, no-any-return"

from __future__ import annotations

import datetime
import threading
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

from localstack.aws.handlers import auth
from localstack.services.iam import provider as iam
from localstack.services.s3 import presigned_url
from localstack.utils.aws import request_context
from moto.core.responses import ActionResult
from moto.iam.models import AccessKey, iam_backends
from moto.sts.models import AssumedRole, STSBackend
from moto.sts.responses import TokenResponse

from velodrome.awsapi.keys import Key, Keys
from velodrome.s3.front.application import KEY, Application
from velodrome.s3.validation import refused

# https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html
_BEGUN = datetime.datetime.now(datetime.UTC)  # since when the profile's own user is told to be there
_LONGEST, _DEFAULT = 129600, 43200  # seconds
# https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html#iam-term-role-chaining
_CHAINED = 3600
_CHAIN = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"


class Identities:
    """The key of the request that a thread is answering."""

    def __init__(self) -> None:
        self._of_thread = threading.local()

    def around(self, gateway: Application) -> Application:
        """The application that tells the gateway's thread who calls."""

        def call(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
            self._of_thread.key = environ.get(KEY)
            return gateway(environ, start_response)

        return call

    def install(self, keys: Keys) -> None:
        """Make LocalStack and moto ask here."""

        def account(_: str) -> str:
            return self._key(keys).account

        for module in (auth, presigned_url, request_context):
            module.get_account_id_from_access_key_id = account

        def whoami(_: Any, access_key_id: str, region: str) -> tuple[str, str, str]:
            key = self._key(keys)
            return key.user_id, key.arn, key.account

        STSBackend.get_caller_identity = whoami

        def clients(**_: Any) -> SimpleNamespace:
            """GetUser without a name asks STS who calls, which nobody signs for: the key is known here."""
            identity = {"Arn": self._key(keys).arn}
            return SimpleNamespace(sts=SimpleNamespace(get_caller_identity=lambda: identity))

        iam.connect_to = clients
        user_of = iam.IamProvider.get_user

        def get_user(provider: Any, context: Any, user_name: str | None = None, **more: Any) -> Any:
            own, key = keys.own, self._key(keys)
            own_name = own.arn.rpartition("/")[2]
            if user_name != own_name if user_name else key.arn != own.arn:
                return user_of(provider, context, user_name=user_name, **more)
            known = {"UserName": own_name, "UserId": own.user_id, "Arn": own.arn}
            return {"User": {"Path": "/", "CreateDate": _BEGUN, **known}}

        iam.IamProvider.get_user = get_user

        def assume_role(
            _: Any,
            region_name: str,
            role_session_name: str,
            role_arn: str,
            policy: str,
            duration: int,
            external_id: str,
        ) -> AssumedRole:
            if ":assumed-role/" in self._key(keys).arn and duration > _CHAINED:
                raise refused(_CHAIN)
            of = role_arn.split(":")[4]
            role = AssumedRole(
                of, region_name, AccessKey(None, "ASIA", of), role_session_name, role_arn, policy, duration, external_id
            )
            secret, token = keys.temporary(role.access_key_id, role.arn, role.user_id, _utc(role.expiration))
            role.secret_access_key, role.session_token = secret, token
            return role

        STSBackend.assume_role = assume_role

        def credentials(response: Any, arn: str, user_id: str) -> dict[str, Any]:
            seconds = min(response._get_int_param("DurationSeconds", _DEFAULT), _LONGEST)
            ends = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
            id = AccessKey(None, "ASIA", self._key(keys).account).access_key_id
            secret, token = keys.temporary(id, arn, user_id, ends)
            return {"AccessKeyId": id, "SecretAccessKey": secret, "SessionToken": token, "Expiration": ends}

        def get_session_token(response: Any) -> ActionResult:
            key = self._own_key(keys, "GetSessionToken")
            return ActionResult({"Credentials": credentials(response, key.arn, key.user_id)})

        def get_federation_token(response: Any) -> ActionResult:
            account_id, name = self._own_key(keys, "GetFederationToken").account, response._get_param("Name")
            arn, id = f"arn:aws:sts::{account_id}:federated-user/{name}", f"{account_id}:{name}"
            user = {"FederatedUserId": id, "Arn": arn}
            return ActionResult({"Credentials": credentials(response, arn, id), "FederatedUser": user})

        TokenResponse.get_session_token = get_session_token
        TokenResponse.get_federation_token = get_federation_token

    def _own_key(self, keys: Keys, operation: str) -> Key:
        """The key of who calls, which is not one of a session."""
        if (key := self._key(keys)).id.startswith("ASIA"):
            raise refused(f"Cannot call {operation} with session credentials", "AccessDenied", 403)
        return key

    def _key(self, keys: Keys) -> Key:
        return getattr(self._of_thread, "key", None) or keys.own


def users_key(id: str) -> Key | None:
    """The active access key of one of IAM's users."""
    for account in list(iam_backends):
        backend = iam_backends[account]["aws"]
        for user in list(backend.users.values()):
            for key in list(user.access_keys):
                if key.access_key_id == id and key.status == "Active":
                    return Key(id, key.secret_access_key, account, user.arn, user.id)
    return None


def _utc(moment: datetime.datetime) -> datetime.datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
