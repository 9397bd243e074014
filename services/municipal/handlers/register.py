"""RegisterService as a whole."""

from __future__ import annotations

from juki.municipal.v1 import register_service_pb2_grpc as rpc
from services.municipal.handlers.corrections import CorrectionHandlers
from services.municipal.handlers.entries import EntryHandlers
from services.municipal.handlers.households import HouseholdHandlers
from services.municipal.handlers.removals import RemovalHandlers


class RegisterHandlers(
    EntryHandlers, RemovalHandlers, CorrectionHandlers, HouseholdHandlers, rpc.RegisterServiceServicer
):
    """Answers every act on the register."""
