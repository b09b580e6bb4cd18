"""Who calls, and where: what a checked signature says of a request."""

from __future__ import annotations

import re
from dataclasses import dataclass

# As botocore's endpoints.json has them: us-east-1, us-gov-west-1, ap-southeast-1.
_REGION = re.compile(r"[a-z]{2,3}(-[a-z]+)+-\d{1,2}")


@dataclass(frozen=True)
class Caller:
    """The account and the region that a call belongs to, and the ARN of who makes it (a user, or a role's session)."""

    account: str
    region: str
    arn: str

    @property
    def database_user(self) -> str:
        """What Redshift calls the user whom IAM knows.

        https://docs.aws.amazon.com/redshift-serverless/latest/APIReference/API_GetCredentials.html
        """
        kind, *names = self.arn.split(":", 5)[5].split("/")
        return f"IAMR:{names[0]}" if kind == "assumed-role" else f"IAM:{names[-1] if names else kind}"


def is_region(name: str) -> bool:
    """Whether a region can be called so. All are served."""
    return _REGION.fullmatch(name) is not None
