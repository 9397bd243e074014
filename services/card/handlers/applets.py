"""What is done with the areas of the municipality's own services."""

from __future__ import annotations

import grpc.aio

from juki.card.v1 import applet_service_pb2 as pb
from juki.card.v1 import applet_service_pb2_grpc as rpc
from services.card.handlers.acts import Acts, receipted
from services.card.own_services import OwnServices
from services.card.rules.use import (
    check_file,
    check_file_size,
    check_part,
    check_pin_rule,
    check_quota,
    check_service,
)
from services.card.terminal.own_service import ServicePin
from services.card.terminal.secret import Pin
from services.card.wire import parse, write


class AppletHandlers(rpc.AppletServiceServicer):
    """Answers for the areas of the services of one municipality."""

    def __init__(self, acts: Acts, municipality: str) -> None:
        self._acts = acts
        self._own = municipality

    async def InstallApplet(  # noqa: D102 - the proto says it
        self,
        request: pb.InstallAppletRequest,
        _context: grpc.aio.ServicerContext[pb.InstallAppletRequest, pb.InstallAppletResponse],
    ) -> pb.InstallAppletResponse:
        number, quota, pin = request.service_number, request.quota, None
        check_service(number)
        check_quota(quota)
        if request.HasField("pin_rule"):
            rule = request.pin_rule
            check_pin_rule(rule.minimum_length, rule.maximum_length, rule.tries)
            pin = ServicePin(rule.minimum_length, rule.maximum_length, rule.tries)
        return await self._acts.perform(
            request.session,
            pb.InstallAppletResponse,
            lambda under: OwnServices(under.desk, self._own).install(number, quota, pin, begun=under.begun),
            receipted(pb.InstallAppletResponse),
        )

    async def DeleteApplet(  # noqa: D102 - the proto says it
        self,
        request: pb.DeleteAppletRequest,
        _context: grpc.aio.ServicerContext[pb.DeleteAppletRequest, pb.DeleteAppletResponse],
    ) -> pb.DeleteAppletResponse:
        check_service(request.service_number)
        return await self._acts.perform(
            request.session,
            pb.DeleteAppletResponse,
            lambda under: OwnServices(under.desk, self._own).delete(request.service_number, begun=under.begun),
            receipted(pb.DeleteAppletResponse),
        )

    async def ListApplets(  # noqa: D102 - the proto says it
        self,
        request: pb.ListAppletsRequest,
        _context: grpc.aio.ServicerContext[pb.ListAppletsRequest, pb.ListAppletsResponse],
    ) -> pb.ListAppletsResponse:
        return await self._acts.look(
            request.session,
            lambda desk: OwnServices(desk, self._own).areas(),
            lambda done, receipt: pb.ListAppletsResponse(
                applets=[write.applet(area) for area in done], receipt=receipt
            ),
        )

    async def CreateAppletFile(  # noqa: D102 - the proto says it
        self,
        request: pb.CreateAppletFileRequest,
        _context: grpc.aio.ServicerContext[pb.CreateAppletFileRequest, pb.CreateAppletFileResponse],
    ) -> pb.CreateAppletFileResponse:
        check_service(request.service_number)
        check_file(request.file)
        check_file_size(request.size)
        read = parse.file_access(request.read_access, "read_access")
        write_octet = parse.file_access(request.write_access, "write_access")
        return await self._acts.perform(
            request.session,
            pb.CreateAppletFileResponse,
            lambda under: OwnServices(under.desk, self._own).create_file(
                request.service_number, request.file, request.size, read=read, write=write_octet, begun=under.begun
            ),
            receipted(pb.CreateAppletFileResponse),
        )

    async def ReadAppletData(  # noqa: D102 - the proto says it
        self,
        request: pb.ReadAppletDataRequest,
        _context: grpc.aio.ServicerContext[pb.ReadAppletDataRequest, pb.ReadAppletDataResponse],
    ) -> pb.ReadAppletDataResponse:
        check_service(request.service_number)
        check_file(request.file)
        check_part(request.offset, request.size)
        part = range(request.offset, request.offset + request.size)
        with Pin(request.pin_value) as pin:
            given = pin if request.pin_value else None
            return await self._acts.look(
                request.session,
                lambda desk: OwnServices(desk, self._own).read(request.service_number, request.file, part, given),
                lambda done, receipt: pb.ReadAppletDataResponse(data=done, receipt=receipt),
                (f"service_{request.service_number}",),
            )

    async def WriteAppletData(  # noqa: D102 - the proto says it
        self,
        request: pb.WriteAppletDataRequest,
        _context: grpc.aio.ServicerContext[pb.WriteAppletDataRequest, pb.WriteAppletDataResponse],
    ) -> pb.WriteAppletDataResponse:
        check_service(request.service_number)
        check_file(request.file)
        check_part(request.offset, len(request.data))
        with Pin(request.pin_value) as pin:
            given = pin if request.pin_value else None
            return await self._acts.perform(
                request.session,
                pb.WriteAppletDataResponse,
                lambda under: OwnServices(under.desk, self._own).write(
                    request.service_number, request.file, request.offset, request.data, given
                ),
                receipted(pb.WriteAppletDataResponse),
            )

    async def SetAppletPin(  # noqa: D102 - the proto says it
        self,
        request: pb.SetAppletPinRequest,
        _context: grpc.aio.ServicerContext[pb.SetAppletPinRequest, pb.SetAppletPinResponse],
    ) -> pb.SetAppletPinResponse:
        check_service(request.service_number)
        with Pin(request.new_value) as new:
            return await self._acts.perform(
                request.session,
                pb.SetAppletPinResponse,
                lambda under: OwnServices(under.desk, self._own).set_pin(request.service_number, new),
                receipted(pb.SetAppletPinResponse),
            )
