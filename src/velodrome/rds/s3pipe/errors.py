"""An exception as the extension raises it: kind, message and hint for the result file."""

from __future__ import annotations

from velodrome.rds.s3pipe.credentials import NoCredentials


def described(error: BaseException) -> dict[str, str]:
    """`error` is S3's message; with `hint`, access to S3 failed before S3 was asked.

    >>> described(ValueError("x"))
    {'error': 'ValueError: x'}
    """
    if isinstance(error, NoCredentials):
        return {"error": str(error), "hint": error.hint, "reason": error.reason}
    from velodrome.rds.s3pipe.http import AwsError

    if isinstance(error, AwsError):
        return {"error": str(error)}
    return {"error": f"{type(error).__name__}: {error}"}
