"""What is signed: in-toto Statements about a manifest, in DSSE envelopes of one canonical form."""

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import UnverifiedSignatureError, VerificationError
from securesystemslib.signer import Signature, Signer

from assay.bundle.keys import ROLE, Trusted
from assay.campaign import Campaign, as_object
from assay.files import MANIFEST, Damaged, canonical, exact, strict

PAYLOAD = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"
SEAL = "urn:assay:seal:v1"
TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
RESULTS = "results.json"
RESULTS_FORMAT = "assay-results-1"
MAX_COMMENT = 100_000
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def results(campaign: Campaign, rules: Mapping[str, str], harness: str) -> bytes:
    """What was judged from the records of a campaign, under which rules: the octets of `results.json`."""
    listed = [as_object(result) for result in campaign.results()]
    whole = {"format": RESULTS_FORMAT, "harness": harness, "results": listed, "rules": dict(rules)}
    return canonical(whole)


def seal(manifest: bytes, judged: bytes, role: str, time: str, comment: str) -> dict[str, Any]:
    """The statement of a seal: who vouches in which role, when, for which evidence and which results."""
    predicate = {"comment": comment, "results": _digest(judged), "role": role, "time": time}
    return _statement(manifest, SEAL, predicate)


def test_result(manifest: bytes, judged: bytes) -> dict[str, Any]:
    """The statement test-result/v0.1 that results amount to; it follows from them alone.

    That predicate has no word for INCONCLUSIVE: such a test stands in no list, but the result is FAILED, and
    so it is for ERROR and NOT_RUN. WARNED would say that it passed.
    """
    listed = strict(judged, RESULTS)["results"]
    named: dict[str, list[str]] = {"PASS": [], "FAIL": []}
    for one in listed:
        if one["verdict"] in named:
            named[one["verdict"]].append(f"{one['spec']}/{one['case']}/{one['variant']}@{one['target']}")
    good = bool(listed) and all(one["verdict"] in ("PASS", "NOT_APPLICABLE") for one in listed)
    predicate = {
        "configuration": [{"digest": _digest(judged), "name": RESULTS}],
        "failedTests": named["FAIL"],
        "passedTests": named["PASS"],
        "result": "PASSED" if good else "FAILED",
        "warnedTests": [],
    }
    return _statement(manifest, TEST_RESULT, predicate)


def _statement(manifest: bytes, kind: str, predicate: Mapping[str, Any]) -> dict[str, Any]:
    subject = [{"digest": _digest(manifest), "name": MANIFEST}]
    return {"_type": STATEMENT, "predicate": predicate, "predicateType": kind, "subject": subject}


def _digest(data: bytes) -> dict[str, str]:
    return {"sha256": hashlib.sha256(data).hexdigest()}


def sign(statement: Mapping[str, Any], signer: Signer) -> bytes:
    """The octets of an envelope with one signature."""
    envelope = Envelope(canonical(statement), PAYLOAD, {})
    envelope.sign(signer)
    return canonical(envelope.to_dict())


# --- reading ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Signed:
    """An envelope as it lies in a bundle; nothing of it is believed before `by` says whose it is."""

    name: str
    payload: bytes
    keyid: str
    signature: bytes

    def by(self, keys: Sequence[Trusted]) -> Trusted | None:
        """The trusted key that the envelope names and that made its signature; Damaged when it did not."""
        for one in keys:
            if one.key.keyid == self.keyid:
                pae = Envelope(self.payload, PAYLOAD, {}).pae()
                try:
                    one.key.verify_signature(Signature(self.keyid, self.signature.hex()), pae)
                except (UnverifiedSignatureError, VerificationError):
                    raise Damaged(f"{self.name}: the signature is not one of {one.source}") from None
                return one
        return None


def envelope(data: bytes, name: str) -> Signed:
    """Take an envelope apart; Damaged where it is not the one form that `sign` writes."""
    found = exact(data, name)
    match found:
        case {
            "payload": str(payload),
            "payloadType": str(kind),
            "signatures": [{"keyid": str(keyid), "sig": str(signature)}],
        }:
            if kind != PAYLOAD:
                raise Damaged(f"{name}: payload type {kind[:100]!r}, not {PAYLOAD}")
            try:
                opened = Signed(name, _base64(payload), keyid, _base64(signature))
            except (ValueError, binascii.Error) as error:
                raise Damaged(f"{name}: {error}") from error
            if len(found) != 3 or len(found["signatures"][0]) != 2:
                raise Damaged(f"{name} holds more than an envelope has")
            if not re.fullmatch("[0-9a-f]{64}", keyid):
                raise Damaged(f"{name}: the key identifier is no SHA-256")
            return opened
    raise Damaged(f"{name} is no envelope with one signature")


def _base64(text: str) -> bytes:
    octets = base64.b64decode(text.encode(), validate=True)
    if base64.b64encode(octets).decode() != text:
        raise ValueError("base64 that is not in its one form")
    return octets


@dataclass(frozen=True)
class Claim:
    """What a seal says, when its signature was checked."""

    role: str
    time: str
    comment: str
    results: str  # SHA-256


def claim(signed: Signed, manifest: bytes) -> Claim:
    """What the statement of a seal says; Damaged where it is about another manifest or says it otherwise."""
    said = exact(signed.payload, signed.name)
    if said.get("predicateType") != SEAL or said.get("_type") != STATEMENT:
        raise Damaged(f"{signed.name}: a statement of another type ({str(said.get('predicateType'))[:100]})")
    predicate: Any = said.get("predicate")
    match predicate:
        case {
            "comment": str(comment),
            "results": {"sha256": str(judged)},
            "role": str(role),
            "time": str(time),
        } if (
            len(predicate) == 4
            and len(comment) <= MAX_COMMENT
            and ROLE.fullmatch(role)
            and TIME.fullmatch(time)
        ):
            if said != _statement(manifest, SEAL, predicate):
                raise Damaged(f"{signed.name}: sealed another manifest than the one here")
            return Claim(role, time, comment, judged)
    raise Damaged(f"{signed.name}: the predicate is no seal of {SEAL}")
