"""What one statement of a client becomes."""

from __future__ import annotations

from dataclasses import dataclass

from velodrome.redshift.sql.copy_statement import Copy

# In the place of a database's name: the one that the session was opened in.
CONNECTED = "\0"


@dataclass(frozen=True)
class Statement:
    """One statement for the server inside.

    `before` and `then` run unseen around it (each one statement; their errors reach the client, their rows and tags do
    not); `copy` is fed by the gateway; `use` is the database in which the session goes on, or CONNECTED. `source` is
    the client's own text, `reads_history` whether it asks what has happened (sql/history_views.py). `tag` is the
    command tag that the client sees where the statement inside has another one, `alone` what a statement is called that
    cannot run inside a transaction block.
    """

    sql: str
    before: str = ""
    then: str = ""
    copy: Copy | None = None
    use: str = ""
    source: str = ""
    reads_history: bool = False
    tag: str = ""
    alone: str = ""

    @property
    def plain(self) -> bool:
        """Whether its text is all there is to it."""
        return not (self.before or self.then or self.copy or self.use or self.tag or self.alone)

    def is_all_of(self, sql: str) -> bool:
        """Whether the text can be sent as the client wrote it."""
        return self.plain and self.sql == sql
