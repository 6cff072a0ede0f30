"""The emulated NSSAAF, with the AAA server behind it: Nnssaaf_NSSAA with EAP-MD5 (TS 29.526)."""

import base64
import hmac
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from drivers.codecs import eap
from drivers.interfaces import SLICE_AUTHENTICATION, SLICE_CONFIRMATION
from drivers.nssaa import SECRET
from drivers.sbi import Request, Response, answer, content_of, keep, problem

_CONTEXTS = SLICE_AUTHENTICATION.partition(" ")[2]


@dataclass(frozen=True)
class Challenge:
    """A slice authentication that is under way: whose it is, and the EAP request that awaits its answer."""

    supi: str
    whose: Mapping[str, Any]  # gpsi and snssai, as the AMF gave them
    request: eap.Packet


class Nssaaf:
    """An NSSAAF that knows the users with these GPSIs, and challenges each of them once for any slice."""

    interface = "n58"

    def __init__(self, supis: Mapping[str, str]) -> None:
        self._supis = supis  # by GPSI
        self._contexts: dict[str, Challenge] = {}
        self.routes = {SLICE_AUTHENTICATION: self._authenticate, SLICE_CONFIRMATION: self._confirm}

    def about(self, request: Request) -> tuple[str | None, dict[str, Any]]:
        """The subscriber of a request."""
        if context := self._contexts.get(request.params.get("authCtxId", "")):
            return context.supi, {}
        gpsi = request.content.get("gpsi") if isinstance(request.content, dict) else None
        return self._supis.get(gpsi) if isinstance(gpsi, str) else None, {}

    def _authenticate(self, request: Request) -> Response:
        content = request.content
        if not isinstance(content, dict) or not {"gpsi", "snssai", "eapIdRsp"} <= content.keys():
            return problem(400, "MANDATORY_IE_MISSING", "gpsi, snssai and eapIdRsp are needed")
        supi = self._supis.get(str(content["gpsi"]))
        if supi is None:
            return problem(404, "USER_NOT_FOUND")
        given = _packet(content["eapIdRsp"])
        if given is None or (given.code, given.type) != (eap.Code.RESPONSE, eap.Type.IDENTITY):
            return problem(400, "MANDATORY_IE_INCORRECT", "eapIdRsp is no EAP identity response in base64")
        identity, number = uuid.uuid4().hex, (given.identifier + 1) % 256
        data = eap.md5_data(secrets.token_bytes(16))
        challenge = eap.Packet(eap.Code.REQUEST, number, eap.Type.MD5_CHALLENGE, data)
        whose = {name: content[name] for name in ("gpsi", "snssai")}
        keep(self._contexts, identity, Challenge(supi, whose, challenge))
        body = {**whose, "authCtxId": identity, "eapMessage": _text(challenge)}
        return answer(
            201, body, location=f"{request.base}{_CONTEXTS}/{identity}", kind="application/3gppHal+json"
        )

    def _confirm(self, request: Request) -> Response:
        identity, content = request.params["authCtxId"], request.content
        context = self._contexts.get(identity)
        if context is None:
            return problem(404, "CONTEXT_NOT_FOUND")
        if not isinstance(content, dict) or not {"gpsi", "snssai", "eapMessage"} <= content.keys():
            return problem(400, "MANDATORY_IE_MISSING", "gpsi, snssai and eapMessage are needed")
        if any(content[name] != value for name, value in context.whose.items()):
            return problem(400, "MANDATORY_IE_INCORRECT", "gpsi or snssai is not that of this context")
        given = _packet(content["eapMessage"])
        if given is None:
            return problem(400, "MANDATORY_IE_INCORRECT", "eapMessage is no EAP packet in base64")
        del self._contexts[identity]
        return result(context.whose, given.identifier, success=_right(context.request, given))


def _right(request: eap.Packet, given: eap.Packet) -> bool:
    """Whether a response answers a challenge of EAP-MD5."""
    wanted = eap.md5_value(request.identifier, SECRET, eap.md5_of(request.data))
    if (given.code, given.identifier, given.type) != (eap.Code.RESPONSE, request.identifier, request.type):
        return False
    try:
        return hmac.compare_digest(eap.md5_of(given.data), wanted)
    except eap.Malformed:
        return False


def result(whose: Mapping[str, Any], identifier: int, *, success: bool) -> Response:
    """How an authentication ends, as the AMF is told."""
    code, status = (eap.Code.SUCCESS, "EAP_SUCCESS") if success else (eap.Code.FAILURE, "EAP_FAILURE")
    return answer(200, {**whose, "eapMessage": _text(eap.Packet(code, identifier)), "authResult": status})


def failure(normal: Response) -> Response:
    """An end of an authentication turned into EAP_FAILURE; what is none stays as it is."""
    content = content_of(normal)
    packet = _packet(content.get("eapMessage"))
    if normal.status != 200 or packet is None:
        return normal
    whose = {name: content.get(name) for name in ("gpsi", "snssai")}
    return result(whose, packet.identifier, success=False)


def _packet(text: object) -> eap.Packet | None:
    """The EAP packet in a JSON member, None where there is none."""
    try:
        return eap.Packet.decode(base64.b64decode(text, validate=True)) if isinstance(text, str) else None
    except ValueError:
        return None


def _text(packet: eap.Packet) -> str:
    return base64.b64encode(packet.encode()).decode("ascii")
