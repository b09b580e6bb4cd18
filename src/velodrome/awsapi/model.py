"""The service's model, as botocore carries it: operations by method and path, shapes, error statuses."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import unquote

from botocore import xform_name
from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel

_LABEL = re.compile(r"\{([^}+]+)(\+?)\}")
_DEFAULT_STATUS = 400


@dataclass(frozen=True)
class Route:
    """An operation and the path its requests have."""

    operation: str
    method: str
    pattern: re.Pattern[str]
    literals: int


class Service:
    """One service of AWS: `Service("emr-serverless")`."""

    def __init__(self, name: str) -> None:
        description = Loader().load_service_model(name, "service-2")
        self.name = name
        self.model = ServiceModel(description, service_name=name)
        self.operations = cast("list[str]", list(self.model.operation_names))
        routes = [self._route(operation) for operation in self.operations]
        # The path with more fixed text wins, so that /applications/{id}/start is not read as an id.
        self._routes = sorted(routes, key=lambda route: -route.literals)

    @property
    def protocol(self) -> str:
        """The protocol's name, such as ``rest-json``."""
        return cast(str, self.model.metadata["protocol"])

    @property
    def signing_name(self) -> str:
        """The service's name in a signature's scope."""
        return cast(str, self.model.metadata.get("signingName", self.model.metadata["endpointPrefix"]))

    def operation(self, name: str) -> OperationModel:
        """The model of one operation."""
        return self.model.operation_model(name)

    def match(self, method: str, path: str) -> tuple[str, dict[str, str]] | None:
        """The operation that a request means, with the values in its path (still to be typed).

        The path is the one that was sent, not yet decoded: an ARN in it has %2F where a path has slashes.
        """
        for route in self._routes:
            if route.method == method and (found := route.pattern.fullmatch(path)):
                values = [unquote(value) for value in found.groups()]
                return route.operation, dict(zip(self._labels(route.operation), values, strict=True))
        return None

    def allowed_methods(self, path: str) -> list[str]:
        """The methods that some operation takes on this path."""
        return sorted({route.method for route in self._routes if route.pattern.fullmatch(path)})

    def error_status(self, code: str) -> int:
        """The HTTP status of an error, from its shape."""
        if code not in self.model.shape_names:
            raise KeyError(f"{self.name} has no error {code}")
        shape = self.model.shape_for(code)
        error = cast("dict[str, Any]", shape.metadata.get("error", {}))
        if "httpStatusCode" in error:
            return int(error["httpStatusCode"])
        return 500 if shape.metadata.get("fault") else _DEFAULT_STATUS

    def error_shapes(self) -> list[str]:
        """All of the service's errors."""
        return [name for name in self.model.shape_names if self.model.shape_for(name).metadata.get("exception")]

    def _labels(self, operation: str) -> list[str]:
        return [name for name, _ in _LABEL.findall(_path_of(self.operation(operation)))]

    def _route(self, operation: str) -> Route:
        model = self.operation(operation)
        path = _path_of(model)
        pattern, position = "", 0
        for label in _LABEL.finditer(path):
            pattern += re.escape(path[position : label.start()])
            pattern += "(.+)" if label.group(2) else "([^/]+)"
            position = label.end()
        pattern += re.escape(path[position:])
        literals = len(_LABEL.sub("", path))
        return Route(operation, model.http["method"], re.compile(pattern), literals)


def handler_name(operation: str) -> str:
    """The handler's name for an operation, as boto3 names its methods.

    >>> handler_name("StartJobRun")
    'start_job_run'
    """
    return str(xform_name(operation))


def _path_of(model: OperationModel) -> str:
    return str(model.http["requestUri"]).split("?", 1)[0]
