"""SQLAlchemy with sqlalchemy-redshift, through both its drivers: DDL, reflection, ORM, pandas, COPY and UNLOAD."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, ClassVar

import awswrangler as wr
import boto3
import pandas
import pytest
import sqlalchemy as sa
from client import ADDRESS, DATABASE, SQLALCHEMY
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship
from sqlalchemy_redshift import dialect
from sqlalchemy_redshift.commands import AlterTableAppendCommand, CopyCommand, Format, UnloadFromSelect
from sqlalchemy_redshift.ddl import CreateMaterializedView, DropMaterializedView

BUCKET = "sqlalchemy-cases"


@pytest.fixture(scope="module", params=list(SQLALCHEMY))
def engine(request: pytest.FixtureRequest) -> Iterator[sa.Engine]:
    """An engine whose connections find tables in a schema of the driver's own."""
    schema = f"sqlalchemy_{request.param}"
    url = sa.URL.create(
        f"redshift+{request.param}", ADDRESS["user"], ADDRESS["password"], ADDRESS["host"], ADDRESS["port"], DATABASE
    )
    made = sa.create_engine(url, connect_args=SQLALCHEMY[request.param])

    @sa.event.listens_for(made, "connect", insert=True)
    def use_schema(connection: Any, record: object) -> None:
        cursor = connection.cursor()
        cursor.execute(f"create schema if not exists {schema}")
        cursor.execute(f"set search_path to {schema}, public")
        connection.commit()

    Base.metadata.create_all(made)
    with made.begin() as connection:
        connection.execute(sa.text("create view cheap as select bike_id, price from bikes where price < 100"))
        connection.execute(sa.text(f"create view late as select * from {schema}.bikes with no schema binding"))
        connection.execute(sa.text("comment on table bikes is 'One row per bike'"))
        connection.execute(sa.text("comment on column bikes.frame is 'Stamped below the saddle'"))
    yield made
    made.dispose()


class Base(DeclarativeBase):
    # What the server fills in is read when it is asked for: Redshift has no RETURNING.
    __mapper_args__: ClassVar[dict[str, Any]] = {"eager_defaults": False}


class Maker(Base):
    __tablename__ = "makers"
    __table_args__ = (sa.UniqueConstraint("name"), {"redshift_diststyle": "ALL"})

    maker_id: Mapped[int] = mapped_column(sa.Integer, primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(sa.String(30))
    bikes: Mapped[list[Bike]] = relationship(back_populates="maker")


class Bike(Base):
    __tablename__ = "bikes"
    __table_args__ = (
        {"redshift_diststyle": "KEY", "redshift_distkey": "maker_id", "redshift_sortkey": ("made", "bike_id")},
    )

    bike_id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    maker_id: Mapped[int] = mapped_column(sa.ForeignKey("makers.maker_id"))
    frame: Mapped[str | None] = mapped_column(sa.String(20), redshift_encode="zstd")
    price: Mapped[Decimal | None] = mapped_column(sa.Numeric(8, 2))
    made: Mapped[datetime.date | None]
    tried: Mapped[datetime.datetime | None]
    seen: Mapped[datetime.datetime | None] = mapped_column(dialect.TIMESTAMPTZ)
    sold: Mapped[bool | None] = mapped_column(sa.Boolean, server_default=sa.text("false"))
    weight: Mapped[float | None] = mapped_column(sa.Double)
    maker: Mapped[Maker] = relationship(back_populates="bikes")


IDENTITIES = sa.Table(
    "identities",
    Base.metadata,
    sa.Column("id", sa.Integer, primary_key=True, redshift_identity=(10, 5)),
    sa.Column("label", sa.String(10), redshift_sortkey=True),
    sa.Column("place", sa.String(10), redshift_distkey=True),
)
INTERLEAVED = sa.Table(
    "interleaved",
    Base.metadata,
    sa.Column("a", sa.Integer),
    sa.Column("b", sa.SmallInteger),
    redshift_interleaved_sortkey=("a", "b"),
)


class TestReflection:
    def test_names(self, engine: sa.Engine) -> None:
        inspector = sa.inspect(engine)
        schema = inspector.default_schema_name
        assert schema.startswith("sqlalchemy_") and schema in inspector.get_schema_names()
        assert {"bikes", "makers", "identities", "interleaved"} <= set(inspector.get_table_names())
        assert {"cheap", "late"} <= set(inspector.get_view_names())
        assert inspector.has_table("bikes") and not inspector.has_table("nowhere")

    def test_columns(self, engine: sa.Engine) -> None:
        found = {column["name"]: column for column in sa.inspect(engine).get_columns("bikes")}
        assert {name: str(column["type"]) for name, column in found.items()} == {
            "bike_id": "BIGINT",
            "maker_id": "INTEGER",
            "frame": "VARCHAR(20)",
            "price": "NUMERIC(8, 2)",
            "made": "DATE",
            "tried": "TIMESTAMP",
            "seen": "TIMESTAMPTZ",
            "sold": "BOOLEAN",
            "weight": "DOUBLE PRECISION",
        }
        assert [name for name, column in found.items() if not column["nullable"]] == ["bike_id", "maker_id"]
        assert found["frame"]["info"] == {"encode": "zstd"}
        assert found["frame"]["comment"] == "Stamped below the saddle"
        assert found["sold"]["default"] == "false"

    def test_keys(self, engine: sa.Engine) -> None:
        inspector = sa.inspect(engine)
        assert inspector.get_pk_constraint("bikes")["constrained_columns"] == ["bike_id"]
        (key,) = inspector.get_foreign_keys("bikes")
        assert (key["constrained_columns"], key["referred_table"]) == (["maker_id"], "makers")
        assert key["referred_columns"] == ["maker_id"]
        assert [unique["column_names"] for unique in inspector.get_unique_constraints("makers")] == [["name"]]
        assert inspector.get_indexes("bikes") == [] and inspector.get_check_constraints("bikes") == []

    def test_layout(self, engine: sa.Engine) -> None:
        inspector = sa.inspect(engine)
        layout = {name: inspector.get_table_options(name) for name in ("bikes", "makers", "identities", "interleaved")}
        assert layout["bikes"] == {
            "redshift_diststyle": "KEY",
            "redshift_distkey": "maker_id",
            "redshift_sortkey": ("made", "bike_id"),
            "redshift_interleaved_sortkey": None,
        }
        assert layout["makers"]["redshift_diststyle"] == "ALL"
        assert layout["identities"]["redshift_sortkey"] == ("label",)
        assert layout["interleaved"]["redshift_interleaved_sortkey"] == ("a", "b")

    def test_comments(self, engine: sa.Engine) -> None:
        assert sa.inspect(engine).get_table_comment("bikes") == {"text": "One row per bike"}

    def test_views(self, engine: sa.Engine) -> None:
        inspector = sa.inspect(engine)
        assert "price" in inspector.get_view_definition("cheap")
        assert [column["name"] for column in inspector.get_columns("cheap")] == ["bike_id", "price"]
        late = {column["name"]: str(column["type"]) for column in inspector.get_columns("late")}
        assert (late["frame"], late["price"], late["made"]) == ("VARCHAR(20)", "NUMERIC(8, 2)", "DATE")

    def test_a_table_made_again_from_what_was_reflected(self, engine: sa.Engine) -> None:
        schema = sa.inspect(engine).default_schema_name
        reflected = sa.Table("identities", sa.MetaData(), autoload_with=engine)
        copy = reflected.to_metadata(sa.MetaData(), name="again")
        with engine.begin() as connection:
            copy.create(connection)
            connection.execute(copy.insert().values(label="x").inline())  # else it asks for the key with RETURNING
            assert connection.execute(sa.select(copy.c.id)).scalar_one() == 10
            assert schema == connection.execute(sa.text("select current_schema()")).scalar_one()

    def test_a_whole_schema(self, engine: sa.Engine) -> None:
        metadata = sa.MetaData()
        metadata.reflect(engine, views=True, only=["bikes", "makers", "cheap", "late"])
        assert set(metadata.tables) == {"bikes", "makers", "cheap", "late"}
        assert [column.name for column in metadata.tables["bikes"].primary_key] == ["bike_id"]


class TestOrm:
    def test_objects(self, engine: sa.Engine) -> None:
        at = datetime.datetime(2026, 1, 2, 3, 4, 5, 678000)
        utc = at.replace(tzinfo=datetime.UTC)
        with Session(engine) as session:
            maker = Maker(maker_id=1, name="O'Brien \\ é")
            maker.bikes = [
                Bike(
                    bike_id=n, frame=f"F{n}", price=Decimal("9.90") * n, made=at.date(), tried=at, seen=utc, weight=0.5
                )
                for n in (1, 2, 3)
            ]
            session.add(maker)
            session.commit()
        with Session(engine) as session:
            bike = session.get_one(Bike, 2)
            assert (bike.price, bike.made, bike.tried, bike.seen) == (Decimal("19.80"), at.date(), at, utc)
            assert (bike.sold, bike.weight, bike.maker.name) == (False, 0.5, "O'Brien \\ é")
            bike.frame = None
            session.delete(session.get_one(Bike, 3))
            session.commit()
            statement = sa.select(Bike.frame, sa.func.count()).join(Maker).group_by(Bike.frame).order_by(Bike.frame)
            assert [tuple(row) for row in session.execute(statement)] == [("F1", 1), (None, 1)]

    def test_statements(self, engine: sa.Engine) -> None:
        with engine.begin() as connection:
            connection.execute(sa.delete(Bike))
            rows = [{"bike_id": n, "maker_id": 1 + n % 2, "price": n, "frame": f"{n}%"} for n in range(1, 10)]
            connection.execute(sa.insert(Bike), rows)
            changed = connection.execute(sa.update(Bike).where(Bike.bike_id > 7).values(price=Bike.price * 2))
            assert changed.rowcount == 2
            gone = connection.execute(sa.delete(Bike).where(Bike.maker_id == Maker.maker_id, Maker.name.like("O%")))
            assert gone.rowcount == 4
            page = sa.select(Bike.bike_id).order_by(Bike.bike_id.desc()).limit(2).offset(1)
            assert list(connection.scalars(page)) == [7, 5]
            windowed = sa.func.row_number().over(partition_by=Bike.maker_id, order_by=Bike.price)
            ranked = sa.select(Bike.bike_id, windowed.label("rank")).cte("ranked")
            assert connection.scalar(sa.select(ranked.c.bike_id).where(ranked.c.rank == 2)) == 3
            assert connection.scalar(sa.select(sa.func.now())) is not None
            assert list(connection.scalars(sa.select(Bike.bike_id).where(Bike.frame.in_(["1%", "3%"])))) == [1, 3]

    def test_transactions(self, engine: sa.Engine) -> None:
        count = sa.select(sa.func.count()).select_from(INTERLEAVED)
        with engine.connect() as connection:
            with connection.begin() as transaction:
                connection.execute(INTERLEAVED.insert(), [{"a": 1, "b": 2}])
                transaction.rollback()
            assert connection.scalar(count) == 0
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(INTERLEAVED.insert(), [{"a": 1, "b": 2}])
        with engine.connect().execution_options(isolation_level="SERIALIZABLE") as connection:
            assert connection.scalar(count) == 1
            with pytest.raises(sa.exc.DBAPIError, match="SAVEPOINT"):
                connection.begin_nested()

    def test_pandas(self, engine: sa.Engine) -> None:
        frame = pandas.DataFrame(
            {"n": [1, 2, 3], "s": ["a", "b", "c"], "t": pandas.to_datetime(["2026-01-01", "2026-01-02", "2026-01-03"])}
        )
        frame.to_sql("frames", engine, index=False, if_exists="replace", chunksize=2, method="multi")
        frame.to_sql("frames", engine, index=False, if_exists="append")
        found = pandas.read_sql_table("frames", engine)
        assert (len(found), int(found["n"].sum()), found["t"].max()) == (6, 12, pandas.Timestamp("2026-01-03"))
        query = sa.text("select s, count(*) as times from frames where n > :least group by s order by s")
        assert pandas.read_sql_query(query, engine, params={"least": 1})["times"].tolist() == [2, 2]
        assert [len(chunk) for chunk in pandas.read_sql("select * from frames", engine, chunksize=4)] == [4, 2]


class TestCommands:
    def test_copy_of_parquet(self, engine: sa.Engine) -> None:
        where = f"s3://{BUCKET}/{engine.driver}/"
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        wr.s3.to_parquet(
            pandas.DataFrame({"a": [1, 2], "b": [3, 4]}).astype({"a": "int32", "b": "int16"}), f"{where}1.parquet"
        )
        account, role = os.environ["ROLE"].split(":")[4], os.environ["ROLE"].rpartition("/")[2]
        copy = CopyCommand(INTERLEAVED, where, aws_account_id=account, iam_role_name=role, format=Format.parquet)
        statement: Any = copy
        if engine.driver == "redshift_connector":  # sends the location apart, which Redshift refuses in a COPY
            with (
                pytest.raises(sa.exc.ProgrammingError, match='syntax error at or near "\\$1"'),
                engine.begin() as connection,
            ):
                connection.execute(copy)
            statement = sa.text(str(copy.compile(engine, compile_kwargs={"literal_binds": True})))
        with engine.begin() as connection:
            connection.execute(INTERLEAVED.delete())
            connection.execute(statement)
            assert connection.scalar(sa.select(sa.func.sum(INTERLEAVED.c.a * INTERLEAVED.c.b))) == 11

    def test_unload_is_written(self, engine: sa.Engine) -> None:
        unload = UnloadFromSelect(
            sa.select(Maker.name), "s3://bucket/key", aws_account_id="0" * 12, iam_role_name="r", format=Format.parquet
        )
        assert "UNLOAD" in str(unload.compile(engine))

    def test_append(self, engine: sa.Engine) -> None:
        metadata = sa.MetaData()
        source = sa.Table("append_source", metadata, sa.Column("a", sa.Integer))
        target = sa.Table("append_target", metadata, sa.Column("a", sa.Integer))
        metadata.create_all(engine)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(source.insert(), [{"a": 1}, {"a": 2}])
            connection.execute(AlterTableAppendCommand(source, target))
            assert connection.scalar(sa.select(sa.func.count()).select_from(target)) == 2
            assert connection.scalar(sa.select(sa.func.count()).select_from(source)) == 0

    def test_materialized_views(self, engine: sa.Engine) -> None:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            selected = sa.select(Maker.name, sa.func.count().label("times")).group_by(Maker.name)
            connection.execute(CreateMaterializedView("names", selected, diststyle="EVEN"))
            assert connection.execute(sa.text("select * from names")).fetchall() == [("O'Brien \\ é", 1)]
            connection.execute(DropMaterializedView("names"))
