"""The tables of identity-confirmation information, made by each upper tier's first migration.

There is a column for the four attributes, the code and change information, and for nothing else of a resident record: a
test pins every column. What an administrator of this database could do to residents is to read these columns and to
change them; a change shows when the state is derived again from the municipalities' signed envelopes.
"""

from __future__ import annotations

from collections.abc import Callable

from services.foundation.db.grants import grant_table

_PERSONAL = "Personal data: leaves this node only as an item that the purposes table grants, after the audit entry."
_FOLDED = "Personal data: made from the text beside it, for comparison only; never leaves this node."
_CODE = "Resident code, eleven digits; released only where the purposes table says so; logs hold salted commitments."

_TABLES = (
    """
    CREATE TABLE public.identity_record (
        resident_code text PRIMARY KEY CHECK (resident_code ~ '^[0-9]{11}$'),
        name text NOT NULL,
        name_folded text NOT NULL,
        birth_date text NOT NULL,
        sex smallint NOT NULL CHECK (sex IN (1, 2, 9)),
        address text NOT NULL,
        address_folded text NOT NULL,
        municipality_code text NOT NULL CHECK (municipality_code ~ '^[0-9]{6}$'),
        state text NOT NULL CHECK (state IN ('LIVE', 'MOVED_OUT', 'MOVED_ABROAD', 'DECEASED', 'REMOVED')),
        entered_at timestamptz NOT NULL,
        last_reason text NOT NULL,
        last_event_date text NOT NULL,
        open_elsewhere text[] NOT NULL DEFAULT '{}',
        position bigint NOT NULL
    )
    """,
    """
    CREATE TABLE public.identity_former (
        resident_code text NOT NULL,
        name_folded text NOT NULL,
        address_folded text NOT NULL,
        PRIMARY KEY (resident_code, name_folded, address_folded)
    )
    """,
    """
    CREATE TABLE public.identity_change (
        position bigint PRIMARY KEY CHECK (position > 0),
        resident_code text NOT NULL,
        reason text NOT NULL,
        event_date text NOT NULL,
        items text[] NOT NULL
    )
    """,
    """
    CREATE TABLE public.identity_alias (
        former_code text PRIMARY KEY,
        present_code text NOT NULL CHECK (present_code <> former_code)
    )
    """,
)

_INDEXES = (
    "CREATE INDEX identity_record_by_attributes ON public.identity_record (birth_date, sex, name_folded)",
    "CREATE INDEX identity_former_by_pair ON public.identity_former (name_folded, address_folded)",
    "CREATE INDEX identity_change_by_code ON public.identity_change (resident_code, position)",
)

COMMENTS = {
    "identity_record": {
        "resident_code": _CODE,
        "name": _PERSONAL,
        "name_folded": _FOLDED,
        "birth_date": _PERSONAL + " ISO form; month or day may be unknown.",
        "sex": _PERSONAL + " 1 male, 2 female, 9 not known (JIS X 0303).",
        "address": _PERSONAL,
        "address_folded": _FOLDED,
        "municipality_code": "Municipality that keeps, or last kept, the record; it alone may change it.",
        "state": "LIVE, MOVED_OUT, MOVED_ABROAD, DECEASED or REMOVED.",
        "entered_at": "When that municipality processed the entry.",
        "last_reason": "Change information: reason of the last change.",
        "last_event_date": "Change information: day of the last change, ISO form.",
        "open_elsewhere": "Former stays, municipality/resident code, whose departure is under way.",
        "position": "Position of the last line that this node added to the change history of the resident.",
    },
    "identity_former": {
        "resident_code": _CODE,
        "name_folded": _FOLDED,
        "address_folded": _FOLDED,
    },
    "identity_change": {
        "position": "Order in which this node learned of changes; follows the order of commits.",
        "resident_code": _CODE,
        "reason": "Change information: why.",
        "event_date": "Change information: when, ISO form.",
        "items": "Change information: names of the items that changed, never their values.",
    },
    "identity_alias": {
        "former_code": _CODE + " Given up; never given again.",
        "present_code": _CODE + " The code that followed.",
    },
}
"""What protects each column; every column of these tables is here, and no other may be."""


def create_confirmation(execute: Callable[[str], object], app_role: str) -> None:
    """Creates the tables, indexes, comments and grants; `execute` is Alembic's `op.execute`, run by the owner.

    The application role adds to the change history and cannot rewrite it.
    """
    for statement in (*_TABLES, *_INDEXES):
        execute(statement)
    for table, columns in COMMENTS.items():
        for column, comment in columns.items():
            literal = comment.replace("'", "''")
            execute(f"COMMENT ON COLUMN public.{table}.{column} IS '{literal}'")
    grant_table(execute, "identity_record", app_role, ("SELECT", "INSERT", "UPDATE", "DELETE"))
    grant_table(execute, "identity_former", app_role, ("SELECT", "INSERT", "UPDATE (resident_code)", "DELETE"))
    grant_table(execute, "identity_change", app_role, ("SELECT", "INSERT"))
    grant_table(execute, "identity_alias", app_role, ("SELECT", "INSERT"))


_PURPOSES_TABLES = (
    """
    CREATE TABLE public.purposes_adopted (
        number bigint PRIMARY KEY CHECK (number > 0),
        nonce text NOT NULL UNIQUE,
        order_note text NOT NULL,
        body bytea NOT NULL,
        adopted_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    """
    CREATE TABLE public.purpose_use (
        day date NOT NULL,
        body text NOT NULL,
        affair text NOT NULL,
        asked bigint NOT NULL CHECK (asked > 0),
        PRIMARY KEY (day, body, affair)
    ) WITH (fillfactor = 20)
    """,
)

PURPOSES_COMMENTS = {
    "purposes_adopted": {
        "number": "Number of the order; rises with every adoption.",
        "nonce": "Nonce of the order, a UUID; an order is carried out once.",
        "order_note": "The signed order, verbatim; it verifies with the administrators' keys alone.",
        "body": "The table that the order is about, verbatim; its SHA-256 stands in the order.",
        "adopted_at": "When this node adopted it.",
    },
    "purpose_use": {
        "day": "Day of Japan.",
        "body": "Who asked, a short name.",
        "affair": "For which affair.",
        "asked": "How many residents were asked about; nobody's names or codes.",
    },
}
"""What each column of the purposes tables holds; none of it is personal data."""


def create_purposes(execute: Callable[[str], object], app_role: str) -> None:
    """Creates the tables of adopted purposes and of their use; `execute` is Alembic's `op.execute`, run by the owner.

    The application role adds adopted tables and cannot change or remove one.
    """
    for statement in _PURPOSES_TABLES:
        execute(statement)
    for table, columns in PURPOSES_COMMENTS.items():
        for column, comment in columns.items():
            literal = comment.replace("'", "''")
            execute(f"COMMENT ON COLUMN public.{table}.{column} IS '{literal}'")
    grant_table(execute, "purposes_adopted", app_role, ("SELECT", "INSERT"))
    grant_table(execute, "purpose_use", app_role, ("SELECT", "INSERT", "UPDATE (asked)"))
