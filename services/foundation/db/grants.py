"""What the application role may do with a table, and nothing more."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

_IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_PRIVILEGE = re.compile(r"(SELECT|INSERT|UPDATE|DELETE)( \([a-z_][a-z0-9_]*(, [a-z_][a-z0-9_]*)*\))?")


def grant_table(execute: Callable[[str], object], table: str, app_role: str, privileges: Sequence[str]) -> None:
    """Grants `privileges` on `table` of schema public to `app_role`, and takes what the public may have.

    A privilege is SELECT, INSERT, UPDATE or DELETE, with columns in parentheses where it is for some only.
    """
    for name in (table, app_role):
        if _IDENTIFIER.fullmatch(name) is None:
            raise ValueError(f"{name!r} is not a plain lower-case identifier")
    for privilege in privileges:
        if _PRIVILEGE.fullmatch(privilege) is None:
            raise ValueError(f"{privilege!r} is not a privilege on a table")
    execute(f"REVOKE ALL ON public.{table} FROM PUBLIC")
    execute(f"GRANT {', '.join(privileges)} ON public.{table} TO {app_role}")
