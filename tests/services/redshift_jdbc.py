"""Amazon's JDBC driver at work: run in an environment with JPype, told the warehouse as JSON on its standard input.

Prints one JSON object: each case's value, or the SQLSTATE and the words of what it met.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from typing import Any

import jpype
import jpype.imports

GIVEN = json.load(sys.stdin)
jpype.startJVM(GIVEN["jvm"], "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx192m", classpath=GIVEN["jars"])

from java.lang import Integer, String, Throwable  # noqa: E402
from java.math import BigDecimal  # noqa: E402
from java.sql import Connection, Date, DriverManager, ResultSet, SQLException, Time, Timestamp, Types  # noqa: E402
from java.util import Properties  # noqa: E402

CASES: dict[str, Callable[[], Any]] = {}
VALUES = {
    "a": ("smallint", "setShort", 32767),
    "b": ("int", "setInt", -5),
    "c": ("bigint", "setLong", 2**60),
    "d": ("real", "setFloat", 1.5),
    "e": ("float8", "setDouble", 2.25),
    "f": ("decimal(20,4)", "setBigDecimal", BigDecimal("123.4567")),
    "g": ("char(5)", "setString", "abc"),
    "h": ("varchar(20)", "setString", "é"),
    "i": ("boolean", "setBoolean", True),
    "j": ("date", "setDate", Date.valueOf("2024-02-29")),
    "k": ("timestamp", "setTimestamp", Timestamp.valueOf("2024-02-29 01:02:03.5")),
    "l": ("timestamptz", "setTimestamp", Timestamp.valueOf("2024-02-29 01:02:03.5")),
    "m": ("time", "setTime", Time.valueOf("04:05:06")),
    "n": ("timetz", "setTime", Time.valueOf("04:05:06")),
}


def case(function: Callable[[], Any]) -> Callable[[], Any]:
    CASES[function.__name__] = function
    return function


def connect(database: str = "dev", **options: str | None) -> Any:
    properties = Properties()
    for name, value in (GIVEN["properties"] | options).items():
        if value is not None:
            properties.setProperty(name, value)
    return DriverManager.getConnection(f"jdbc:redshift://{GIVEN['address']}/{database}", properties)


def rows(result: Any) -> list[list[str | None]]:
    """All rows as text."""
    width = result.getMetaData().getColumnCount()
    found = []
    while result.next():
        texts = [result.getString(number) for number in range(1, width + 1)]
        found.append([None if text is None else str(text) for text in texts])
    return found


def named(result: Any) -> list[dict[str, str | None]]:
    """All rows as text, by the columns' names in capitals."""
    about = result.getMetaData()
    names = [str(about.getColumnLabel(number)).upper() for number in range(1, about.getColumnCount() + 1)]
    return [dict(zip(names, row, strict=True)) for row in rows(result)]


def ask(connection: Any, sql: str) -> list[list[str | None]]:
    with connection.createStatement() as statement:
        return rows(statement.executeQuery(sql))


def run(connection: Any, *sql: str) -> None:
    with connection.createStatement() as statement:
        for text in sql:
            statement.execute(text)


def attempt(function: Callable[[], Any]) -> dict[str, Any]:
    try:
        return {"value": function()}
    except Throwable as error:
        state = str(error.getSQLState()) if isinstance(error, SQLException) else str(error.getClass().getName())
        return {"state": state, "message": str(error.getMessage())}


@case
def versions() -> Any:
    with connect() as connection:
        about = connection.getMetaData()
        return [str(about.getDatabaseProductName()), str(about.getDatabaseProductVersion())]


@case
def ssl_modes() -> Any:
    found: dict[str, Any] = {}
    for name, options in {
        "none": {"ssl": "false", "sslmode": None},
        "verify-ca": {"sslmode": "verify-ca"},
        "verify-full": {"sslmode": "verify-full"},
    }.items():
        with connect(**options) as connection:
            found[name] = ask(connection, "select 'in'")
    return found


@case
def an_unknown_authority() -> Any:
    return attempt(lambda: connect(sslrootcert=GIVEN["other_authority"]))


@case
def a_wrong_password() -> Any:
    return attempt(lambda: connect(password="wrong"))


@case
def a_wrong_database() -> Any:
    return attempt(lambda: connect("gone"))


@case
def types() -> Any:
    found = {}
    for name, options in {
        "binary": {},
        "text": {"BinaryTransfer": "false"},
        "protocol 0": {"client_protocol_version": "0"},
        "not prepared": {"preferQueryMode": "extendedForPrepared"},
    }.items():
        with connect(**options) as connection:
            columns = ", ".join(f"{column} {sql}" for column, (sql, _, _) in VALUES.items())
            run(connection, f"create temp table types ({columns})")
            insert = connection.prepareStatement(f"insert into types values ({', '.join('?' * len(VALUES))})")
            for number, (_, setter, value) in enumerate(VALUES.values(), 1):
                getattr(insert, setter)(number, value)
            insert.executeUpdate()
            for number in range(1, len(VALUES) + 1):
                insert.setNull(number, Types.NULL)
            insert.executeUpdate()
            select = connection.prepareStatement("select * from types order by a")
            found[name] = [rows(select.executeQuery()) for _ in range(6)][-1]  # from the fifth on it is prepared
    return found


@case
def objects() -> Any:
    with connect() as connection, connection.createStatement() as statement:
        casts = ", ".join(f"{sql}" for sql in (
            "1::smallint", "2", "3::bigint", "1.5::real", "2.5::float8", "1.50::decimal(5,2)", "'c'::char(2)",
            "'v'::varchar", "true", "'2024-02-29'::date", "'2024-02-29 01:02:03'::timestamp", "'04:05:06'::time",
        ))  # fmt: skip
        result = statement.executeQuery(f"select {casts}")
        result.next()
        return [str(result.getMetaData().getColumnClassName(number)) for number in range(1, 13)]


@case
def about_results() -> Any:
    with connect() as connection:
        about = connection.prepareStatement("select id, name as n, price from jdbc_shop.items").getMetaData()
        return [
            [
                str(about.getColumnLabel(number)), str(about.getColumnName(number)),
                str(about.getColumnTypeName(number)),
                int(about.getPrecision(number)), int(about.getScale(number)), str(about.getTableName(number)),
                str(about.getSchemaName(number)), int(about.isNullable(number)),
            ]
            for number in range(1, 4)
        ]  # fmt: skip


@case
def about_parameters() -> Any:
    with connect() as connection:
        statement = connection.prepareStatement("select * from jdbc_shop.items where id = ? and name = ?")
        about = statement.getParameterMetaData()
        return [str(about.getParameterTypeName(number)) for number in (1, 2)]


@case
def parameters() -> Any:
    with connect() as connection:
        statement = connection.prepareStatement("select dateadd(day, ?, ?::date), nvl(?, 'none'), ?::int")
        statement.setObject(1, Integer(3))
        statement.setObject(2, String("2024-02-27"))
        statement.setNull(3, Types.VARCHAR)
        statement.setObject(4, String("9"))
        return rows(statement.executeQuery())


@case
def intervals() -> Any:
    with connect() as connection:
        return ask(connection, "select interval '1 year 2 months', interval '3 days 4 hours'")


@case
def batches() -> Any:
    found = {}
    for rewritten in ("false", "true"):
        with connect(reWriteBatchedInserts=rewritten) as connection:
            run(connection, "create temp table batch (a int, b varchar(10))")
            insert = connection.prepareStatement("insert into batch values (?, ?)")
            for number in range(500):
                insert.setInt(1, number)
                insert.setString(2, str(number))
                insert.addBatch()
            counts = [int(count) for count in insert.executeBatch()]
            found[rewritten] = [len(counts), *ask(connection, "select count(*), sum(a) from batch")]
    return found


@case
def a_batch_that_fails() -> Any:
    with connect() as connection, connection.createStatement() as statement:
        for sql in (
            "create temp table batch (a int not null)",
            "insert into batch values (1)",
            "insert into batch values (null)",
        ):
            statement.addBatch(sql)
        return attempt(lambda: list(statement.executeBatch()))


@case
def transactions() -> Any:
    with connect() as connection:
        connection.setAutoCommit(False)
        run(connection, "create table jdbc_shop.undone (a int)")
        connection.rollback()
        gone = attempt(lambda: ask(connection, "select * from jdbc_shop.undone"))
        aborted = attempt(lambda: ask(connection, "select 1"))
        connection.rollback()
        return [
            gone,
            aborted,
            attempt(lambda: connection.setSavepoint("here")),
            int(connection.getTransactionIsolation()),
        ]


@case
def a_cursor() -> Any:
    with connect() as connection:
        connection.setAutoCommit(False)
        statement = connection.prepareStatement("select i from generate_series(1, 1000) i")
        statement.setFetchSize(64)
        result = statement.executeQuery()
        total = 0
        while result.next():
            total += result.getInt(1)
        return int(total)


@case
def scrolling() -> Any:
    with connect() as connection:
        statement = connection.createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_READ_ONLY)
        statement.setMaxRows(7)
        result = statement.executeQuery("select i from generate_series(1, 10) i")
        return [bool(result.last()), int(result.getRow()), bool(result.first()), int(result.getInt(1))]


@case
def several_statements() -> Any:
    with connect() as connection, connection.createStatement() as statement:
        statement.execute("create temp table s (a int); insert into s values (1), (2); select count(*) from s")
        counts = [int(statement.getUpdateCount())]
        statement.getMoreResults()
        counts.append(int(statement.getUpdateCount()))
        return [counts, bool(statement.getMoreResults()), rows(statement.getResultSet())]


@case
def a_cancelled_query() -> Any:
    with connect() as connection, connect() as other, connection.createStatement() as statement:
        ((pid,),) = ask(connection, "select pg_backend_pid()")
        met: list[Any] = []
        endless = "select count(*) from generate_series(1, 100000000000) a"
        thread = threading.Thread(target=lambda: met.append(attempt(lambda: rows(statement.executeQuery(endless)))))
        thread.start()
        active = (
            f"select count(*) from pg_stat_activity where pid = {pid} and state = 'active' and query like '%10000%'"
        )
        while ask(other, active) != [["1"]] and thread.is_alive():
            pass
        statement.cancel()
        thread.join(20)
        return [met, ask(connection, "select 'next'")]


@case
def a_query_that_takes_too_long() -> Any:
    with connect() as connection, connection.createStatement() as statement:
        statement.setQueryTimeout(1)
        endless = "select count(*) from generate_series(1, 100000000000) a"
        met = attempt(lambda: rows(statement.executeQuery(endless)))
        return [met, ask(connection, "select 'next'")]


@case
def a_procedure() -> Any:
    with connect() as connection:
        call = connection.prepareCall("{call jdbc_shop.double(?, ?, ?)}")
        call.setInt(1, 21)
        call.setString(2, "hi")
        call.registerOutParameter(2, Types.VARCHAR)
        call.registerOutParameter(3, Types.INTEGER)
        call.execute()
        return [int(call.getInt(3)), str(call.getString(2))]


@case
def the_session() -> Any:
    with connect() as connection:
        connection.setSchema("jdbc_shop")
        found = [str(connection.getSchema()), str(connection.getCatalog()), bool(connection.isValid(5))]
        connection.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE)
        connection.setClientInfo("ApplicationName", "named")
        return [*found, ask(connection, "select current_setting('application_name')")]


@case
def read_only() -> Any:
    with connect() as connection:
        connection.setReadOnly(True)
        met = attempt(lambda: run(connection, "create table jdbc_shop.written (a int)"))
        connection.setReadOnly(False)
        return [met, ask(connection, "select 1")]


@case
def notices() -> Any:
    with connect() as connection, connection.createStatement() as statement:
        statement.execute("drop table if exists jdbc_shop.gone")
        return str(statement.getWarnings().getMessage())


@case
def refusals() -> Any:
    with connect() as connection:
        return [
            attempt(lambda: run(connection, "create index i on jdbc_shop.items (id)")),
            attempt(lambda: ask(connection, "select * from jdbc_shop.gone")),
            attempt(lambda: run(connection, "insert into jdbc_shop.items (name) values ('x') returning id")),
            attempt(lambda: connection.createBlob()),
        ]


@case
def escapes() -> Any:
    with connect() as connection:
        return ask(
            connection, "select {fn ucase('x')}, {d '2024-02-29'}, {ts '2024-02-29 01:02:03'}, {fn concat('a', 'b')}"
        )


def metadata(function: Callable[[Any], Any]) -> Any:
    with connect() as connection:
        return attempt(lambda: named(function(connection.getMetaData())))


@case
def catalogs_of_the_driver() -> Any:
    where, mine, items, orders = "dev", "jdbc_shop", "items", "orders"
    return {
        "catalogs": metadata(lambda about: about.getCatalogs()),
        "schemas": metadata(lambda about: about.getSchemas()),
        "schemas like": metadata(lambda about: about.getSchemas(where, "jdbc%")),
        "tables": metadata(lambda about: about.getTables(where, mine, "%", None)),
        "tables of a type": metadata(lambda about: about.getTables(None, mine, "%", ["TABLE"])),
        "table types": metadata(lambda about: about.getTableTypes()),
        "columns": metadata(lambda about: about.getColumns(where, mine, items, "%")),
        "primary keys": metadata(lambda about: about.getPrimaryKeys(where, mine, items)),
        "imported keys": metadata(lambda about: about.getImportedKeys(where, mine, orders)),
        "exported keys": metadata(lambda about: about.getExportedKeys(where, mine, items)),
        "cross reference": metadata(lambda about: about.getCrossReference(where, mine, items, where, mine, orders)),
        "best row": metadata(lambda about: about.getBestRowIdentifier(where, mine, items, 0, True)),
        "indexes": metadata(lambda about: about.getIndexInfo(where, mine, items, False, False)),
        "procedures": metadata(lambda about: about.getProcedures(where, mine, "%")),
        "procedure columns": metadata(lambda about: about.getProcedureColumns(where, mine, "%", "%")),
        "functions": metadata(lambda about: about.getFunctions(where, mine, "%")),
        "function columns": metadata(lambda about: about.getFunctionColumns(where, mine, "%", "%")),
        "types": metadata(lambda about: about.getTypeInfo()),
        "table privileges": metadata(lambda about: about.getTablePrivileges(where, mine, items)),
        "column privileges": metadata(lambda about: about.getColumnPrivileges(where, mine, items, "%")),
        "user types": metadata(lambda about: about.getUDTs(where, "jdbc_none", "%", None)),
    }


def main() -> None:
    with connect() as connection:
        run(
            connection,
            "drop schema if exists jdbc_shop cascade",
            "create schema jdbc_shop",
            "create table jdbc_shop.items (id int identity(1, 1) primary key, name varchar(10) not null default 'x',"
            " price decimal(8,2)) diststyle key distkey (id) sortkey (id)",
            "create table jdbc_shop.orders (id bigint, item int references jdbc_shop.items (id), made timestamp)",
            "grant select, insert on jdbc_shop.items to public",
            "grant update (name) on jdbc_shop.items to public",
            "create view jdbc_shop.cheap as select id, name from jdbc_shop.items where price < 5",
            "create function jdbc_shop.f_add(int, int) returns int stable as $$ select $1 + $2 $$ language sql",
            "create procedure jdbc_shop.double(a in int, c inout varchar(20), b out int)"
            " as $$ begin b := a * 2; c := c || '!'; end; $$ language plpgsql",
        )
    print(json.dumps({name: attempt(function) for name, function in CASES.items()}))


main()
