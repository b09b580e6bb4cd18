"""What PostgreSQL has and Redshift has not, and what Redshift has and this warehouse has not: the tables of refuse.py.

Features: https://docs.aws.amazon.com/redshift/latest/dg/c_unsupported-postgresql-features.html, data types:
…/c_unsupported-postgresql-datatypes.html, functions: …/c_unsupported-postgresql-functions.html; each command's syntax
is that of its own page below …/c_SQL_commands.html.
"""

from __future__ import annotations

import re
from importlib.resources import files

from velodrome.redshift.sql.tokens import vocabulary

# The words, and the one of them that the error points at.
Pattern = tuple[tuple[str, ...], int]


def _patterns(text: str) -> tuple[Pattern, ...]:
    """One pattern a line; the word that the error points at is marked with a ^ before it."""
    found = []
    for line in text.strip().splitlines():
        marked = line.split()
        at = next(index for index, word in enumerate(marked) if word.startswith("^"))
        found.append((tuple(word.removeprefix("^") for word in marked), at))
    return tuple(found)


def _by_first(patterns: tuple[Pattern, ...]) -> dict[str, tuple[Pattern, ...]]:
    firsts = {pattern[0][0] for pattern in patterns}
    return {first: tuple(pattern for pattern in patterns if pattern[0][0] == first) for first in firsts}


# Anywhere in a statement, by their first word.
SYNTAX = _by_first(
    _patterns(
        """
    ON ^CONFLICT
    IS ^DISTINCT FROM
    IS NOT ^DISTINCT FROM
    IS ^JSON
    IS NOT ^JSON
    IS ^NORMALIZED
    ^RETURNING
    ARRAY ^[
    ^LATERAL
    FILTER ^( WHERE
    SELECT DISTINCT ^ON (
    ^FOR UPDATE
    ^FOR SHARE
    ^FOR NO KEY UPDATE
    ^FOR KEY SHARE
    ^TABLESAMPLE
    WITH ^ORDINALITY
    FROM ^ROWS FROM
    ( ^VALUES
    UNION ^VALUES
    UNION ALL ^VALUES
    EXCEPT ^ALL
    INTERSECT ^ALL
    MINUS ^ALL
    AS ^MATERIALIZED (
    AS ^NOT MATERIALIZED (
    AS ( ^INSERT
    AS ( ^UPDATE
    AS ( ^DELETE
    AS ( ^MERGE
    ^SEARCH DEPTH FIRST
    ^SEARCH BREADTH FIRST
    INTO ^UNLOGGED
    ^EXCLUDE CURRENT ROW
    ^EXCLUDE GROUP
    ^EXCLUDE TIES
    ^EXCLUDE NO OTHERS
    ^GROUPS BETWEEN
    ^GROUPS UNBOUNDED
    ^GROUPS CURRENT
    GROUP BY ^DISTINCT
    """
    )
)

# In statements that begin with these words.
_CLAUSES: dict[tuple[str, ...], tuple[Pattern, ...]] = {
    ("ALTER", "TABLE"): _patterns(
        """
        ^ENABLE TRIGGER
        ^DISABLE TRIGGER
        ^ENABLE RULE
        ^DISABLE RULE
        ^INHERIT
        ^NO INHERIT
        ^CLUSTER ON
        SET ^WITHOUT
        SET ^TABLESPACE
        SET ^(
        SET ^LOGGED
        SET ^UNLOGGED
        SET ^ACCESS METHOD
        SET ^STATISTICS
        SET ^STORAGE
        SET ^COMPRESSION
        ^RESET
        ^ATTACH PARTITION
        ^DETACH PARTITION
        ^REPLICA IDENTITY
        ^VALIDATE CONSTRAINT
        ADD ^GENERATED
        ^DEFERRABLE
        ^DEFERRED
        """
    ),
    ("BEGIN",): _patterns("^DEFERRABLE\nNOT ^DEFERRABLE"),
    ("START",): _patterns("^DEFERRABLE\nNOT ^DEFERRABLE"),
    ("COMMIT",): _patterns("COMMIT ^PREPARED\n^AND CHAIN\n^AND NO"),
    ("END",): _patterns("^AND CHAIN\n^AND NO"),
    ("ROLLBACK",): _patterns("ROLLBACK ^PREPARED\n^AND CHAIN\n^AND NO"),
    ("ABORT",): _patterns("^AND CHAIN\n^AND NO"),
    ("CREATE", "DATABASE"): _patterns(
        """
        ^TEMPLATE
        ^ENCODING
        ^TABLESPACE
        ^LOCALE
        ^LC_COLLATE
        ^LC_CTYPE
        ^STRATEGY
        ^ALLOW_CONNECTIONS
        ^IS_TEMPLATE
        ^OID
        """
    ),
    ("CREATE", "FUNCTION"): _patterns("RETURNS ^SETOF\nRETURNS ^TABLE\n^WINDOW LANGUAGE\n^LEAKPROOF\n^PARALLEL"),
    ("CREATE", "OR", "REPLACE", "FUNCTION"): _patterns("RETURNS ^SETOF\nRETURNS ^TABLE\n^LEAKPROOF\n^PARALLEL"),
    ("CREATE", "TABLE"): _patterns(
        """
        WITH ^NO DATA
        WITH ^DATA
        AS ^EXECUTE
        ^STORAGE PLAIN
        ^STORAGE EXTERNAL
        ^STORAGE EXTENDED
        ^STORAGE MAIN
        ^COMPRESSION PGLZ
        ^COMPRESSION LZ4
        ^USING HEAP
        """
    ),
    ("CREATE", "USER", "MAPPING", "FOR"): _patterns("^FOR"),
    ("CREATE", "VIEW"): _patterns("WITH ^CHECK OPTION\nWITH ^LOCAL CHECK\nWITH ^CASCADED CHECK\nWITH ^("),
    ("CREATE", "OR", "REPLACE", "VIEW"): _patterns(
        "WITH ^CHECK OPTION\nWITH ^LOCAL CHECK\nWITH ^CASCADED CHECK\nWITH ^("
    ),
    ("CREATE", "TEMP"): _patterns("TEMP ^VIEW\nWITH ^NO DATA\nWITH ^DATA"),
    ("CREATE", "TEMPORARY"): _patterns("TEMPORARY ^VIEW\nWITH ^NO DATA\nWITH ^DATA"),
    ("DECLARE",): _patterns(
        """
        ^BINARY CURSOR
        ^SCROLL CURSOR
        ^NO SCROLL
        ^INSENSITIVE
        ^ASENSITIVE
        CURSOR ^WITH
        """
    ),
    ("EXPLAIN",): _patterns(
        """
        EXPLAIN ^ANALYZE
        VERBOSE ^ANALYZE
        EXPLAIN ( ^ANALYZE
        EXPLAIN ( ^BUFFERS
        EXPLAIN ( ^COSTS
        EXPLAIN ( ^FORMAT
        EXPLAIN ( ^GENERIC_PLAN
        EXPLAIN ( ^MEMORY
        EXPLAIN ( ^SERIALIZE
        EXPLAIN ( ^SETTINGS
        EXPLAIN ( ^SUMMARY
        EXPLAIN ( ^TIMING
        EXPLAIN ( ^VERBOSE
        EXPLAIN ( ^WAL
        """
    ),
    ("FETCH",): _patterns(
        "FETCH ^BACKWARD\nFETCH ^PRIOR\nFETCH ^FIRST\nFETCH ^LAST\nFETCH ^ABSOLUTE\nFETCH ^RELATIVE\nFETCH ^-"
    ),
    ("GRANT",): _patterns(
        "ON ^SEQUENCE\nON ALL ^SEQUENCES\nON ^TYPE\nON ^DOMAIN\nON ^LARGE\nON ^TABLESPACE\nON ^FOREIGN\nON ^PARAMETER\n"
        "ON ^ROUTINE\nON ALL ^ROUTINES\n^GRANTED BY"
    ),
    ("INSERT",): _patterns("^OVERRIDING"),
    ("LOCK",): _patterns("^IN ACCESS\n^IN ROW\n^IN SHARE\n^IN EXCLUSIVE\n^NOWAIT"),
    ("MERGE",): _patterns("NOT MATCHED ^BY\nTHEN ^DO"),
    ("PREPARE",): _patterns("PREPARE ^TRANSACTION"),
    ("REVOKE",): _patterns(
        "ON ^SEQUENCE\nON ALL ^SEQUENCES\nON ^TYPE\nON ^DOMAIN\nON ^LARGE\nON ^TABLESPACE\nON ^FOREIGN\nON ^PARAMETER\n"
        "^GRANTED BY"
    ),
    ("SET",): _patterns("SET ^CONSTRAINTS\nTRANSACTION ^SNAPSHOT"),
    ("TRUNCATE",): _patterns("^,\n^RESTART\n^CONTINUE\n^CASCADE\n^RESTRICT\n^ONLY"),
}

# By the statement's first word: its first words, and by a pattern's first word the patterns.
CLAUSES = {
    word: tuple((first, _by_first(patterns)) for first, patterns in _CLAUSES.items() if first[0] == word)
    for word in {first[0] for first in _CLAUSES}
}

# What Redshift has and this warehouse has not: the words, and how it is called.
_NOT_HERE: tuple[tuple[tuple[str, ...], str], ...] = (
    (("PIVOT", "("), "PIVOT"),
    (("UNPIVOT", "("), "UNPIVOT"),
    (("UNPIVOT", "INCLUDE"), "UNPIVOT"),
    (("IGNORE", "NULLS"), "IGNORE NULLS"),
    (("RESPECT", "NULLS"), "RESPECT NULLS"),
    (("CONNECT", "BY"), "CONNECT BY"),
    (("WITH", "NO", "SCHEMA", "BINDING"), "a late-binding view"),
    (("REMOVE", "DUPLICATES"), "MERGE … REMOVE DUPLICATES"),
    (("GROUP", "BY", "ALL"), "GROUP BY ALL"),
    (("EXCLUDE", "("), "SELECT * EXCLUDE"),
    (("[",), "navigation into SUPER values"),
)  # fmt: skip

NOT_HERE = {names[0]: tuple(pair for pair in _NOT_HERE if pair[0][0] == names[0]) for names, _ in _NOT_HERE}

OPERATORS = frozenset({"->", "->>", "@>", "<@", "@@", "&&", "#>", "#>>", "-|-", "|/", "||/", "@-@"})

FOREIGN_TYPES = vocabulary(
    """
    SERIAL BIGSERIAL SMALLSERIAL SERIAL2 SERIAL4 SERIAL8 JSON JSONB JSONPATH UUID BYTEA MONEY XML INET CIDR MACADDR
    MACADDR8 BIT TSVECTOR TSQUERY POINT LINE LSEG BOX PATH POLYGON CIRCLE HSTORE CITEXT ENUM INT4RANGE INT8RANGE
    NUMRANGE DATERANGE TSRANGE TSTZRANGE PG_LSN PG_SNAPSHOT TXID_SNAPSHOT XID8
    """
)
# Types of the catalog and of functions' declarations, which no column of a table is of.
# https://docs.aws.amazon.com/redshift/latest/dg/c_unsupported-postgresql-datatypes.html
COLUMNLESS_TYPES = vocabulary(
    """
    OID NAME ABSTIME RELTIME TINTERVAL ACLITEM CID TID XID INT2VECTOR OIDVECTOR REFCURSOR GTSVECTOR UNKNOWN
    REGPROC REGPROCEDURE REGOPER REGOPERATOR REGCLASS REGTYPE REGROLE REGNAMESPACE REGCONFIG REGDICTIONARY REGCOLLATION
    ANY ANYELEMENT ANYARRAY ANYNONARRAY ANYENUM ANYRANGE ANYMULTIRANGE ANYCOMPATIBLE ANYCOMPATIBLEARRAY
    ANYCOMPATIBLENONARRAY ANYCOMPATIBLERANGE ANYCOMPATIBLEMULTIRANGE CSTRING INTERNAL LANGUAGE_HANDLER FDW_HANDLER
    INDEX_AM_HANDLER TABLE_AM_HANDLER TSM_HANDLER OPAQUE RECORD TRIGGER EVENT_TRIGGER PG_DDL_COMMAND VOID
    PG_NODE_TREE PG_NDISTINCT PG_DEPENDENCIES PG_MCV_LIST PG_BRIN_BLOOM_SUMMARY PG_BRIN_MINMAX_MULTI_SUMMARY
    """
)
MISSING_TYPES = vocabulary("SUPER VARBYTE VARBINARY GEOMETRY GEOGRAPHY HLLSKETCH")

# PostgreSQL has these, Redshift has not.
FOREIGN_FUNCTIONS = vocabulary(
    """
    STRING_AGG ARRAY_AGG JSON_AGG JSONB_AGG JSON_OBJECT_AGG JSONB_OBJECT_AGG XMLAGG XML_AGG EVERY RANGE_AGG
    CORR COVAR_POP COVAR_SAMP REGR_AVGX REGR_AVGY REGR_COUNT REGR_INTERCEPT REGR_R2 REGR_SLOPE REGR_SXX REGR_SXY
    REGR_SYY BIT_XOR MODE
    ROW_TO_JSON TO_JSON TO_JSONB ARRAY_TO_JSON JSON_BUILD_ARRAY JSON_BUILD_OBJECT JSON_OBJECT_KEYS JSON_EACH
    JSON_EACH_TEXT JSON_EXTRACT_PATH JSON_POPULATE_RECORD JSON_TO_RECORD JSON_TO_RECORDSET JSON_STRIP_NULLS
    JSON_ARRAY_ELEMENTS JSON_ARRAY_ELEMENTS_TEXT JSON_OBJECT JSON_VALUE JSON_QUERY JSON_EXISTS JSON_TABLE JSON_SCALAR
    JSONB_ARRAY_ELEMENTS JSONB_ARRAY_ELEMENTS_TEXT JSONB_ARRAY_LENGTH JSONB_BUILD_ARRAY JSONB_BUILD_OBJECT JSONB_EACH
    JSONB_EACH_TEXT JSONB_EXTRACT_PATH JSONB_EXTRACT_PATH_TEXT JSONB_INSERT JSONB_OBJECT JSONB_OBJECT_KEYS
    JSONB_PATH_QUERY JSONB_PRETTY JSONB_SET JSONB_STRIP_NULLS JSONB_TYPEOF
    XMLELEMENT XMLFOREST XMLCONCAT XMLPARSE XMLPI XMLROOT XMLSERIALIZE XMLTABLE XPATH XPATH_EXISTS QUERY_TO_XML
    TABLE_TO_XML SCHEMA_TO_XML DATABASE_TO_XML CURSOR_TO_XML QUERY_TO_XMLSCHEMA QUERY_TO_XML_AND_XMLSCHEMA
    UNNEST ARRAY_APPEND ARRAY_CAT ARRAY_DIMS ARRAY_FILL ARRAY_LENGTH ARRAY_NDIMS ARRAY_PREPEND ARRAY_REMOVE
    ARRAY_REPLACE ARRAY_TO_STRING STRING_TO_ARRAY STRING_TO_TABLE CARDINALITY GENERATE_SUBSCRIPTS
    REGEXP_MATCH REGEXP_MATCHES REGEXP_LIKE REGEXP_SPLIT_TO_TABLE REGEXP_SPLIT_TO_ARRAY BIT_LENGTH CONCAT_WS
    CONVERT_FROM CONVERT_TO ENCODE FORMAT OVERLAY QUOTE_NULLABLE TO_ASCII NORMALIZE PARSE_IDENT UNISTR
    MAKE_DATE MAKE_TIME MAKE_TIMESTAMP MAKE_TIMESTAMPTZ MAKE_INTERVAL AGE DATE_BIN STATEMENT_TIMESTAMP
    CLOCK_TIMESTAMP TRANSACTION_TIMESTAMP JUSTIFY_DAYS JUSTIFY_HOURS JUSTIFY_INTERVAL
    DIV SETSEED WIDTH_BUCKET SCALE MIN_SCALE TRIM_SCALE GCD LCM ERF ERFC GAMMA LGAMMA RANDOM_NORMAL
    SETVAL NEXTVAL CURRVAL LASTVAL
    ENUM_FIRST ENUM_LAST ENUM_RANGE MASKLEN SET_MASKLEN NETMASK HOSTMASK BROADCAST INET_MERGE INET_SAME_FAMILY
    LOWER_INC UPPER_INC LOWER_INF UPPER_INF RANGE_MERGE
    TO_TSVECTOR TO_TSQUERY PLAINTO_TSQUERY PHRASETO_TSQUERY WEBSEARCH_TO_TSQUERY TS_RANK TS_RANK_CD TS_HEADLINE
    TXID_CURRENT TXID_CURRENT_SNAPSHOT
    GEN_RANDOM_UUID UUIDV4 UUIDV7 NUM_NULLS NUM_NONNULLS BOOL_XOR
    """
)

# These never reach the server, in whatever statement they stand, queries of the catalog too: they would wait, lock,
# read the machine's files, or reach other servers.
_NEVER = re.compile(
    r"""PG_SLEEP(_FOR|_UNTIL)?
    |PG_(TRY_)?ADVISORY_\w+
    |PG_READ_(BINARY_)?FILE | PG_LS_\w+ | PG_STAT_FILE | PG_CURRENT_LOGFILE | PG_FILE_\w+
    |LO_(CREATE?|OPEN|CLOSE|(LSEEK|TELL|TRUNCATE)(64)?|UNLINK|IMPORT|EXPORT|GET|PUT|FROM_BYTEA) | LOREAD | LOWRITE
    |DBLINK(_\w+)?
    |PG_NOTIFY | PG_LISTENING_CHANNELS | PG_EXPORT_SNAPSHOT
    |PG_RELOAD_CONF | PG_ROTATE_LOGFILE | PG_PROMOTE | PG_SWITCH_WAL | PG_CREATE_RESTORE_POINT
    |PG_BACKUP_(START|STOP) | PG_WAL_\w+ | PG_LOGICAL_\w+ | PG_REPLICATION_\w+ | PG_(CREATE|DROP|COPY)_\w*SLOT\w*
    |PG_RELATION_FILE(NODE|PATH)""",
    re.VERBOSE,
)


def never(name: str) -> bool:
    """Whether a function must not be called at all."""
    return _NEVER.fullmatch(name) is not None


# Redshift's functions beyond those that PostgreSQL has too or that are syntax; the catalog's files define some of them.
_AMAZON_FUNCTIONS = vocabulary(
    """
    ARRAY_CONCAT ARRAY_CONTAINS ARRAY_DISTINCT ARRAY_EXCEPT ARRAY_FLATTEN ARRAY_INTERSECTION ARRAY_UNION ARRAYS_OVERLAP
    GET_ARRAY_LENGTH SPLIT_TO_ARRAY SUBARRAY TEXT_TO_INT_ALT TEXT_TO_NUMERIC_ALT TRY_CAST DATE_PART_YEAR NEXT_DAY
    CHECKSUM FARMFINGERPRINT64 FNV_HASH FUNC_SHA1 MURMUR3_32_HASH SHA SHA1 HLL HLL_CREATE_SKETCH HLL_CARDINALITY
    HLL_COMBINE HLL_COMBINE_SKETCHES CAN_JSON_PARSE IS_VALID_JSON IS_VALID_JSON_ARRAY JSON_EXTRACT_ARRAY_ELEMENT_TEXT
    JSON_PARSE JSON_SERIALIZE JSON_SERIALIZE_TO_VARBYTE GET_NUMBER_ATTRIBUTES LOWER_ATTRIBUTE_NAMES
    UPPER_ATTRIBUTE_NAMES OBJECT_TRANSFORM COLLATE DIFFERENCE OCTETINDEX REPLICATE SOUNDEX STRTOL DECIMAL_PRECISION
    DECIMAL_SCALE IS_ARRAY IS_BIGINT IS_BOOLEAN IS_CHAR IS_DECIMAL IS_FLOAT IS_INTEGER IS_OBJECT IS_SCALAR IS_SMALLINT
    IS_VARCHAR JSON_SIZE FROM_HEX FROM_VARBYTE GETBIT TO_VARBYTE RATIO_TO_REPORT EXPLAIN_MODEL CHANGE_QUERY_PRIORITY
    CHANGE_SESSION_PRIORITY CHANGE_USER_PRIORITY REBOOT_CLUSTER CURRENT_AWS_ACCOUNT CURRENT_NAMESPACE
    CURRENT_SESSION_ARN CURRENT_USER_ID DEFAULT_IAM_ROLE GET_MOST_RECENT_PRINCIPAL HAS_ASSUMEROLE_PRIVILEGE
    LAST_USER_QUERY_ID PG_GET_COLS PG_GET_GRANTEE_BY_IAM_ROLE PG_GET_IAM_ROLE_BY_USER PG_GET_SESSION_ROLES
    ROLE_IS_MEMBER_OF SLICE_NUM USER_IS_MEMBER_OF DATE_DIFF
    """
)
_SPATIAL = re.compile(r"(ST|H3)_\w+")
_DEFINED = re.compile(r"\b(?:FUNCTION|AGGREGATE)\s+(?:\w+\.)?(\w+)\s*\(", re.IGNORECASE)


def _defined() -> frozenset[str]:
    folder = files("velodrome.redshift") / "catalog"
    texts = (item.read_text(encoding="utf-8") for item in folder.iterdir() if item.name.endswith(".sql"))
    return frozenset(name.upper() for text in texts for name in _DEFINED.findall(text))


_MISSING = _AMAZON_FUNCTIONS - _defined()


def missing(name: str) -> bool:
    """Whether Redshift has a function of this name and this warehouse has none."""
    return name in _MISSING or _SPATIAL.fullmatch(name) is not None
