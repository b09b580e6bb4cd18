"""`s3pipe CONFIG PROFILE IMPORT_ROLE EXPORT_ROLE VERB REQUEST`: the launcher gives four, the extension the rest.

| verb | reads | writes |
|---|---|---|
| put | COPY's rows | one object, which appears only at `finish` |
| finish | | completes the objects of an export |
| giveup | | gives them up |
| keep | credentials that the call was given | a private file, for `get` |
| get | | the object's bytes, for COPY |

Started for every single call, without site-packages (-S): nothing is imported here but the standard library and the
few modules of this folder, and of those only what the verb needs.
"""

import os
import sys

if __name__ == "__main__":
    # -I and -S leave nothing but the standard library on the path.
    sys.path.insert(0, os.path.abspath(os.path.join(os.path.dirname(__file__), "../../..")))  # noqa: PTH100, PTH118, PTH120

from velodrome.rds.s3pipe.request import Request


def main(arguments: list[str]) -> None:
    """Run one verb; its exit code tells the server whether COPY has worked, its result file why not."""
    os.closerange(3, 1024)  # nothing of the server's: least of all the lock of its data folder
    request = Request.parse(arguments)
    if request.verb == "put":
        from velodrome.rds.s3pipe.put import put

        put(request)
    elif request.verb == "get":
        from velodrome.rds.s3pipe.get import get

        get(request)
    elif request.verb == "keep":
        request.keep_credentials(sys.stdin.buffer.read())
    elif request.verb in ("finish", "giveup"):
        from velodrome.rds.s3pipe.settle import settle

        settle(request)
    else:
        raise SystemExit(f"s3pipe: there is no verb {request.verb}")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:  # a statement is cancelled: the server signals whatever the session has started
        os._exit(1)
