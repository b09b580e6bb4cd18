"""The access keys that are known: the profile's own, and temporary ones, which prove themselves.

A temporary key's session token says whose it is and when it ends, sealed with a key that is made of the profile's
secret; its secret is made of its id the same way. So every stand-in knows the keys that STS gave, also after a restart
of any of them, and none has to ask another.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import hashlib
import hmac
import json
import secrets
import string
from collections.abc import Callable
from dataclasses import dataclass

from .profile import Profile, ProfileError

_ALPHABET = string.ascii_uppercase + "234567"
_SEAL = hashlib.sha256().digest_size


class UnknownKey(Exception):
    """No key has this id."""


class BadToken(Exception):
    """The session token is not one that STS gave with this key."""


class ExpiredToken(Exception):
    """The session token has ended."""


@dataclass(frozen=True)
class Key:
    """An access key: its secret, and whose it is."""

    id: str
    secret: str
    account: str
    arn: str
    user_id: str


Finder = Callable[[str], "Key | None"]


class Keys:
    """Finds keys. `own` is the profile's; `users` finds the access keys of IAM's users, where they are known."""

    def __init__(self, own: Key, users: Finder = lambda _: None) -> None:
        self.own = own
        self._users = users
        self._root = hmac.digest(own.secret.encode(), b"velodrome temporary credentials", "sha256")

    def find(self, id: str, token: str | None = None, now: datetime.datetime | None = None) -> Key:
        """The key of this id. Raises UnknownKey, BadToken, ExpiredToken."""
        if token:
            return self._temporary(id, token, now or datetime.datetime.now(datetime.UTC))
        if id == self.own.id:
            return self.own
        found = self._users(id)
        if found is None:
            raise UnknownKey(id)
        return found

    def temporary(self, id: str, arn: str, user_id: str, ends: datetime.datetime) -> tuple[str, str]:
        """Secret and session token of a new temporary key, good until `ends`."""
        said = json.dumps([id, arn, user_id, int(ends.timestamp())], separators=(",", ":")).encode()
        token = base64.b64encode(self._seal(said) + said).decode()
        return self._secret(id), token

    def _temporary(self, id: str, token: str, now: datetime.datetime) -> Key:
        try:
            raw = base64.b64decode(token, validate=True)
        except (binascii.Error, ValueError):
            raise BadToken(id) from None
        seal, said = raw[:_SEAL], raw[_SEAL:]
        if not hmac.compare_digest(seal, self._seal(said)):
            raise BadToken(id)
        of, arn, user_id, ends = json.loads(said)
        if of != id:
            raise BadToken(id)
        if now.timestamp() >= ends:
            raise ExpiredToken(id)
        return Key(id, self._secret(id), arn.split(":")[4], arn, user_id)

    def _seal(self, said: bytes) -> bytes:
        return hmac.digest(self._root, b"token " + said, "sha256")

    def _secret(self, id: str) -> str:
        return base64.b64encode(hmac.digest(self._root, b"secret " + id.encode(), "sha256")).decode()[:40]


def of_profile(profile: Profile, account: str, users: Finder = lambda _: None) -> Keys:
    """The keys that a stand-in knows whose clients have this profile. Raises ProfileError."""
    if not profile.access_key_id or not profile.secret_access_key:
        raise ProfileError(f"profile {profile.name} has no keys, so nobody could be told from anybody")
    return Keys(own_key(profile.access_key_id, profile.secret_access_key, account), users)


def own_key(id: str, secret: str, account: str) -> Key:
    """The local profile's key: that of the account's user `velodrome`."""
    return Key(id, secret, account, f"arn:aws:iam::{account}:user/{id}", unique_id("AIDA", id))


def unique_id(prefix: str, name: str = "") -> str:
    """An id as IAM makes them, of 20 characters: the same for the same name, or a new one without a name.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
    """
    raw = hashlib.sha256(name.encode()).digest() if name else secrets.token_bytes(16)
    return prefix + "".join(_ALPHABET[byte % 32] for byte in raw[:16])
