"""The access tokens of the emulated NRF (TS 29.510 clauses 5.4.2.2 and 6.3, RFC 6749, RFC 7515)."""

import base64
import json
import time
from collections.abc import Collection, Mapping
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from drivers.sbi import Request, Response, answer

EXPIRES_S = 3600


class Issuer:
    """Issues signed tokens to whoever asks in the right form; `services` names those of each NF type."""

    def __init__(self, identity: str, services: Mapping[str, Collection[str]]) -> None:
        self._identity, self._services = identity, services
        self._key = ec.generate_private_key(ec.SECP256R1())

    @property
    def public_key(self) -> ec.EllipticCurvePublicKey:
        """What verifies the tokens, as ES256."""
        return self._key.public_key()

    def issue(self, request: Request) -> Response:
        """The answer to an AccessTokenReq."""
        asked = request.content if isinstance(request.content, dict) else {}
        scope = str(asked.get("scope", ""))
        if not asked.keys() >= {"grant_type", "nfInstanceId", "scope"}:
            return self._refusal("invalid_request")
        if asked["grant_type"] != "client_credentials":
            return self._refusal("unsupported_grant_type")
        instance, kind = asked.get("targetNfInstanceId"), asked.get("targetNfType")
        if not (instance or kind):
            return self._refusal("invalid_request")
        # a scope is the name of a service, or of what can be done with one (TS 29.510 clause 6.3.5.2.2)
        offered = self._services.get(str(kind)) if kind else None
        wanted = {one.partition(":")[0] for one in scope.split()}
        if not wanted or (offered is not None and not wanted <= set(offered)):
            return self._refusal("invalid_scope")
        claims = {
            "iss": self._identity,
            "sub": asked["nfInstanceId"],
            "aud": [instance] if instance else kind,
            "scope": scope,
            "exp": int(time.time()) + EXPIRES_S,
        }
        token = {"access_token": self._signed(claims), "token_type": "Bearer", "expires_in": EXPIRES_S}
        return _private(answer(200, {**token, "scope": scope}))

    @staticmethod
    def _refusal(error: str) -> Response:
        return _private(answer(400, {"error": error}))

    def _signed(self, claims: Mapping[str, Any]) -> str:
        parts = (_base64url(json.dumps(one).encode()) for one in ({"alg": "ES256", "typ": "JWT"}, claims))
        text = ".".join(parts)
        r, s = utils.decode_dss_signature(self._key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{text}.{_base64url(r.to_bytes(32) + s.to_bytes(32))}"


def _private(response: Response) -> Response:
    """The response with the headers of RFC 6749 clause 5.1."""
    headers = {**response.headers, "cache-control": "no-store", "pragma": "no-cache"}
    return Response(response.status, headers, response.body)


def _base64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
